"""Calcfunctions of the final stage: what DFT is asked about, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Bool, Dict

from aiida_mtp.calculations.screen_functions import energy_error
from aiida_mtp.calculations.set_functions import is_referenced
from aiida_mtp.core._arrays import are_among, strings
from aiida_mtp.core.screening.duplicates import DuplicateSettings, find_duplicates
from aiida_mtp.core.screening.funnel import RetainSettings, hull_members
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.verification import (
    DUPLICATE,
    EXTRAPOLATING,
    PREDICTED,
    RELAXED,
    UNRELIABLE,
    Prospects,
    VerificationSettings,
    audit_report,
    audit_rows,
    prospects,
)
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Ints

TRUSTED = RetainSettings().trusted
REACH = 10.0  # errors of the potential above its hull: what lies higher is not looked at for equals


@calcfunction
def begin_afresh(
    prototypes: StructureSetData,
    stage_1: StructureSetData,
    references: StructureSetData,
    report_1: Dict,
) -> StructureSetData:
    """Return as they were given those that the first stage has not put out of reach, and elements.

    Its potential was the worst: where it has led them, DFT would not go with all of them.
    """
    batch = _with_formation_energies(stage_1.get_batch(), 1)
    usable = np.isin(batch.status, TRUSTED) & np.isfinite(batch.energies)
    near = _near_hull(batch, usable, REACH * energy_error(report_1['training']))
    given = prototypes.get_batch()
    given = given.take(are_among(given.ids, batch.ids[np.union1d(near, np.flatnonzero(~usable))]))
    return StructureSetData.from_batch(
        _bare(StructureBatch.concatenate([given, references.get_batch()]))
    )


@calcfunction
def gather_candidates(
    references: StructureSetData,
    stage_1: StructureSetData,
    stage_2: StructureSetData,
    report_2: Dict,
    **afresh: StructureSetData,
) -> StructureSetData:
    """Join what the last stage relaxed and what the one before had dropped.

    Of `afresh`, relaxed by the last potential from where they began, counts what is lower than what
    the last stage has found, and all that it had not been given.

    The status of a candidate is ``predicted`` or ``extrapolating``, or ``unreliable`` if its energy
    cannot be believed, ``relaxed`` if it is one of the references, ``duplicate`` if it is the same
    crystal as a lower one, named in column `duplicate_of`. Column `stage` tells whose potential has
    relaxed it, `formation_energy` is counted from the elements as that potential has them.
    """
    last = _with_formation_energies(stage_2.get_batch(), 2)
    first = _with_formation_energies(stage_1.get_batch(), 1)
    if afresh:
        last = _lower(last, _predictions(afresh), first)
    batch = StructureBatch.concatenate([last, first.take(~are_among(first.ids, last.ids))])
    status = batch.status.copy()
    status[np.isin(status, TRUSTED)] = PREDICTED
    status[~np.isin(status, (PREDICTED, EXTRAPOLATING)) | ~np.isfinite(batch.energies)] = UNRELIABLE
    usable = np.flatnonzero(status == PREDICTED)
    status[usable[is_referenced(batch.take(usable), references.get_batch())]] = RELAXED
    names = strings([''] * len(batch))
    near = _near_hull(batch, status == PREDICTED, REACH * energy_error(report_2['training']))
    stands_for = near[find_duplicates(batch.take(near), DuplicateSettings())]
    same = stands_for != near
    status[near[same]] = DUPLICATE
    names[near[same]] = batch.ids[stands_for[same]]
    return StructureSetData.from_batch(
        batch.replaced(status=status).with_columns(duplicate_of=names)
    )


def _lower(last: StructureBatch, new: StructureBatch, first: StructureBatch) -> StructureBatch:
    """Return the lower of two minima, and of those that are new the candidates of the first."""
    known = {
        str(key): float(energy) if status in TRUSTED else np.inf
        for key, energy, status in zip(
            last.ids, last.columns['formation_energy'], last.status, strict=True
        )
    }
    energies = new.columns['formation_energy']
    lower = [e < known.get(str(key), np.inf) for key, e in zip(new.ids, energies, strict=True)]
    new = new.take(np.array(lower, dtype=bool) & are_among(new.ids, first.ids))
    others = new.take(~are_among(new.ids, last.ids))
    return StructureBatch.concatenate([_updated(last, new), others])


def _with_formation_energies(batch: StructureBatch, stage: int) -> StructureBatch:
    """Return structures with their formation energies by the elements among them."""
    hull = hull_of(batch.take(hull_members(batch))).hull
    return batch.with_columns(
        formation_energy=hull.formation_energies(batch), stage=np.full(len(batch), stage)
    )


def _near_hull(batch: StructureBatch, usable: Bools, reach: float) -> Ints:
    """Return the rows not further than this above the hull of predicted formation energies."""
    rows = np.flatnonzero(usable)
    energies = batch.columns['formation_energy'] * batch.n_atoms
    hull = hull_of(batch.replaced(energies=energies).take(rows), dict.fromkeys(batch.species, 0.0))
    near: Ints = rows[hull.e_above_hull <= reach]
    return near


@calcfunction
def predict_anew(candidates: StructureSetData, **parts: StructureSetData) -> StructureSetData:
    """Return the candidates with what a better potential made of some; the others as they are."""
    return StructureSetData.from_batch(_updated(candidates.get_batch(), _predictions(parts)))


@calcfunction
def newest_predictions(
    previous: StructureSetData | None = None, **parts: StructureSetData
) -> StructureSetData:
    """Return what the newest potential predicts, and of other candidates what one before did.

    They are few, where `predict_anew` would keep all candidates once more in every round.
    """
    new = _predictions(parts)
    if previous is not None:
        old = previous.get_batch()
        new = StructureBatch.concatenate([new, old.take(~are_among(old.ids, new.ids))])
    return StructureSetData.from_batch(new)


@calcfunction
def update_candidates(candidates: StructureSetData, newest: StructureSetData) -> StructureSetData:
    """Return the candidates as last predicted."""
    return StructureSetData.from_batch(_updated(candidates.get_batch(), newest.get_batch()))


def _predictions(parts: dict[str, StructureSetData]) -> StructureBatch:
    """Return what can be believed of what jobs have relaxed; nothing without all the elements."""
    new = StructureBatch.concatenate([part.get_batch() for _, part in sorted(parts.items())])
    new = new.take(np.isin(new.status, TRUSTED) & np.isfinite(new.energies))
    pure = np.count_nonzero(new.compositions, axis=1) == 1
    if new.compositions[pure].any(axis=0).all():
        new = _with_formation_energies(new, 2)
    else:  # nothing to count formation energies from
        nothing = np.zeros(0)
        new = new.take([]).with_columns(formation_energy=nothing, stage=nothing.astype(np.int64))
    return new.replaced(status=strings([PREDICTED] * len(new))).with_columns(
        duplicate_of=strings([''] * len(new))
    )


def _updated(batch: StructureBatch, new: StructureBatch) -> StructureBatch:
    """Return structures with those that are newer in their places."""
    rows = {str(key): len(batch) + row for row, key in enumerate(new.ids)}
    both = StructureBatch.concatenate([batch, new])
    return both.take([rows.get(str(key), row) for row, key in enumerate(batch.ids)])


@calcfunction
def choose_candidates(
    candidates: StructureSetData,
    references: StructureSetData,
    settings: Dict,
    report_1: Dict,
    report_2: Dict,
    is_last: Bool,
    newest: StructureSetData | None = None,
    labels: StructureSetData | None = None,
    relaxed: StructureSetData | None = None,
    audited: StructureSetData | None = None,
) -> dict[str, Any]:
    """Return which candidates DFT should label and relax next, and what is known of all.

    `to_label`, `to_relax`: empty if enough is known. `contenders`: what is worth predicting anew,
    and the elements that it will be counted from. Where nothing more is asked, `verdict` has an
    entry for each candidate: `step`, `e_above_hull` (eV/atom) and `probability`. In the first round
    some are drawn at random; they are the output `audited`.
    """
    batch, chosen = candidates.get_batch(), VerificationSettings.from_mapping(settings.get_dict())
    if newest is not None:
        batch = _updated(batch, newest.get_batch())
    elements = references.get_batch()
    found = prospects(
        batch,
        elements,
        {1: energy_error(report_1['training']), 2: energy_error(report_2['training'])},
        labels=None if labels is None else labels.get_batch(),
        relaxed=None if relaxed is None else relaxed.get_batch(),
        settings=chosen,
    )
    outputs: dict[str, Any] = {}
    to_label = found.to_label
    if labels is None:
        drawn = audit_rows(found.steps, chosen.audit, chosen.seed)
        outputs['audited'] = StructureSetData.from_batch(_bare(batch.take(drawn)))
        to_label = np.union1d(to_label, drawn)
    in_audit = np.zeros(len(batch), dtype=bool)
    if audited is not None:
        in_audit = are_among(batch.ids, audited.get_batch().ids)
    if is_last.value or not len(to_label) + len(found.to_relax):
        outputs['verdict'] = ArrayData(
            {
                'step': found.steps.astype(str),
                'e_above_hull': found.distances,
                'probability': found.probabilities,
            }
        )
    contenders = batch.take(found.contenders)
    if len(contenders):
        contenders = StructureBatch.concatenate([contenders, elements])
    return {
        **outputs,
        'to_label': StructureSetData.from_batch(_bare(batch.take(to_label))),
        'to_relax': StructureSetData.from_batch(_bare(batch.take(found.to_relax))),
        'contenders': StructureSetData.from_batch(_bare(contenders)),
        'report': Dict(_report(found, chosen, in_audit)),
    }


def _bare(batch: StructureBatch) -> StructureBatch:
    """Return structures as a potential or DFT is asked about them: geometry and name alone."""
    bare = batch.without_labels()
    return bare.replaced(columns={}, status=strings(['new'] * len(bare)))


def _report(found: Prospects, settings: VerificationSettings, audited: Bools) -> dict[str, Any]:
    return {
        'n_candidates': len(found.steps),
        'steps': found.counts(),
        'expected_missed': found.expected_missed,
        'bound': found.bound,
        'is_enough': found.is_enough,
        'error': found.errors[2].scale,
        'error_before': found.errors[1].scale,
        'gain': found.gains.scale,
        'limit': settings.expected_missed,
        'audit': audit_report(found, audited),
    }


@calcfunction
def add_answers(new: StructureSetData, previous: StructureSetData) -> StructureSetData:
    """Return what DFT has said so far and what it says now; the newest of each structure counts."""
    batch, old = new.get_batch(), previous.get_batch()
    rest = old.take(~are_among(old.ids, batch.ids))
    return StructureSetData.from_batch(StructureBatch.concatenate([rest, batch]))


@calcfunction
def summarise_rounds(**reports: Dict) -> Dict:
    """Return the reports of all rounds, and the last of them again by its own keys."""
    rounds = [reports[key].get_dict() for key in sorted(reports)]
    return Dict({**rounds[-1], 'rounds': rounds})
