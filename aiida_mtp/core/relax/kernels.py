"""Structures relaxed from start to end within one compiled call, which allocates nothing.

The evaluation of the potential is by far the largest part of the machine code and stands in it
once: scan, start and steps are turns of one loop.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.neighbors import invert_cell
from aiida_mtp.core.potential.workspace import shell_of
from aiida_mtp.core.relax.frame import (
    CELL_VOLUME,
    ENERGY,
    EXTRAPOLATING,
    GOING,
    GRADE,
    MAX_STEPS,
    MIN_DIST,
    Frame,
    Grading,
    Limits,
    copy_frame,
    copy_geometry,
    evaluate_frame,
    judge_geometry,
    judge_properties,
)
from aiida_mtp.core.relax.steps import Room, begin_steps, digest_step, enthalpy, propose_step
from aiida_mtp.core.relax.volume import best_factor

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints, Types
    from aiida_mtp.core.potential.arguments import KernelArguments
    from aiida_mtp.core.potential.workspace import Workspace

NEAR_REST = 0.03  # eV/Å³: under a smaller pressure the volume of a metal is right to a few percent


class Rows(NamedTuple):
    """Structures, one row each, and what becomes of them.

    Parameters
    ----------
    first_atom, types
        shape (n_structures + 1,), (n_atoms,): only read.
    positions, cells
        shape (n_atoms, 3), (n_structures, 3, 3), Å.
    energies, forces, stresses
        shape (n_structures,), (n_atoms, 3), (n_structures, 6): written if they mean something.
    grades
        shape (n_structures,): largest grade met.
    reasons, n_steps
        shape (n_structures,): index into `REASONS`; number of evaluations.
    candidate_positions, candidate_cells, candidate_grades
        The frame to label, if its grade is written.
    """

    first_atom: Ints
    types: Types
    positions: Floats
    cells: Floats
    energies: Floats
    forces: Floats
    stresses: Floats
    grades: Floats
    reasons: Ints
    n_steps: Ints
    candidate_positions: Floats
    candidate_cells: Floats
    candidate_grades: Floats


class Scan(NamedTuple):
    """Volumes to try before the relaxation; arrays of no length for no scan.

    Parameters
    ----------
    factors
        shape (n_points,): volumes in units of the given one.
    enthalpies, reasons
        shape (n_points,): work space of one thread.
    """

    factors: Floats
    enthalpies: Floats
    reasons: Ints


@njit
def relax_rows(
    todo: Ints,
    rows: Rows,
    potential: KernelArguments,
    grading: Grading,
    limits: Limits,
    scan: Scan,
    work: Workspace,
    room: Room,
) -> int:
    """Relax some of the rows.

    Returns
    -------
    int
        How many of `todo` are finished: fewer than all if the next needs a larger workspace.
    """
    following = room.following
    for done in range(len(todo)):
        row = todo[done]
        types = rows.types[rows.first_atom[row] : rows.first_atom[row + 1]]
        n_atoms, turn, start_volume, max_grade = len(types), 0, 1.0, -math.inf
        n_before = turns_before_start(scan)
        room.candidate.scalars[GRADE] = -1.0
        while True:
            reason = lay_out(turn, n_before, row, rows, limits, scan, room)
            if reason != GOING:
                break
            following.scalars[CELL_VOLUME] = abs(invert_cell(following.cell, work.inverse))
            if turn <= n_before:
                start_volume = following.scalars[CELL_VOLUME]
            reason = judge_geometry(
                following, n_atoms, start_volume, limits, work.inverse, potential.max_dist
            )
            if reason == GOING:
                if evaluate_frame(following, types, potential, grading, work) > 0:
                    return done
                reason = judge_properties(following, n_atoms, limits, len(grading.inverse))
            turn += 1
            if is_at_rest(turn, reason, following, limits):
                n_before = 0
            if turn <= n_before:
                note_volume(turn - 2, following, reason, limits, scan)
                continue
            max_grade = watch(following, reason, n_atoms, limits, room, max_grade)
            if turn == n_before + 1:
                copy_frame(following, room.current, n_atoms)
            if reason != GOING:
                break
            if turn == n_before + 1:
                begin_steps(
                    n_atoms, limits, work.inverse, potential.max_dist, shell_of(work, 0), room
                )
            else:
                digest_step(n_atoms, limits, room)
        rows.reasons[row] = reason
        rows.n_steps[row] = turn
        rows.grades[row] = max_grade if max_grade >= 0.0 else np.nan
        store(rows, row, n_atoms, room)
    return len(todo)


@njit
def turns_before_start(scan: Scan) -> int:
    """Return how many frames a scan evaluates: the given one, and each of its volumes."""
    n_points = len(scan.factors)
    return n_points + 1 if n_points else 0


@njit
def is_at_rest(turn: int, reason: int, frame: Frame, limits: Limits) -> bool:
    """Tell whether the given frame is one relaxed before, with this potential or one like it."""
    if turn > 1 or reason != GOING:
        return False
    mean = (frame.stress[0] + frame.stress[1] + frame.stress[2]) / 3.0
    return bool(abs(mean + limits.pressure) < NEAR_REST)


@njit
def lay_out(
    turn: int, n_before: int, row: int, rows: Rows, limits: Limits, scan: Scan, room: Room
) -> int:
    """Write the geometry to evaluate next into the following frame, or return why there is none.

    The first turns are those before the start, the next is the start, the rest are steps.
    """
    start = rows.first_atom[row]
    n_atoms = rows.first_atom[row + 1] - start
    if turn <= n_before:
        scale = choose_scale(turn, scan)
        copy_geometry(rows.positions, rows.cells[row], start, n_atoms, scale, room.following)
        return GOING
    reason = propose_step(n_atoms, limits, room)
    if reason == GOING and turn - n_before >= limits.max_steps:
        return MAX_STEPS
    return reason


@njit
def choose_scale(turn: int, scan: Scan) -> float:
    """Return by what to scale lengths: not, then to each volume of the scan, then to the best."""
    if turn == 0:
        return 1.0
    if turn <= len(scan.factors):
        return float(scan.factors[turn - 1] ** (1.0 / 3.0))
    return float(best_factor(scan.factors, scan.enthalpies, scan.reasons) ** (1.0 / 3.0))


@njit
def note_volume(point: int, frame: Frame, reason: int, limits: Limits, scan: Scan) -> None:
    """Keep the enthalpy of a point of the scan; the potential knows no physics of close atoms."""
    if point < 0:  # the given frame is none of them
        return
    scan.reasons[point] = reason
    scan.enthalpies[point] = math.nan
    if reason in (GOING, EXTRAPOLATING):
        scan.enthalpies[point] = enthalpy(frame, limits)
    elif reason == MIN_DIST:
        scan.enthalpies[point] = math.inf


@njit
def watch(
    frame: Frame, reason: int, n_atoms: int, limits: Limits, room: Room, max_grade: float
) -> float:
    """Keep the frame if it is the best candidate so far; return the largest grade so far.

    Of the frames that stop the relaxation only those that extrapolate can be candidates: energies
    of the others mean nothing.
    """
    if reason not in (GOING, EXTRAPOLATING):
        frame.scalars[ENERGY] = math.nan
        return max_grade
    grade = float(frame.scalars[GRADE])
    if grade > limits.threshold_save and grade > room.candidate.scalars[GRADE]:
        copy_frame(frame, room.candidate, n_atoms)
    return max(grade, max_grade)


@njit
def store(rows: Rows, row: int, n_atoms: int, room: Room) -> None:
    """Write the frame reached, and the candidate if there is one, to their row."""
    current, candidate, start = room.current, room.candidate, rows.first_atom[row]
    has_labels = math.isfinite(current.scalars[ENERGY])
    has_candidate = candidate.scalars[GRADE] >= 0.0
    if has_labels:
        rows.energies[row] = current.scalars[ENERGY]
        for a in range(6):
            rows.stresses[row, a] = current.stress[a]
    if has_candidate:
        rows.candidate_grades[row] = candidate.scalars[GRADE]
    for a in range(3):
        for b in range(3):
            rows.cells[row, a, b] = current.cell[a, b]
            if has_candidate:
                rows.candidate_cells[row, a, b] = candidate.cell[a, b]
    for i in range(n_atoms):
        for a in range(3):
            rows.positions[start + i, a] = current.positions[i, a]
            if has_labels:
                rows.forces[start + i, a] = current.forces[i, a]
            if has_candidate:
                rows.candidate_positions[start + i, a] = candidate.positions[i, a]
