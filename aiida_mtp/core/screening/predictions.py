"""Formation energies as a potential has them, beside those of DFT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.funnel import hull_members
from aiida_mtp.core.screening.hull import hull_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.structures import StructureBatch


@dataclass(frozen=True)
class Parity:
    """The same structures by DFT and by a potential, each relaxed by its own.

    Parameters
    ----------
    reference, predicted
        shape (n,): formation energies, eV/atom.
    """

    reference: Floats
    predicted: Floats

    @property
    def rmse(self) -> float:
        """Root mean square of the differences, eV/atom; NaN without any."""
        errors = self.predicted - self.reference
        return float(np.sqrt(np.mean(errors**2))) if len(errors) else float('nan')


def predicted_phases(
    relaxed: StructureBatch, elements: Sequence[str]
) -> tuple[StructureBatch, Floats]:
    """Return the structures whose energies can be believed, and their formation energies.

    Parameters
    ----------
    relaxed
        What a stage relaxed, with energies and statuses.
    elements
        The system. Formation energies are counted from its elements as the potential has them, in
        doubt if it must be; without one of them there is no zero, and nothing is returned.

    Returns
    -------
    batch
        Of these elements.
    formation_energies
        shape (n_structures,): eV/atom.
    """
    batch = relaxed.take(hull_members(relaxed)).with_species(elements)
    try:
        hull = hull_of(batch).hull
    except InputError:
        return batch.take([]), np.empty(0)
    if hull.species != tuple(elements):
        return batch.take([]), np.empty(0)
    return batch, hull.formation_energies(batch)


def parity_of(final: StructureBatch, relaxed: StructureBatch) -> Parity:
    """Compare what DFT has relaxed with what a potential had made of the same candidates.

    Parameters
    ----------
    final
        With the column `formation_energy`, NaN where DFT has none.
    relaxed
        What a stage relaxed; candidates are known by their ids.
    """
    batch, energies = predicted_phases(relaxed, final.species)
    reference = np.asarray(final.column('formation_energy'), dtype=np.float64)
    row_of = {str(key): row for row, key in enumerate(final.ids)}
    rows = np.array([row_of.get(str(key), -1) for key in batch.ids], dtype=np.int64)
    both = rows >= 0
    both[both] = np.isfinite(reference[rows[both]])
    return Parity(reference[rows[both]], energies[both])
