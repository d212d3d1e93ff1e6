"""What DFT has said of the candidates of the last stage, and of the hull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.screening.gains import harmonic_gains, judge_gains
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Bools, Floats, Ints, Strings
    from aiida_mtp.core.screening.gains import Gains
    from aiida_mtp.core.screening.hull import Hull

PREDICTED, LABELLED, RELAXED = 'predicted', 'labelled', 'relaxed'  # what is known of a candidate
FAILED, UNRELIABLE, DUPLICATE = 'failed', 'unreliable', 'duplicate'  # why no more is asked
EXTRAPOLATING = 'extrapolating'  # a candidate like others, but for the elements
STEPS = (PREDICTED, LABELLED, RELAXED, FAILED, UNRELIABLE, DUPLICATE)
LOWER = 1e-3  # eV/atom: by less the hull is not lowered


@dataclass(frozen=True)
class Known:
    """What DFT has said.

    Parameters
    ----------
    phases, hull
        What it has relaxed, elements among it, and the hull of that.
    steps
        shape (n_candidates,): words of `STEPS`.
    energies
        shape (n_candidates,): of formation, eV/atom; NaN without an answer. Of what is labelled
        alone, of where it is thought to relax to.
    gains
        Of relaxations after a label.
    """

    phases: StructureBatch
    hull: Hull
    steps: Strings
    energies: Floats
    gains: Gains

    @property
    def by_dft(self) -> Bools:
        """Whether DFT has answered, shape (n_candidates,)."""
        return np.isfinite(self.energies)


def known_of(
    candidates: StructureBatch,
    references: StructureBatch,
    labels: StructureBatch | None,
    relaxed: StructureBatch | None,
) -> Known:
    """Return what labels and relaxations say, and what those say of labels that stand alone."""
    steps = strings([PREDICTED] * len(candidates))
    for word in (UNRELIABLE, DUPLICATE, RELAXED):
        steps[candidates.status == word] = word
    phases = _finished(references, relaxed)
    hull = hull_of(phases).hull
    labelled = _said_of(candidates, labels, hull, steps, LABELLED)
    final = _said_of(candidates, relaxed, hull, steps, RELAXED)
    harmonic = np.zeros(len(candidates))
    if labels is not None and len(labels):
        harmonic[rows_of(candidates, labels)] = harmonic_gains(labels)
    gains = judge_gains(labelled - final, harmonic)
    energies = np.where(np.isfinite(final), final, labelled - gains.expected)
    return Known(phases, hull, steps, energies, gains)


def lowers_hull(
    relaxed: StructureBatch, before: StructureBatch | None, references: StructureBatch
) -> bool:
    """Whether anything that DFT has relaxed lies below the hull of what it had relaxed before."""
    hull = hull_of(_finished(references, before)).hull
    distances = hull.distances(relaxed.take(relaxed.status == 'done'))
    return bool(np.any(distances < -LOWER))


def joint_hull(known: Known, candidates: StructureBatch, best: Floats, hopeful: Bools) -> Hull:
    """Return the hull of formation energies that DFT has found, and of those to be hoped for."""
    phases, hull = known.phases, known.hull
    found = phases.replaced(energies=hull.formation_energies(phases) * phases.n_atoms)
    hoped = candidates.replaced(energies=best * candidates.n_atoms).take(hopeful)
    both = StructureBatch.concatenate([found, hoped.replaced(columns={})])
    return hull_of(both, dict.fromkeys(hull.species, 0.0)).hull


def rows_of(candidates: StructureBatch, found: StructureBatch) -> Ints:
    """Return the rows of candidates by the ids of others."""
    row_of: Mapping[str, int] = {str(key): row for row, key in enumerate(candidates.ids)}
    return np.array([row_of[str(key)] for key in found.ids], dtype=np.int64)


def _finished(references: StructureBatch, relaxed: StructureBatch | None) -> StructureBatch:
    sets = [references] if relaxed is None else [references, relaxed]
    joined = StructureBatch.concatenate(sets)
    return joined.take(joined.status == 'done')


def _said_of(
    candidates: StructureBatch,
    found: StructureBatch | None,
    hull: Hull,
    steps: Strings,
    word: str,
) -> Floats:
    """Return formation energies that DFT has found, NaN elsewhere, and take note in `steps`."""
    energies = np.full(len(candidates), np.nan)
    if found is None or not len(found):
        return energies
    rows, done = rows_of(candidates, found), found.status == 'done'
    steps[rows[done]] = word
    steps[rows[~done]] = FAILED
    energies[rows[done]] = hull.formation_energies(found)[done]
    return energies
