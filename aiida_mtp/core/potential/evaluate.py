"""Energies, forces and stresses of many structures.

Structures are spread over the threads in runs of fixed length, each with its own workspace, and
nothing is summed across threads: the results are the same for any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core._threads import on_all_threads
from aiida_mtp.core.potential.arguments import KernelArguments, kernel_arguments
from aiida_mtp.core.potential.kernels import evaluate_structure
from aiida_mtp.core.potential.workspace import CAPACITY, make_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats, Ints, Types
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.potential.workspace import Workspace
    from aiida_mtp.core.structures import StructureBatch

RUN = 64  # structures a thread takes at a time


@dataclass(frozen=True)
class Evaluation:
    """What a potential says of a batch.

    Parameters
    ----------
    energies
        shape (n_structures,), eV.
    forces
        shape (n_atoms, 3), eV/Å.
    stresses
        shape (n_structures, 6), ASE's sign and order, eV/Å³.
    site_energies
        shape (n_atoms,), eV.
    min_dist
        shape (n_structures,): smallest distance, Å; infinite if nothing is within the cutoff.
    """

    energies: Floats
    forces: Floats
    stresses: Floats
    site_energies: Floats
    min_dist: Floats

    @classmethod
    def concatenate(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """Join what was said of the parts of a batch."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def evaluate(model: MtpModel, batch: StructureBatch) -> Evaluation:
    """Evaluate a potential.

    A structure that makes no sense (coincident atoms, numbers that are not finite, a cell flat
    beyond `aiida_mtp.core.neighbors.MAX_IMAGES`) gets NaN.

    Raises
    ------
    InputError
        If a species of the batch is not one of the potential's.
    """
    return _run(model, batch, np.empty((0, 0)), np.empty((0, 0)))


def evaluate_with_gradients(model: MtpModel, batch: StructureBatch) -> tuple[Evaluation, Floats]:
    """Return `evaluate` and dE/dθ of each structure, at little more than the cost of one.

    Returns
    -------
    evaluation, gradients
        The latter of shape (n_structures, n_parameters).
    """
    gradients = np.zeros((len(batch), model.n_parameters))
    return _run(model, batch, gradients, np.empty((0, 0))), gradients


def evaluate_with_site_gradients(
    model: MtpModel, batch: StructureBatch
) -> tuple[Evaluation, Floats]:
    """Return `evaluate` and dE_i/dθ of each atom, shape (n_atoms, n_parameters)."""
    gradients = np.zeros((len(batch.positions), model.n_parameters))
    return _run(model, batch, np.empty((0, 0)), gradients), gradients


def energy_gradients(model: MtpModel, batch: StructureBatch) -> Floats:
    """Return dE/dθ of each structure, shape (n_structures, n_parameters)."""
    return evaluate_with_gradients(model, batch)[1]


def site_energy_gradients(model: MtpModel, batch: StructureBatch) -> Floats:
    """Return dE_i/dθ of each atom, shape (n_atoms, n_parameters)."""
    return evaluate_with_site_gradients(model, batch)[1]


def _run(
    model: MtpModel, batch: StructureBatch, of_structures: Floats, of_sites: Floats
) -> Evaluation:
    batch = batch.with_species(model.species)
    arguments = kernel_arguments(model)
    n, n_atoms = len(batch), len(batch.positions)
    result = Evaluation(
        np.zeros(n), np.zeros((n_atoms, 3)), np.zeros((n, 6)), np.zeros(n_atoms), np.full(n, np.inf)
    )

    def evaluate_run(start: int) -> None:
        capacity, done = CAPACITY, start
        while done < min(n, start + RUN):
            done, most = _evaluate_rows(
                done,
                min(n, start + RUN),
                batch.first_atom,
                batch.positions,
                batch.cells,
                batch.types,
                arguments,
                make_workspace(arguments, capacity),
                result.energies,
                result.forces,
                result.stresses,
                result.site_energies,
                result.min_dist,
                of_structures,
                of_sites,
            )
            capacity = max(most, 2 * capacity)  # only if it was too small

    for _ in on_all_threads(evaluate_run, range(0, n, RUN)):
        pass
    return result


@njit
def _evaluate_rows(
    start: int,
    stop: int,
    first_atom: Ints,
    positions: Floats,
    cells: Floats,
    types: Types,
    potential: KernelArguments,
    work: Workspace,
    energies: Floats,
    forces: Floats,
    stresses: Floats,
    site_energies: Floats,
    min_dist: Floats,
    of_structures: Floats,
    of_sites: Floats,
) -> tuple[int, int]:
    """Evaluate some structures.

    Returns
    -------
    stop
        The first that is not done: it has an atom with …
    n_neighbors
        … so many neighbours, more than there is room for.
    """
    for s in range(start, stop):
        rows = slice(first_atom[s], first_atom[s + 1])
        gradients = of_sites[rows] if len(of_sites) else of_structures[s : s + 1]
        n, min_dist[s] = evaluate_structure(
            positions[rows],
            cells[s],
            types[rows],
            potential,
            work,
            site_energies[rows],
            forces[rows],
            stresses[s],
            gradients,
        )
        if n:
            return s, n
        energies[s] = site_energies[rows].sum()
    return stop, 0
