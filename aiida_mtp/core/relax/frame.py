"""One geometry and what the potential says of it: energy, forces, stress and grade.

The kernels of this package loop over components one by one: expressions of whole arrays compile
to many times the code, and the first relaxation of an installation waits for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.active.grade import grade_of_row
from aiida_mtp.core.neighbors import MAX_IMAGES, count_images
from aiida_mtp.core.potential.kernels import (
    KernelArguments,
    Workspace,
    add_parameter_gradient,
    evaluate_site,
    scatter,
)
from aiida_mtp.core.relax.settings import StopReason

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types

REASONS = tuple(StopReason)
CONVERGED = REASONS.index(StopReason.CONVERGED)
EXTRAPOLATING = REASONS.index(StopReason.EXTRAPOLATING)
MAX_STEPS = REASONS.index(StopReason.MAX_STEPS)
MIN_DIST = REASONS.index(StopReason.MIN_DIST)
VOLUME = REASONS.index(StopReason.VOLUME)
NOT_FINITE = REASONS.index(StopReason.NOT_FINITE)
UNKNOWN_SPECIES = REASONS.index(StopReason.UNKNOWN_SPECIES)
GOING = -1  # no reason to stop

ENERGY, CELL_VOLUME, GRADE, DISTANCE = range(4)  # of Frame.scalars


class Limits(NamedTuple):
    """Numbers of `RelaxSettings`; `min_dist` is resolved, `max_steps` a float like the others."""

    fmax: float
    smax: float
    pressure: float
    max_steps: float
    max_step: float
    threshold_save: float
    threshold_break: float
    min_dist: float
    min_volume: float
    max_volume: float


class Grading(NamedTuple):
    """What grades are computed with.

    Parameters
    ----------
    inverse
        shape (n_parameters, n_parameters): A⁻¹; of no rows if there is no active set.
    by_atom
        shape (1,) in neighborhood mode, (0,) in configuration mode.
    gradient, product
        shape (n_parameters,), or (0,) without grades: work space of one thread.
    """

    inverse: Floats
    by_atom: Floats
    gradient: Floats
    product: Floats


class Frame(NamedTuple):
    """A geometry and its properties, with room for the largest structure.

    Parameters
    ----------
    positions, cell
        shape (≥ n_atoms, 3), (3, 3), Å.
    forces, stress
        shape (≥ n_atoms, 3), eV/Å; (6,), ASE's sign and order, eV/Å³.
    scalars
        shape (4,): energy (eV), volume (Å³), grade, smallest distance (Å).
    """

    positions: Floats
    cell: Floats
    forces: Floats
    stress: Floats
    scalars: Floats


def make_frame(n_atoms: int) -> Frame:
    """Return room for a structure of up to so many atoms."""
    return Frame(
        np.zeros((n_atoms, 3)), np.zeros((3, 3)), np.zeros((n_atoms, 3)), np.zeros(6), np.zeros(4)
    )


@njit
def copy_frame(source: Frame, target: Frame, n_atoms: int) -> None:
    """Copy a frame of so many atoms."""
    for i in range(n_atoms):
        for a in range(3):
            target.positions[i, a] = source.positions[i, a]
            target.forces[i, a] = source.forces[i, a]
    for a in range(3):
        for b in range(3):
            target.cell[a, b] = source.cell[a, b]
    for a in range(6):
        target.stress[a] = source.stress[a]
    for a in range(4):
        target.scalars[a] = source.scalars[a]


@njit
def copy_geometry(
    positions: Floats, cell: Floats, start: int, n_atoms: int, scale: float, frame: Frame
) -> None:
    """Write the rows of positions from `start` on, and a cell, scaled, into a frame."""
    for i in range(n_atoms):
        for a in range(3):
            frame.positions[i, a] = scale * positions[start + i, a]
    for a in range(3):
        for b in range(3):
            frame.cell[a, b] = scale * cell[a, b]


@njit
def judge_geometry(
    frame: Frame, n_atoms: int, start_volume: float, limits: Limits, inverse: Floats, cutoff: float
) -> int:
    """Tell whether a geometry can be evaluated at all, `GOING`, or why not.

    Parameters
    ----------
    frame
        Its volume must have been written.
    start_volume
        Volume the limits refer to, Å³.
    inverse
        shape (3, 3): inverse of the cell, 1/Å.
    """
    volume = frame.scalars[CELL_VOLUME]
    total = volume
    for i in range(n_atoms):
        for a in range(3):
            total += frame.positions[i, a]
    if not math.isfinite(total):
        return NOT_FINITE
    if not limits.min_volume <= volume / start_volume <= limits.max_volume:
        return VOLUME
    return GOING if count_images(inverse, cutoff) <= MAX_IMAGES else VOLUME


@njit
def judge_properties(frame: Frame, n_atoms: int, limits: Limits, has_grade: int) -> int:
    """Tell whether to go on from an evaluated frame, `GOING`, or why not."""
    if frame.scalars[DISTANCE] < limits.min_dist:
        return MIN_DIST
    total = frame.scalars[ENERGY]
    for i in range(n_atoms):
        for a in range(3):
            total += frame.forces[i, a]
    for a in range(6):
        total += frame.stress[a]
    if not math.isfinite(total):
        return NOT_FINITE
    if has_grade and not frame.scalars[GRADE] <= limits.threshold_break:
        return EXTRAPOLATING
    return GOING


@njit
def clear(frame: Frame, n_atoms: int, grading: Grading) -> None:
    """Set to zero what the atoms add up to."""
    for i in range(n_atoms):
        for a in range(3):
            frame.forces[i, a] = 0.0
    for a in range(6):
        frame.stress[a] = 0.0
    for k in range(len(grading.gradient)):
        grading.gradient[k] = 0.0


@njit
def evaluate_frame(
    frame: Frame, types: Types, potential: KernelArguments, grading: Grading, work: Workspace
) -> int:
    """Write energy, forces, stress, smallest distance and grade of a frame.

    ``work.inverse`` must hold the inverse of the cell, and the frame its volume. Allocates nothing.

    Returns
    -------
    int
        0, or the number of neighbours of an atom that the workspace has no room for; then nothing
        is right.
    """
    n_atoms, n_parameters = len(types), len(grading.gradient)
    positions = frame.positions[:n_atoms]
    clear(frame, n_atoms, grading)
    energy, closest, grade = 0.0, np.inf, 0.0
    for i in range(n_atoms):
        n, site_energy = evaluate_site(i, positions, frame.cell, types, potential, work)
        if n > len(work.shell.r):
            return n
        energy += site_energy
        for j in range(n):
            closest = min(closest, work.shell.r[j])
        scatter(i, n, work, frame.forces, frame.stress)
        if n_parameters:
            add_parameter_gradient(n, types[i], types, potential, work, 1.0, grading.gradient)
        # the row is complete after each atom in neighborhood mode, after the last otherwise
        if n_parameters and (len(grading.by_atom) or i == n_atoms - 1):
            scale = 1.0 if len(grading.by_atom) else 1.0 / n_atoms
            own = grade_of_row(grading.gradient, scale, grading.inverse, grading.product)
            if not own < grade:  # NaN stays
                grade = own
            for k in range(n_parameters):
                grading.gradient[k] = 0.0
    for a in range(6):
        frame.stress[a] /= frame.scalars[CELL_VOLUME]
    frame.scalars[ENERGY] = energy
    frame.scalars[DISTANCE] = closest
    frame.scalars[GRADE] = grade if n_parameters else np.nan
    return 0
