"""How firmly a phase sits on its hull: what competes with it, and what it would decompose into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.screening.duplicates import DuplicateSettings, find_duplicates
from aiida_mtp.core.screening.hull import REFERENCE, hull_of

if TYPE_CHECKING:
    from aiida_mtp.core.screening.hull import Hull
    from aiida_mtp.core.structures import StructureBatch

LOOKED_AT = 20  # the next structures of a composition; more than these are never the same crystal


@dataclass(frozen=True)
class Competitor:
    """What comes next if a stable phase did not exist.

    Parameters
    ----------
    row
        The next structure of the same composition that is another crystal; -1 if there is none.
    distance
        How far above the phase it lies, eV/atom; NaN without one.
    margin
        How far the phase lies below the hull of all other compositions, eV/atom; NaN for elements.
    """

    row: int
    distance: float
    margin: float


def competitor_of(batch: StructureBatch, row: int) -> Competitor:
    """Return what competes with a stable phase.

    Parameters
    ----------
    batch
        The set whose hull the phase is on; a structure without an energy (NaN) takes no part.
    row
        The phase, the lowest of its composition.
    """
    own = batch.compositions[row]
    same = (batch.compositions * own.sum() == batch.n_atoms[:, None] * own).all(axis=1)
    known = np.isfinite(batch.energies)
    others = np.flatnonzero(same & known)
    others = others[np.argsort(batch.energies_per_atom[others], kind='stable')]
    others = np.concatenate([[row], others[others != row][:LOOKED_AT]])
    stands_for = find_duplicates(batch.take(others), DuplicateSettings())
    different = others[stands_for != stands_for[0]]
    next_row = int(different[0]) if len(different) else -1
    per_atom = batch.energies_per_atom
    distance = float(per_atom[next_row] - per_atom[row]) if len(different) else np.nan
    margin = np.nan
    if np.count_nonzero(own) > 1:
        without = hull_of(batch.take(known & ~same)).hull
        margin = -float(without.distances(batch.take([row]))[0])
    return Competitor(next_row, distance, margin)


def decomposition_of(hull: Hull, batch: StructureBatch, row: int) -> list[tuple[str, float]]:
    """Return the phases a structure decomposes into, each with its share of the atoms.

    Parameters
    ----------
    batch
        The set the hull was made from.
    """
    structure = batch.take([row]).with_species(hull.species)
    fractions = structure.compositions[0] / structure.n_atoms[0]
    parts = []
    for vertex, share in hull.decomposition(fractions):
        phase = int(hull.vertex_rows[vertex])
        if phase == REFERENCE:
            name = hull.species[int(np.argmax(hull.vertices[vertex]))]
        else:
            (name,) = batch.take([phase]).formulas
        parts.append((name, share))
    return sorted(parts, key=lambda part: -part[1])
