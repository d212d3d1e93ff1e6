"""The labels of a training set in the form of the least-squares problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.neighbors import neighbor_list
from aiida_mtp.core.training.workspace import Structures

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.settings import TrainingSettings

VOIGT_MULTIPLICITY = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # of each in the matrix


@dataclass(frozen=True)
class TrainingData:
    """The structures of a training set with targets and weights.

    Parameters
    ----------
    structures
        All of them, for the kernels.
    is_labelled
        shape (n_structures,): which have a label that counts. The loss is the mean over these.
    """

    structures: Structures
    is_labelled: Bools

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.structures.first_atom) - 1

    @property
    def has_energy(self) -> Bools:
        """Which structures have an energy that counts, shape (n_structures,)."""
        structures = self.structures
        known: Bools = structures.root_weights[structures.first_row[:-1]] > 0
        return known


def training_data(
    batch: StructureBatch, cutoff: float, frame_weights: Floats, settings: TrainingSettings
) -> TrainingData:
    """Return the least-squares problem of a training set.

    Parameters
    ----------
    batch
        Its species must be those of the potential.
    cutoff
        Å.
    frame_weights
        shape (n_structures,): factor of all weights of a structure.

    Raises
    ------
    InputError
        If no structure has an energy.
    """
    first_row = 3 * batch.first_atom + 7 * np.arange(len(batch) + 1)
    targets, weights = np.zeros(first_row[-1]), np.zeros(first_row[-1])
    n_atoms = batch.n_atoms
    energy_rows = first_row[:-1]
    targets[energy_rows] = batch.energies
    weights[energy_rows] = settings.energy_weight / n_atoms
    start = energy_rows[batch.structure_of_atom] + 1
    local = np.arange(len(batch.positions)) - batch.first_atom[batch.structure_of_atom]
    force_rows = (start + 3 * local)[:, None] + np.arange(3)
    targets[force_rows] = -batch.forces
    weights[force_rows] = settings.force_weight
    strain_rows = (first_row[1:] - 6)[:, None] + np.arange(6)
    targets[strain_rows] = batch.stresses * batch.volumes[:, None]
    weights[strain_rows] = settings.stress_weight / n_atoms[:, None] * VOIGT_MULTIPLICITY
    absent = ~np.isfinite(targets)
    targets[absent] = 0.0
    weights[absent] = 0.0
    weights *= np.repeat(frame_weights, np.diff(first_row))
    if not weights[energy_rows].any():
        raise InputError(f'none of {len(batch)} structures has an energy to train on')
    neighbors = neighbor_list(batch, cutoff)
    structures = Structures(
        first_atom=batch.first_atom,
        types=batch.types.astype(np.int64),
        first=neighbors.first,
        neighbor=neighbors.index,
        r_ij=neighbors.r_ij,
        first_row=first_row,
        targets=targets,
        root_weights=np.sqrt(weights),
    )
    return TrainingData(structures, np.add.reduceat(weights, first_row[:-1]) > 0)


def closest_distance(batch: StructureBatch, cutoff: float) -> float:
    """Return the smallest distance between two atoms, Å; infinite if it is beyond the cutoff."""
    r_ij = neighbor_list(batch, cutoff).r_ij
    return float(np.sqrt((r_ij**2).sum(axis=1).min())) if len(r_ij) else np.inf
