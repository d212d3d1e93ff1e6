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
from aiida_mtp.core.potential.kernels import evaluate_structure
from aiida_mtp.core.relax.settings import StopReason

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types
    from aiida_mtp.core.potential.arguments import KernelArguments
    from aiida_mtp.core.potential.workspace import Workspace

REASONS = tuple(StopReason)
CONVERGED = REASONS.index(StopReason.CONVERGED)
EXTRAPOLATING = REASONS.index(StopReason.EXTRAPOLATING)
MAX_STEPS = REASONS.index(StopReason.MAX_STEPS)
MIN_DIST = REASONS.index(StopReason.MIN_DIST)
VOLUME = REASONS.index(StopReason.VOLUME)
NOT_FINITE = REASONS.index(StopReason.NOT_FINITE)
UNKNOWN_SPECIES = REASONS.index(StopReason.UNKNOWN_SPECIES)
UNFINISHED = REASONS.index(StopReason.UNFINISHED)
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
    rows
        Work space of one thread: shape (1, n_parameters) in configuration mode, (n_atoms,
        n_parameters) for the largest structure in neighborhood mode, (0, 0) without grades.
    product
        shape (n_parameters,): work space of one thread.
    """

    inverse: Floats
    rows: Floats
    product: Floats


class Frame(NamedTuple):
    """A geometry and its properties, with room for the largest structure.

    Parameters
    ----------
    positions, cell
        shape (≥ n_atoms, 3), (3, 3), Å.
    forces, stress
        shape (≥ n_atoms, 3), eV/Å; (6,), ASE's sign and order, eV/Å³.
    site_energies
        shape (≥ n_atoms,), eV.
    scalars
        shape (4,): energy (eV), volume (Å³), grade, smallest distance (Å).
    """

    positions: Floats
    cell: Floats
    forces: Floats
    stress: Floats
    site_energies: Floats
    scalars: Floats


def make_frame(n_atoms: int) -> Frame:
    """Return room for a structure of up to so many atoms."""
    return Frame(
        np.zeros((n_atoms, 3)),
        np.zeros((3, 3)),
        np.zeros((n_atoms, 3)),
        np.zeros(6),
        np.zeros(n_atoms),
        np.zeros(4),
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
def evaluate_frame(
    frame: Frame, types: Types, potential: KernelArguments, grading: Grading, work: Workspace
) -> int:
    """Write energy, forces, stress, smallest distance and grade of a frame. Allocates nothing.

    Returns
    -------
    int
        0, or the number of neighbours of an atom that the workspace has no room for; then nothing
        is right.
    """
    n_atoms, n_rows = len(types), len(grading.rows)
    rows = grading.rows[: min(n_rows, n_atoms)]
    n_neighbors, frame.scalars[DISTANCE] = evaluate_structure(
        frame.positions[:n_atoms],
        frame.cell,
        types,
        potential,
        work,
        frame.site_energies[:n_atoms],
        frame.forces[:n_atoms],
        frame.stress,
        rows,
    )
    if n_neighbors:
        return n_neighbors
    frame.scalars[ENERGY] = frame.site_energies[:n_atoms].sum()
    frame.scalars[GRADE] = 0.0 if n_rows else np.nan
    scale = 1.0 / n_atoms if n_rows == 1 else 1.0  # of the row of a structure, or of each atom
    for row in rows:
        own = grade_of_row(row, scale, grading.inverse, grading.product)
        if not own < frame.scalars[GRADE]:  # NaN stays
            frame.scalars[GRADE] = own
    return 0
