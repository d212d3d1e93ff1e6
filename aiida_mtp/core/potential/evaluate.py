"""Energies, forces and stresses of many structures.

Structures are spread over the threads in runs of fixed length, each with its own workspace, and
nothing is summed across threads: the results are the same for any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit_parallel, prange
from aiida_mtp.core.neighbors import invert_cell
from aiida_mtp.core.potential.kernels import (
    CAPACITY,
    KernelArguments,
    add_parameter_gradient,
    evaluate_site,
    kernel_arguments,
    make_workspace,
    scatter,
)

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints, Types
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch

RUN = 16  # structures a thread takes at a time


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


def energy_gradients(model: MtpModel, batch: StructureBatch) -> Floats:
    """Return dE/dθ of each structure, shape (n_structures, n_parameters)."""
    gradients = np.zeros((len(batch), model.n_parameters))
    _run(model, batch, gradients, np.empty((0, 0)))
    return gradients


def site_energy_gradients(model: MtpModel, batch: StructureBatch) -> Floats:
    """Return dE_i/dθ of each atom, shape (n_atoms, n_parameters)."""
    gradients = np.zeros((len(batch.positions), model.n_parameters))
    _run(model, batch, np.empty((0, 0)), gradients)
    return gradients


def evaluate_with_gradients(model: MtpModel, batch: StructureBatch) -> tuple[Evaluation, Floats]:
    """Return `evaluate` and `energy_gradients`, at little more than the cost of one."""
    gradients = np.zeros((len(batch), model.n_parameters))
    return _run(model, batch, gradients, np.empty((0, 0))), gradients


def _run(
    model: MtpModel, batch: StructureBatch, of_structures: Floats, of_sites: Floats
) -> Evaluation:
    batch = batch.with_species(model.species)
    arguments = kernel_arguments(model)
    n, n_atoms = len(batch), len(batch.positions)
    result = Evaluation(
        np.zeros(n), np.zeros((n_atoms, 3)), np.zeros((n, 6)), np.zeros(n_atoms), np.full(n, np.inf)
    )
    capacity = CAPACITY
    while n:
        of_structures[:] = 0.0
        of_sites[:] = 0.0
        most = _evaluate_all(
            batch.first_atom,
            batch.positions,
            batch.cells,
            batch.types,
            arguments,
            capacity,
            result.energies,
            result.forces,
            result.stresses,
            result.site_energies,
            result.min_dist,
            of_structures,
            of_sites,
        )
        if most <= capacity:
            break
        capacity = most
    return result


@njit_parallel
def _evaluate_all(
    first_atom: Ints,
    positions: Floats,
    cells: Floats,
    types: Types,
    potential: KernelArguments,
    capacity: int,
    energies: Floats,
    forces: Floats,
    stresses: Floats,
    site_energies: Floats,
    min_dist: Floats,
    of_structures: Floats,
    of_sites: Floats,
) -> int:
    """Evaluate all structures; return the largest number of neighbours of any atom."""
    n_runs = (len(cells) + RUN - 1) // RUN
    most = np.zeros(n_runs, np.int64)
    for run in prange(n_runs):
        work = make_workspace(potential, capacity)
        for s in range(run * RUN, min(len(cells), (run + 1) * RUN)):
            start, stop = first_atom[s], first_atom[s + 1]
            own, cell, kinds = positions[start:stop], cells[s], types[start:stop]
            volume = abs(invert_cell(cell, work.inverse))
            energies[s] = 0.0
            forces[start:stop] = 0.0
            stresses[s] = 0.0
            for i in range(stop - start):
                n, energy = evaluate_site(i, own, cell, kinds, potential, work)
                most[run] = max(most[run], n)
                if n > len(work.shell.r):
                    continue
                energies[s] += energy
                site_energies[start + i] = energy
                for j in range(n):
                    min_dist[s] = min(min_dist[s], work.shell.r[j])
                scatter(i, n, work, forces[start:stop], stresses[s])
                if len(of_structures):
                    add_parameter_gradient(
                        n, kinds[i], kinds, potential, work, 1.0, of_structures[s]
                    )
                if len(of_sites):
                    add_parameter_gradient(
                        n, kinds[i], kinds, potential, work, 1.0, of_sites[start + i]
                    )
            stresses[s] /= volume
            if np.isnan(energies[s]):
                forces[start:stop] = np.nan
                stresses[s] = np.nan
    return int(most.max())
