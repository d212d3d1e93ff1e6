"""What earlier screens of a profile took, for the estimate of the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.cli.screens import all_screens
from aiida_mtp.cli.standing import standing_of
from aiida_mtp.cli.trace import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 5  # screens that are looked at, the newest


@dataclass(frozen=True)
class Experience:
    """What finished screens took; None where none tells.

    Parameters
    ----------
    screens
        Their pks.
    budget_share
        Labels of the stages, as a part of the most their settings allowed.
    round_share
        Iterations, the same.
    kept_share
        What the first stage kept, as a part of all candidates.
    final_labels, final_relaxations
        Structures that the final stage labelled and relaxed, as parts of all candidates.
    label_seconds, relaxation_seconds
        Of a label and of a relaxation with DFT, on one processor, means.
    dft_screens
        Pks of those screens whose DFT is like that of the next: these times are theirs.
    """

    screens: tuple[int, ...] = ()
    budget_share: float | None = None
    round_share: float | None = None
    kept_share: float | None = None
    final_labels: float | None = None
    final_relaxations: float | None = None
    label_seconds: float | None = None
    relaxation_seconds: float | None = None
    dft_screens: tuple[int, ...] = ()


def experience(backend: str, settings: Mapping[str, Any]) -> Experience:
    """Return what the newest screens with a hull took.

    Parameters
    ----------
    backend, settings
        The DFT of the next screen: times are taken from screens of the same backend and calculator.
    """
    screens = [screen for screen in all_screens() if screen.is_finished_ok][:MOST]
    alike = [
        screen for screen in screens if _dft_of(screen) == (backend, settings.get('calculator'))
    ]
    learnt = [_shares(screen) for screen in screens]
    labels = [_seconds(screen.outputs[STAGES[-1]].training_set) for screen in alike]
    relaxed = [_seconds(screen.outputs.hull) for screen in alike]
    return Experience(
        screens=tuple(screen.pk for screen in screens),
        label_seconds=_mean(labels),
        relaxation_seconds=_mean(relaxed),
        dft_screens=tuple(screen.pk for screen in alike),
        **{name: _mean([one.get(name) for one in learnt]) for name in SHARES},
    )


SHARES = ('budget_share', 'round_share', 'kept_share', 'final_labels', 'final_relaxations')


def _shares(screen: Any) -> dict[str, float]:
    found = standing_of(screen)
    parts = {part.label: part for part in found.parts}
    n_candidates = len(screen.outputs.candidates)
    stages = [parts[label] for label in STAGES if parts[label].max_labels]
    most = sum(part.max_labels or 0 for part in stages)
    rounds = sum(part.max_rounds or 0 for part in stages)
    shares = {'final_relaxations': _n_relaxed(screen) / n_candidates}
    if most and rounds:
        shares['budget_share'] = sum(part.n_labels for part in stages) / most
        shares['round_share'] = sum(max(0, len(part.rounds) - 1) for part in stages) / rounds
    if parts['stage_1'].n_retained is not None:
        shares['kept_share'] = parts['stage_1'].n_retained / n_candidates
    labelled = sum(sum(one.labelled.values()) for one in parts['final'].rounds)
    shares['final_labels'] = labelled / n_candidates
    return shares


def _n_relaxed(screen: Any) -> int:
    return len(screen.outputs.hull) - len(screen.outputs.references)


def _dft_of(screen: Any) -> tuple[str, str | None]:
    dft = screen.inputs.dft
    backend = dft.backend.value if 'backend' in dft else 'ase'
    return backend, dft.settings.get_dict().get('calculator')


def _seconds(structures: Any) -> float | None:
    """Return how long DFT took for a structure of a set, mean."""
    seconds = np.asarray(structures.get_batch().column('seconds'), dtype=np.float64)
    return float(np.nanmean(seconds)) if np.isfinite(seconds).any() else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
