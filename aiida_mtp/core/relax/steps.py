"""Quasi-Newton steps on positions and cell together.

The curvature of springs to start from, BFGS, and a trust radius. A step that raises the enthalpy
is taken back, learnt from and made shorter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.relax.coordinates import enthalpy_gradient, largest_move, place_atoms
from aiida_mtp.core.relax.frame import (
    CELL_VOLUME,
    CONVERGED,
    ENERGY,
    GOING,
    MAX_STEPS,
    Frame,
    Limits,
    copy_frame,
    make_frame,
)
from aiida_mtp.core.relax.hessian import (
    correct_scale,
    dot,
    invert_in_place,
    learn_curvature,
    multiply,
    spring_hessian,
)

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.neighbors import Shell

ARMIJO = 1e-4  # a step must gain this part of what its slope promises …
ROUNDING = 1e-9  # … but for rounding, eV
GOOD, POOR = 0.5, 0.1  # parts of the gain foretold above and below which the trust radius changes
GROWTH, SHRINKAGE, RETREAT = 1.5, 0.5, 0.3
SMALLEST_TRUSTED = 1e-3  # Å: a poor gain of a shorter step is rounding …
SMALLEST_RADIUS = 1e-6  # Å: … and where no step gains the potential is not smooth

RADIUS, SLOPE, SHARE, LENGTH, HAS_SCALE = range(5)  # of Room.scalars


class Room(NamedTuple):
    """Memory of one thread for structures of up to n atoms; d = 3 n + 9 coordinates.

    Parameters
    ----------
    q, trial
        shape (d,): the coordinates, and those a step leads to.
    gradient, trial_gradient
        shape (d,): of the enthalpy there.
    step, change, foretold, work
        shape (d,): a step, the change of the gradient along it, that by the Hessian so far.
    inverse
        shape (d, d): inverse Hessian.
    start_cell
        shape (3, 3): the cell the coordinates refer to, Å.
    scalars
        shape (5,): trust radius (Å); of the step its slope (eV), the part of the full step it is,
        its length (Å); whether the overall scale of the Hessian is known.
    current, following, candidate
        The frame reached, the one a step leads to, the one of the largest grade.
    """

    q: Floats
    trial: Floats
    gradient: Floats
    trial_gradient: Floats
    step: Floats
    change: Floats
    foretold: Floats
    work: Floats
    inverse: Floats
    start_cell: Floats
    scalars: Floats
    current: Frame
    following: Frame
    candidate: Frame


def make_room(n_atoms: int) -> Room:
    """Return memory for one thread."""
    d = 3 * n_atoms + 9
    return Room(
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros(d),
        np.zeros((d, d)),
        np.zeros((3, 3)),
        np.zeros(5),
        make_frame(n_atoms),
        make_frame(n_atoms),
        make_frame(n_atoms),
    )


@njit
def begin_steps(
    n_atoms: int, limits: Limits, cell_inverse: Floats, cutoff: float, shell: Shell, room: Room
) -> None:
    """Make the current frame, which is evaluated, the origin of the coordinates.

    Parameters
    ----------
    cell_inverse
        shape (3, 3): inverse of its cell, 1/Å.
    cutoff
        Of the springs, Å.
    shell
        Room for the neighbours of an atom within the cutoff.
    """
    current = room.current
    for i in range(n_atoms):
        for a in range(3):
            room.q[3 * i + a] = current.positions[i, a]
    for a in range(3):
        for b in range(3):
            room.start_cell[a, b] = current.cell[a, b]
            room.q[3 * n_atoms + 3 * a + b] = 1.0 if a == b else 0.0
    spring_hessian(
        current.positions[:n_atoms], current.cell, cell_inverse, cutoff, shell, room.inverse
    )
    invert_in_place(room.inverse, 3 * n_atoms + 9, room.work)
    write_gradient(current, n_atoms, limits, room.q, room.gradient)
    room.scalars[RADIUS] = limits.max_step
    room.scalars[HAS_SCALE] = 0.0


@njit
def propose_step(n_atoms: int, limits: Limits, room: Room) -> int:
    """Write the geometry of the following frame, or return why there is none.

    Returns
    -------
    int
        `GOING`, `CONVERGED`, or `MAX_STEPS` if no step can lower the enthalpy any more.
    """
    if is_converged(room.current, n_atoms, limits):
        return CONVERGED
    size = 3 * n_atoms + 9
    multiply(room.inverse, room.gradient, size, room.step)
    length = largest_move(room.q, room.step, n_atoms)
    share = min(1.0, room.scalars[RADIUS] / length)
    for k in range(size):
        room.step[k] *= -share
        room.trial[k] = room.q[k] + room.step[k]
        room.foretold[k] = -share * room.gradient[k]
    room.scalars[SLOPE] = dot(room.gradient, room.step, size)
    room.scalars[SHARE] = share
    room.scalars[LENGTH] = share * length
    if not room.scalars[SLOPE] < 0.0 or room.scalars[RADIUS] < SMALLEST_RADIUS:
        return MAX_STEPS
    following = room.following
    place_atoms(room.trial, n_atoms, room.start_cell, following.positions, following.cell)
    return GOING


@njit
def digest_step(n_atoms: int, limits: Limits, room: Room) -> None:
    """Learn from the following frame, which is evaluated, and go there if that is an advance."""
    current, following, scalars = room.current, room.following, room.scalars
    size = 3 * n_atoms + 9
    write_gradient(following, n_atoms, limits, room.trial, room.trial_gradient)
    for k in range(size):
        room.change[k] = room.trial_gradient[k] - room.gradient[k]
    gain = enthalpy(following, limits) - enthalpy(current, limits)
    is_advance = gain <= ARMIJO * scalars[SLOPE] + ROUNDING
    is_positive = dot(room.step, room.change, size) > 0.0
    if is_positive and scalars[HAS_SCALE] == 0.0:
        correct_scale(room.inverse, room.step, room.change, room.foretold, size, room.work)
        scalars[HAS_SCALE] = 1.0
    if is_positive or is_advance:
        learn_curvature(room.inverse, room.step, room.change, room.foretold, size, room.work)
    if not is_advance:
        scalars[RADIUS] = RETREAT * scalars[LENGTH]
        return
    foretold = scalars[SLOPE] * (1.0 - 0.5 * scalars[SHARE])
    if gain < GOOD * foretold and scalars[SHARE] < 1.0:
        scalars[RADIUS] = min(scalars[RADIUS] * GROWTH, limits.max_step)
    elif gain > POOR * foretold:
        scalars[RADIUS] = max(SHRINKAGE * scalars[LENGTH], SMALLEST_TRUSTED)
    for k in range(size):
        room.q[k] = room.trial[k]
        room.gradient[k] = room.trial_gradient[k]
    copy_frame(following, current, n_atoms)


@njit
def is_converged(frame: Frame, n_atoms: int, limits: Limits) -> bool:
    """Tell whether all forces and all components of stress plus pressure are small enough."""
    for i in range(n_atoms):
        square = 0.0
        for a in range(3):
            square += frame.forces[i, a] ** 2
        if not square <= limits.fmax**2:
            return False
    for a in range(6):
        pressure = limits.pressure if a < 3 else 0.0
        if not abs(frame.stress[a] + pressure) <= limits.smax:
            return False
    return True


@njit
def enthalpy(frame: Frame, limits: Limits) -> float:
    """Return ``E + P V``, eV."""
    return float(frame.scalars[ENERGY] + limits.pressure * frame.scalars[CELL_VOLUME])


@njit
def write_gradient(frame: Frame, n_atoms: int, limits: Limits, q: Floats, gradient: Floats) -> None:
    """Write the gradient of the enthalpy at the coordinates q of a frame."""
    enthalpy_gradient(
        q,
        n_atoms,
        frame.forces,
        frame.stress,
        frame.scalars[CELL_VOLUME],
        limits.pressure,
        gradient,
    )
