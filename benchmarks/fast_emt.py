"""ASE's effective medium theory, compiled, and relaxations with it: brute force within minutes.

Energies, forces and stresses are those of `ase.calculators.emt.EMT` to the last digits; the steps
are those of the engine. A test compares both with ASE.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aiida_mtp.core._arrays import strings
from aiida_mtp.core._numba import njit
from aiida_mtp.core._threads import on_all_threads
from aiida_mtp.core.neighbors import Shell, find_neighbors, invert_cell, make_shell
from aiida_mtp.core.relax.frame import (
    CELL_VOLUME,
    ENERGY,
    GOING,
    Frame,
    Limits,
    copy_frame,
    copy_geometry,
)
from aiida_mtp.core.relax.settings import RelaxSettings, StopReason
from aiida_mtp.core.relax.steps import Room, begin_steps, digest_step, make_room, propose_step

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints, Types
    from aiida_mtp.core.structures import StructureBatch

BETA = 1.809
NEIGHBORS = 1000  # room for them: cells that are squeezed hold many
SPRINGS = 5.0  # Å: cutoff of the springs that a relaxation starts from
STRUCTURES_PER_CALL = 16


class Emt(NamedTuple):
    """Parameters of each species, shape (n_species,), in eV and Å, and of the cutoff."""

    e0: Floats
    s0: Floats
    v0: Floats
    eta2: Floats
    kappa: Floats
    lam: Floats
    n0: Floats
    inv12gamma1: Floats
    half_v0_over_gamma2: Floats
    rc: float
    slope: float
    reach: float


def parameters_of(species: tuple[str, ...]) -> Emt:
    """Return the parameters of some elements, as ASE has them."""
    from ase import Atoms
    from ase.calculators.emt import EMT

    atoms = Atoms(species, positions=10.0 * np.arange(3 * len(species)).reshape(-1, 3))
    calculator: Any = EMT()
    calculator.initialize(atoms)
    order = calculator.ia2iz
    par = {name: np.ascontiguousarray(values[order]) for name, values in calculator.par.items()}
    return Emt(
        par['E0'],
        par['s0'],
        par['V0'],
        par['eta2'],
        par['kappa'],
        par['lambda'],
        par['n0'],
        par['inv12gamma1'],
        -par['neghalfv0overgamma2'],
        float(calculator.rc),
        float(calculator.acut),
        float(calculator.rc_list),
    )


@njit
def evaluate_emt(frame: Frame, types: Types, emt: Emt, inverse: Floats, shell: Shell) -> None:
    """Write energy, forces and stress of a frame whose volume is written."""
    n_atoms = len(types)
    positions = frame.positions[:n_atoms]
    slopes = np.zeros(n_atoms)
    energy = 0.0
    for i in range(n_atoms):
        s, sigma = types[i], 0.0
        found = find_neighbors(i, positions, frame.cell, inverse, emt.reach, shell)
        if not 0 <= found <= len(shell.r):
            frame.scalars[ENERGY] = math.inf  # a step to be taken back
            return
        for k in range(found):
            o, r = types[shell.index[k]], shell.r[k]
            weight = 1.0 / (1.0 + math.exp(emt.slope * (r - emt.rc)))
            decay = math.exp(-emt.eta2[o] * (r - BETA * emt.s0[o]))
            sigma += decay * emt.n0[o] / emt.n0[s] * weight
        ds = -math.log(sigma * emt.inv12gamma1[s]) / (BETA * emt.eta2[s])
        x = emt.lam[s] * ds
        cohesive, repulsive = (
            emt.e0[s] * math.exp(-x),
            6.0 * emt.v0[s] * math.exp(-emt.kappa[s] * ds),
        )
        energy += (1.0 + x) * cohesive + repulsive - emt.e0[s]
        slopes[i] = (x * emt.lam[s] * cohesive + emt.kappa[s] * repulsive) / (
            BETA * emt.eta2[s] * sigma
        )
    stress = np.zeros((3, 3))
    for i in range(n_atoms):
        s = types[i]
        frame.forces[i, :] = 0.0
        for k in range(find_neighbors(i, positions, frame.cell, inverse, emt.reach, shell)):
            j, r = shell.index[k], shell.r[k]
            o = types[j]
            weight = 1.0 / (1.0 + math.exp(emt.slope * (r - emt.rc)))
            fall = emt.slope * (weight - 1.0)
            chi = emt.n0[o] / emt.n0[s]
            own = math.exp(-emt.eta2[o] * (r - BETA * emt.s0[o])) * chi * weight
            other = math.exp(-emt.eta2[s] * (r - BETA * emt.s0[s])) / chi * weight
            slope = slopes[i] * own * (fall - emt.eta2[o]) + slopes[j] * other * (
                fall - emt.eta2[s]
            )
            own = math.exp(-emt.kappa[o] * (r / BETA - emt.s0[o])) * chi * weight
            other = math.exp(-emt.kappa[s] * (r / BETA - emt.s0[s])) / chi * weight
            own *= -emt.half_v0_over_gamma2[s]
            other *= -emt.half_v0_over_gamma2[o]
            energy += 0.5 * (own + other)
            slope += own * (fall - emt.kappa[o] / BETA) + other * (fall - emt.kappa[s] / BETA)
            vector = (shell.x[k], shell.y[k], shell.z[k])
            for a in range(3):
                force = slope / r * vector[a]
                frame.forces[i, a] += force
                for b in range(3):
                    stress[a, b] += 0.5 * force * vector[b]
    frame.scalars[ENERGY] = energy
    for m, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        frame.stress[m] = 0.5 * (stress[a, b] + stress[b, a]) / frame.scalars[CELL_VOLUME]


@njit
def relax_frame(types: Types, emt: Emt, limits: Limits, shell: Shell, room: Room) -> int:
    """Relax the geometry of the following frame; return the number of evaluations."""
    inverse = np.empty((3, 3))
    n_atoms, turn = len(types), 0
    while True:
        following = room.following
        following.scalars[CELL_VOLUME] = abs(invert_cell(following.cell, inverse))
        evaluate_emt(following, types, emt, inverse, shell)
        turn += 1
        if turn == 1:
            copy_frame(following, room.current, n_atoms)
            begin_steps(n_atoms, limits, inverse, SPRINGS, shell, room)
        else:
            digest_step(n_atoms, limits, room)
        if turn >= limits.max_steps or propose_step(n_atoms, limits, room) != GOING:
            return turn


@njit
def relax_emt_rows(
    todo: Ints,
    first_atom: Ints,
    types: Types,
    positions: Floats,
    cells: Floats,
    energies: Floats,
    forces: Floats,
    stresses: Floats,
    n_steps: Ints,
    emt: Emt,
    limits: Limits,
    shell: Shell,
    room: Room,
) -> None:
    """Relax some rows in place."""
    for row in todo:
        start, stop = first_atom[row], first_atom[row + 1]
        copy_geometry(positions, cells[row], start, stop - start, 1.0, room.following)
        n_steps[row] = relax_frame(types[start:stop], emt, limits, shell, room)
        current = room.current
        energies[row] = current.scalars[ENERGY]
        stresses[row] = current.stress
        cells[row] = current.cell
        positions[start:stop] = current.positions[: stop - start]
        forces[start:stop] = current.forces[: stop - start]


def relax_with_emt(batch: StructureBatch, fmax: float, smax: float) -> StructureBatch:
    """Return structures relaxed with EMT, as `mtp-dft` returns them: status ``done``, `n_steps`.

    Parameters
    ----------
    fmax, smax
        eV/Å and eV/Å³.
    """
    settings = RelaxSettings(fmax=fmax, smax=smax, max_steps=1000, min_dist=0.0)
    limits = Limits(*(float(getattr(settings, name)) for name in Limits._fields))
    emt, n = parameters_of(batch.species), len(batch)
    types = batch.types.astype(np.int64)
    positions, cells = batch.positions.copy(), batch.cells.copy()
    energies, stresses = np.empty(n), np.empty((n, 6))
    forces, n_steps = np.empty_like(positions), np.zeros(n, dtype=np.int64)
    largest = int(batch.n_atoms.max())

    def relax_some(todo: Ints) -> int:
        relax_emt_rows(
            todo, batch.first_atom, types, positions, cells, energies, forces, stresses, n_steps,
            emt, limits, make_shell(NEIGHBORS), make_room(largest),
        )  # fmt: skip
        return len(todo)

    pieces = np.split(np.arange(n), np.arange(STRUCTURES_PER_CALL, n, STRUCTURES_PER_CALL))
    for _ in on_all_threads(relax_some, pieces, None):
        pass
    largest_force = np.maximum.reduceat(np.linalg.norm(forces, axis=1), batch.first_atom[:-1])
    done = (largest_force <= fmax) & (np.abs(stresses).max(axis=1) <= smax)
    return batch.replaced(
        positions=positions,
        cells=cells,
        energies=energies,
        forces=forces,
        stresses=stresses,
        status=strings(np.where(done, 'done', str(StopReason.MAX_STEPS)).tolist()),
    ).with_columns(n_steps=n_steps)
