"""Which candidates DFT is asked about next, and when it has been asked enough.

Every candidate has an energy of a potential; some have a label of DFT, at the geometry the
potential has relaxed them to; some of those were relaxed by DFT. Each step is dearer and leaves
less in doubt. What is the most likely to lie below the hull of all that DFT has relaxed takes the
next step first, the hull and the errors are judged anew, and it ends when next to nothing that
lies below is to be expected among the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from aiida_mtp.core.screening.knowledge import (
    DUPLICATE,
    EXTRAPOLATING,
    FAILED,
    LABELLED,
    PREDICTED,
    STEPS,
    UNRELIABLE,
    joint_hull,
    known_of,
)
from aiida_mtp.core.screening.risk import (
    ErrorModel,
    composition_shift,
    fewest,
    fit_errors,
    share_bound,
)
from aiida_mtp.core.settings import Range, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Bools, Floats, Ints, Strings
    from aiida_mtp.core.structures import StructureBatch

LIKELY_FIRST, ALL_RETAINED = 'likely_first', 'all_retained'
SHARE = 0.7  # of all that is to be expected: what is asked about before judging anew
FEWEST, FLOOR = 8, 0.1  # structures, share of the answers: what is asked about in any case
GROWTH = 0.25  # share of the answers: what may be asked about before judging anew
MANY, FEW = 5000, 0.01  # structures, share of all: what a better potential predicts once more
WORTH = 5.0  # times `expected_missed`: what is left open until prototypes are relaxed once more
NEGLIGIBLE = 0.1  # of `expected_missed`: what all candidates together may weigh that are put aside


@dataclass(frozen=True)
class VerificationSettings(Settings):
    """When enough is known of the candidates of the last stage.

    Parameters
    ----------
    rule
        ``likely_first``; or ``all_retained``: whatever the last stage has retained is relaxed, and
        nothing else here matters.
    expected_missed
        It ends when fewer structures than this are to be expected below the hull among those that
        DFT has not relaxed.
    afresh
        Whether prototypes are relaxed by the last potential from where they began, before anything
        else, and whenever little more is worth asking by one that is trained anew on all answers,
        until that adds little: a worse potential may have led them elsewhere, to where DFT does not
        go.
    shaken
        Copies of each prototype, displaced at random, that are relaxed as well whenever it begins
        afresh: they are led into minima nearby.
    tolerance
        What lies less than this below the hull does not count as missed, eV/atom.
    batch
        Most structures that take a step in one round; or a quarter of the answers there are, once
        that is more.
    audit
        Candidates labelled at random in the first round, wherever they lie, but no more than one in
        twenty: what is found of them bounds what was missed with nothing assumed, and they show the
        errors of those that nobody would ask about.
    max_rounds
        Most rounds.
    seed
        Of the audit and of shaken copies.
    """

    kind: ClassVar[str] = 'final'

    rule: str = LIKELY_FIRST
    expected_missed: float = 0.1
    afresh: bool = True
    shaken: int = 2
    tolerance: float = 0.0
    batch: int = 50
    audit: int = 50
    max_rounds: int = 50
    seed: int = 0

    @property
    def enough_to_look(self) -> float:
        """Number of structures to be expected below the hull when prototypes are relaxed afresh.

        What that will judge anew need not be known to the last. If no more are to be expected
        after it, it has added little.
        """
        return WORTH * self.expected_missed

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check_types()
        self.check_choice('rule', (LIKELY_FIRST, ALL_RETAINED))
        self.check_ranges(_RANGES)


_RANGES = {
    'expected_missed': Range(1e-6, np.inf, 'at least 1e-6'),
    'tolerance': Range(0.0, 1.0, 'between 0 and 1 eV/atom'),
    'batch': Range(1, np.inf, 'at least 1'),
    'audit': Range(0, np.inf, 'not negative'),
    'max_rounds': Range(1, np.inf, 'at least 1'),
    'shaken': Range(0, np.inf, 'not negative'),
    'seed': Range(0, np.inf, 'not negative'),
}


@dataclass(frozen=True)
class Prospects:
    """What is known of every candidate, and what is worth asking.

    Parameters
    ----------
    steps
        shape (n_candidates,): ``predicted``, ``labelled``, ``relaxed``, ``failed``, ``unreliable``
        or ``duplicate``.
    formation_energies
        shape (n_candidates,): best knowledge of those relaxed by DFT, eV/atom; NaN without any.
    distances
        shape (n_candidates,): of these from their hull, eV/atom.
    probabilities
        shape (n_candidates,): how likely it lies below that hull; 0 where that is known.
    places
        shape (n_candidates,): from 0 on the hull to 1 far above it; the width of errors depends on
        it.
    errors
        Of predicted energies, by the stage whose potential predicted them.
    gains
        Of what a relaxation gains after a label.
    expected_missed
        Number of structures to be expected below the hull among those not relaxed.
    bound
        Number of which, with 95 % confidence, there are no more.
    to_label, to_relax
        Rows, the most likely first.
    contenders
        Rows that are worth predicting anew with a better potential: all that cannot be put aside
        and only the stage before has predicted, and of those of the last stage the likeliest.
    """

    steps: Strings
    formation_energies: Floats
    distances: Floats
    probabilities: Floats
    places: Floats
    errors: Mapping[int, ErrorModel]
    gains: ErrorModel
    expected_missed: float
    bound: int
    to_label: Ints
    to_relax: Ints
    contenders: Ints

    @property
    def is_enough(self) -> bool:
        """Whether nothing is worth asking any more."""
        return not len(self.to_label) + len(self.to_relax)

    def counts(self) -> dict[str, int]:
        """Return how many candidates have got how far; they add up to all."""
        return {step: int(np.sum(self.steps == step)) for step in STEPS}


def prospects(
    candidates: StructureBatch,
    references: StructureBatch,
    sigmas: Mapping[int, float],
    *,
    labels: StructureBatch | None = None,
    relaxed: StructureBatch | None = None,
    settings: VerificationSettings | None = None,
) -> Prospects:
    """Judge the candidates by all that DFT has said.

    Parameters
    ----------
    candidates
        With the columns `formation_energy`, predicted by a potential and counted from the elements
        as it has them (eV/atom), and `stage`, the number of the stage whose potential that is. A
        status of ``unreliable`` or ``duplicate`` rules a candidate out, ``relaxed`` says that it is
        among the references, ``extrapolating`` that its energy must not make a hull.
    references
        The elements, relaxed by DFT.
    sigmas
        By stage, the error of its energies that is thought likely beforehand, eV/atom.
    labels, relaxed
        What DFT has labelled and relaxed, by their ids.

    Notes
    -----
    Energies are compared as formation energies, each counted from the elements of its own kind:
    labels, finals and potentials may differ by what is linear in composition. Distances are
    counted from the hull of all that is known best, predictions included: what is on it is asked
    about first, and it is enough only when all of it has been relaxed by DFT. An error is that of a
    prediction made before the label was known.
    """
    settings = settings or VerificationSettings()
    known = known_of(candidates, references, labels, relaxed)
    fractions = _fractions(candidates.with_species(known.hull.species))
    predicted, left = _corrected(candidates, known.energies, fractions, sigmas)
    best = np.where(known.by_dft, known.energies, predicted)
    best[np.isin(known.steps, (UNRELIABLE, DUPLICATE))] = np.nan

    in_doubt, only_labelled, failed = (
        known.steps == word for word in (PREDICTED, LABELLED, FAILED)
    )
    hopeful = (in_doubt & (candidates.status != EXTRAPOLATING)) | only_labelled
    height = joint_hull(known, candidates, best, hopeful).energies_at(fractions)
    distances = best - height
    margins = distances + settings.tolerance
    stages = candidates.columns['stage']
    places, probabilities = np.zeros(len(candidates)), np.zeros(len(candidates))
    errors: dict[int, ErrorModel] = {}
    expected = []
    for stage, sigma in sigmas.items():
        own = stages == stage
        places[own] = _places((predicted - height)[own], sigma)
        errors[stage] = fit_errors(left[stage], sigma, places[own & known.by_dft])
        unknown = own & (in_doubt | failed)
        probabilities[unknown] = errors[stage].exceed(margins[unknown], places[unknown])
        expected.append((errors[stage], margins[unknown], places[unknown]))
    # a relaxation only ever gains: of the two tails there is one
    gains = known.gains
    more = gains.errors.exceed(margins[only_labelled], gains.places[only_labelled])
    probabilities[only_labelled] = np.minimum(1.0, 2.0 * more)

    n_answers = sum(len(answers) for answers in (labels, relaxed) if answers is not None)
    chosen = _next_to_ask(probabilities, in_doubt | only_labelled, n_answers, settings)
    return Prospects(
        steps=known.steps,
        formation_energies=best,
        distances=distances,
        probabilities=probabilities,
        places=places,
        errors=errors,
        gains=gains.errors,
        expected_missed=float(probabilities.sum()),
        bound=fewest(expected, float(probabilities[only_labelled].sum())),
        to_label=chosen[known.steps[chosen] == PREDICTED],
        to_relax=chosen[known.steps[chosen] == LABELLED],
        contenders=_worth_predicting(
            probabilities, in_doubt, stages == max(errors), settings.expected_missed
        ),
    )


def audit_rows(steps: Strings, number: int, seed: int) -> Ints:
    """Return candidates chosen at random among those that were only predicted."""
    rows = np.flatnonzero(steps == PREDICTED)
    generator = np.random.default_rng(seed)
    chosen: Ints = np.sort(generator.permutation(rows)[: min(number, len(rows) // 20)])
    return chosen


def audit_report(found: Prospects, audited: Bools) -> dict[str, Any]:
    """Return what a random sample says of those that DFT was never asked about.

    Parameters
    ----------
    audited
        shape (n_candidates,): which were labelled at random. Of these, only those count that would
        not have been asked about otherwise.
    """
    rest = found.steps == PREDICTED
    sample = audited & (found.steps == LABELLED)
    lower = int(np.sum(sample & (found.distances < 0)))
    n_audited = int(sample.sum())
    bound = share_bound(lower, n_audited) if n_audited else 1.0
    return {
        'n_audited': n_audited,
        'n_found': lower,
        'n_rest': int(rest.sum()),
        'bound': float(bound * rest.sum()),
    }


def _corrected(
    candidates: StructureBatch, seen: Floats, fractions: Floats, sigmas: Mapping[int, float]
) -> tuple[Floats, dict[int, Floats]]:
    """Return predictions less what is linear in their errors, and by stage what errors are left."""
    predicted = np.array(candidates.columns['formation_energy'], dtype=np.float64)
    stages = candidates.columns['stage']
    left = {}
    for stage, sigma in sigmas.items():
        own = stages == stage
        met = own & np.isfinite(seen)
        shift, left[stage] = composition_shift((seen - predicted)[met], fractions[met], sigma)
        predicted[own] += fractions[own] @ shift
    return predicted, left


def _places(distances: Floats, sigma: float) -> Floats:
    """Return how far from the hull structures lie, from 0 (on it) to 1 (many errors above it).

    Those near it are asked about, and the potential learns them best: what lies higher may have
    other errors. The few that are drawn at random tell.
    """
    above = np.maximum(distances, 0.0)
    places: Floats = above / (above + sigma)
    return places


def _fractions(batch: StructureBatch) -> Floats:
    fractions: Floats = batch.compositions / batch.n_atoms[:, None]
    return fractions


def _next_to_ask(
    probabilities: Floats, asked: Bools, n_answers: int, settings: VerificationSettings
) -> Ints:
    """Return the rows that take a step in one round, the most likely first."""
    enough = settings.expected_missed
    if settings.afresh and probabilities.sum() > settings.enough_to_look:
        enough = settings.enough_to_look
    likely = _needed(probabilities, asked, 0.0)
    n_needed = len(likely) - _n_negligible(probabilities[likely[::-1]], enough)
    return likely[: _in_one_round(probabilities[likely[:n_needed]], n_answers, settings.batch)]


def _needed(probabilities: Floats, asked: Bools, allowed: float) -> Ints:
    """Return the rows, the most likely first, without which the rest adds up to what is allowed."""
    rows = np.flatnonzero(asked)
    order = rows[np.argsort(probabilities[rows], kind='stable')]
    needed: Ints = order[_n_negligible(probabilities[order], allowed) :][::-1]
    return needed


def _n_negligible(probabilities: Floats, allowed: float) -> int:
    """Return how many, the least likely first, add up to what is allowed."""
    return int(np.searchsorted(np.cumsum(probabilities), allowed, side='right'))


def _worth_predicting(
    probabilities: Floats, in_doubt: Bools, is_last: Bools, expected_missed: float
) -> Ints:
    """Return the rows that a better potential is to predict."""
    allowed = NEGLIGIBLE * expected_missed
    first = _needed(probabilities, in_doubt & ~is_last, allowed)
    # between two looks the last potential hardly changes: of hundreds of thousands the likely count
    again = _needed(probabilities, in_doubt & is_last, allowed)
    return np.concatenate([again[: max(MANY, int(FEW * len(in_doubt)))], first])


def _in_one_round(probabilities: Floats, n_answers: int, batch: int) -> int:
    """Return how many take a step in one round, of those that are needed and the likeliest others.

    The answers about the first, which add up to a share of all, tell how likely the others are:
    most need not be asked about then. But a round is a wait in the queue, too long for one or two.

    Parameters
    ----------
    probabilities
        Of those that are needed, the most likely first.
    """
    if not len(probabilities):
        return 0
    sums = np.cumsum(probabilities)
    number = int(np.searchsorted(sums, SHARE * sums[-1])) + 1
    at_least = max(FEWEST, min(int(FLOOR * n_answers), len(probabilities)))
    at_most = max(batch, int(GROWTH * n_answers))
    return min(max(number, at_least), at_most)
