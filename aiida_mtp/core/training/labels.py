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
    from aiida_mtp.core.neighbors import Neighbors
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.settings import TrainingSettings

MAX_LABEL = 1e7  # eV and Å: ten times the energy of the heaviest atom with all its electrons
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
        If no structure has an energy, or one has atoms in the same place.
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
    _refuse_coincident(batch, neighbors)
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


def _refuse_coincident(batch: StructureBatch, neighbors: Neighbors) -> None:
    """Refuse atoms without a direction between them."""
    same = np.flatnonzero(~neighbors.r_ij.any(axis=1))
    if len(same):
        atom = np.searchsorted(neighbors.first, same[0], side='right') - 1
        name = batch.ids[batch.structure_of_atom[atom]]
        raise InputError(f'structure {name} has two atoms in the same place: remove it')


def reference_energies(batch: StructureBatch, frame_weights: Floats) -> Floats:
    """Return the energies of atoms that add up best to those of structures, shape (n_species,), eV.

    Of what the compositions leave open they are the smallest.
    """
    known = np.isfinite(batch.energies) & (frame_weights > 0)
    roots = np.sqrt(frame_weights[known] / batch.n_atoms[known])
    rows = batch.compositions[known] * roots[:, None]
    return np.asarray(np.linalg.lstsq(rows, batch.energies[known] * roots, rcond=1e-9)[0], float)


def refuse_senseless_labels(batch: StructureBatch) -> None:
    """Refuse labels of a size that no computation gives.

    Raises
    ------
    InputError
        If there are any.
    """
    atoms, starts = np.abs(batch.forces).max(axis=1, initial=0.0), batch.first_atom[:-1]
    for name, unit, sizes in (
        ('energy', 'eV/atom', np.abs(batch.energies_per_atom)),
        ('force', 'eV/Å', np.maximum.reduceat(atoms, starts)),
        ('stress', 'eV/Å³', np.abs(batch.stresses).max(axis=1)),
    ):
        wild = np.flatnonzero(np.isfinite(sizes) & (sizes > MAX_LABEL))
        if len(wild):
            raise InputError(
                f'structure {batch.ids[wild[0]]} has a label that cannot be: {name} '
                f'{sizes[wild[0]]:.3g} {unit}; remove it'
            )


def closest_distance(batch: StructureBatch, cutoff: float) -> float:
    """Return the smallest distance between two atoms, Å; infinite if it is beyond the cutoff."""
    r_ij = neighbor_list(batch, cutoff).r_ij
    return float(np.sqrt((r_ij**2).sum(axis=1).min())) if len(r_ij) else np.inf
