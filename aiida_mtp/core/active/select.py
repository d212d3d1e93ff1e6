"""Which candidates are worth a first-principles calculation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.active.active_set import EMPTY, Mode
from aiida_mtp.core.active.grade import Rows
from aiida_mtp.core.active.maxvol import (
    SWAPS_PER_CALL,
    THRESHOLD,
    Volume,
    maximise_volume,
    swap_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch

SAME = 1e-9  # relative difference of the projections of rows that are the same but for rounding
N_PROJECTIONS = 6


@dataclass(frozen=True)
class SelectionReport:
    """What became of the candidates.

    Parameters
    ----------
    n_training, n_candidates
        How many structures there were.
    n_not_finite
        Candidates the potential has no finite value for.
    n_duplicates
        Candidates with the same row as a training structure or an earlier candidate.
    n_holding
        Candidates that hold a row of the largest volume over both sets.
    n_selected
        Those of them that are within the limit.
    max_grade
        Largest grade of a candidate before the selection; None without candidates.
    log_gain
        Logarithm of the factor by which the volume grows if all that hold a row are labelled.
    """

    n_training: int
    n_candidates: int
    n_not_finite: int
    n_duplicates: int
    n_holding: int
    n_selected: int
    max_grade: float | None
    log_gain: float

    def to_mapping(self) -> dict[str, Any]:
        """Return the report as a mapping, by name."""
        return asdict(self)


@dataclass(frozen=True)
class Selection:
    """The candidates to label.

    Parameters
    ----------
    indices
        Rows of the candidates, ascending.
    grades
        shape (n_candidates,): grade of each candidate towards the training set.
    report
        Counts.
    """

    indices: Ints
    grades: Floats
    report: SelectionReport


def select(
    model: MtpModel,
    training: StructureBatch,
    candidates: StructureBatch,
    *,
    mode: Mode = Mode.CONFIGURATION,
    limit: int | None = None,
) -> Selection:
    """Select the candidates that hold a row of the largest volume over training set and candidates.

    As MLIP's ``select_add``. Without a training set that makes an initial one.

    Parameters
    ----------
    limit
        Most candidates to select: the first that a greedy search takes, each the one that then
        enlarges the volume most.
    """
    known, new = Rows(model, training, mode), Rows(model, candidates, mode)
    start = maximise_volume(Volume.start(model.n_parameters), lambda: known)
    row_grades, prints = _survey(new, start)
    grades = np.maximum.reduceat(row_grades, new.first_row[:-1]) if len(candidates) else row_grades
    is_finite = np.asarray(np.isfinite(prints).all(axis=1))
    is_copy = _copies(np.concatenate([_survey(known, start)[1], prints]))[len(known) :]
    usable = is_finite & ~is_copy
    offset = len(known)

    def blocks() -> Iterator[tuple[int, Floats]]:
        yield from known
        for first, block in new:
            mask = usable[first : first + len(block), None]
            yield offset + first, np.where(mask, block, 0.0)

    volume = maximise_volume(start, blocks)
    held = np.sort(volume.holders[volume.holders >= offset] - offset)
    holding = _structures_of(new, held)
    chosen = holding
    if limit is not None and len(holding) > limit:
        chosen = _first_taken(start, new, held, limit)
    report = SelectionReport(
        n_training=len(training),
        n_candidates=len(candidates),
        n_not_finite=_count_structures(new, ~is_finite),
        n_duplicates=int(np.logical_and.reduceat(is_copy, new.first_row[:-1]).sum())
        if len(candidates)
        else 0,
        n_holding=len(holding),
        n_selected=len(chosen),
        max_grade=float(np.nanmax(grades)) if np.isfinite(grades).any() else None,
        log_gain=volume.log_gain - start.log_gain,
    )
    return Selection(chosen, grades, report)


def _survey(rows: Rows, volume: Volume) -> tuple[Floats, Floats]:
    """Return the grade of every row and its projections on a few fixed directions.

    Returns
    -------
    grades
        shape (n_rows,).
    prints
        shape (n_rows, N_PROJECTIONS).
    """
    n = len(volume.matrix)
    directions = np.random.default_rng(0).normal(size=(n, N_PROJECTIONS))
    grades, prints = np.empty(len(rows)), np.empty((len(rows), N_PROJECTIONS))
    with np.errstate(invalid='ignore', over='ignore'):  # counted as not finite
        for first, block in rows:
            part = slice(first, first + len(block))
            grades[part] = np.abs(block @ volume.inverse).max(axis=1)
            prints[part] = block @ directions
    return grades, prints


def _copies(prints: Floats) -> Bools:
    """Tell which rows have the same projections as an earlier one."""
    is_finite = np.isfinite(prints).all(axis=1)
    size = np.abs(prints[is_finite]).max(initial=0.0)
    is_copy = np.zeros(len(prints), dtype=bool)
    groups: list[int] = []  # a row of each group that the first projection cannot yet rule out
    for row in np.flatnonzero(is_finite)[np.argsort(prints[is_finite, 0], kind='stable')]:
        groups = [g for g in groups if prints[row, 0] - prints[g, 0] <= SAME * size]
        for place, other in enumerate(groups):
            if (np.abs(prints[row] - prints[other]) <= SAME * size).all():
                is_copy[max(row, other)] = True
                groups[place] = min(row, other)
                break
        else:
            groups.append(int(row))
    return is_copy


def _structures_of(rows: Rows, held: Ints) -> Ints:
    return np.unique(np.array([rows.structure_of(row) for row in held], dtype=np.int64))


def _count_structures(rows: Rows, mask: Bools) -> int:
    return len(_structures_of(rows, np.flatnonzero(mask)))


def _first_taken(start: Volume, rows: Rows, held: Ints, limit: int) -> Ints:
    """Return the structures that hold rows when a greedy search first has `limit` of them."""
    picked = [block[held[(held >= a) & (held < a + len(block))] - a] for a, block in rows]
    matrix = np.concatenate(picked)
    swaps, gains = np.empty((SWAPS_PER_CALL, 2), dtype=np.int64), np.empty(SWAPS_PER_CALL)
    n = swap_rows(matrix @ start.inverse, THRESHOLD, swaps, gains, np.empty(len(matrix)))
    holders = np.full(len(start.matrix), EMPTY, dtype=np.int64)
    taken = np.empty(0, dtype=np.int64)
    for row, place in swaps[:n]:
        holders[place] = held[row]
        following = _structures_of(rows, holders[holders != EMPTY])
        if len(following) > limit:
            break
        taken = following
    return taken
