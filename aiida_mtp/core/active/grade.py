"""Extrapolation grades: how far a potential is from what it was trained on.

A structure is described by the row ``b`` of derivatives of its energy with respect to the
parameters; the rows of the active set form the matrix A. The grade is ``γ = max_j |(b A⁻¹)_j|``:
below one the potential interpolates, above it extrapolates.

Reference: Podryabinkin, Kostiuchenko, Shapeev et al., J. Chem. Phys. 159, 084112 (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit_fast
from aiida_mtp.core.active.active_set import EMPTY, ActiveSet, Mode
from aiida_mtp.core.active.maxvol import Volume, maximise_volume
from aiida_mtp.core.potential.evaluate import (
    Evaluation,
    evaluate,
    evaluate_with_gradients,
    evaluate_with_site_gradients,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch

BLOCK_BYTES = 32 * 2**20  # of rows held at a time …
KEPT_BYTES = 512 * 2**20  # … unless all of them are no more than this


def evaluate_rows(model: MtpModel, batch: StructureBatch, mode: Mode) -> tuple[Evaluation, Floats]:
    """Return what a potential says of a batch, and the rows ``b`` of the batch.

    Returns
    -------
    evaluation, rows
        The rows one per structure or, in neighborhood mode, per atom, shape (n_structures or
        n_atoms, n_parameters).
    """
    if mode is Mode.NEIGHBORHOOD:
        return evaluate_with_site_gradients(model, batch)
    evaluation, gradients = evaluate_with_gradients(model, batch)
    gradients /= batch.n_atoms[:, None]
    return evaluation, gradients


def rows_of(model: MtpModel, batch: StructureBatch, mode: Mode) -> Floats:
    """Return the rows ``b`` of a batch; see `evaluate_rows`."""
    return evaluate_rows(model, batch, mode)[1]


class Rows:
    """The rows ``b`` of a batch, in blocks of bounded size; few of them are computed but once."""

    def __init__(self, model: MtpModel, batch: StructureBatch, mode: Mode) -> None:
        self.model, self.batch, self.mode = model, batch, mode
        per_structure = batch.n_atoms if mode is Mode.NEIGHBORHOOD else np.ones(len(batch))
        self.first_row = np.concatenate([[0], np.cumsum(per_structure)]).astype(np.int64)
        self._kept: list[tuple[int, Floats]] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.first_row[-1])

    def __iter__(self) -> Iterator[tuple[int, Floats]]:
        """Yield the number of the first row of each block and the block."""
        if self._kept is not None:
            yield from self._kept
            return
        keep = len(self) * self.model.n_parameters * 8 <= KEPT_BYTES
        kept = []
        for structures in self.pieces():
            block = (
                int(self.first_row[structures.start]),
                rows_of(self.model, self.batch.take(structures), self.mode),
            )
            if keep:
                kept.append(block)
            yield block
        self._kept = kept if keep else None

    def pieces(self) -> Iterator[slice]:
        """Cut the structures into pieces with few enough rows; one structure at least."""
        rows = max(1, BLOCK_BYTES // (8 * max(1, self.model.n_parameters)))
        start = 0
        while start < len(self.batch):
            stop = int(np.searchsorted(self.first_row, self.first_row[start] + rows, 'right')) - 1
            stop = max(stop, start + 1)
            yield slice(start, stop)
            start = stop

    def structure_of(self, row: int) -> int:
        """Return the structure a row belongs to."""
        return int(np.searchsorted(self.first_row, row, 'right')) - 1


def build_active_set(
    model: MtpModel, training: StructureBatch, mode: Mode = Mode.CONFIGURATION
) -> ActiveSet:
    """Find the structures of a training set whose rows span the largest volume."""
    rows = Rows(model, training, mode)
    return active_set_of(maximise_volume(Volume.start(model.n_parameters), lambda: rows), rows)


def active_set_of(volume: Volume, rows: Rows) -> ActiveSet:
    """Return a volume found among `rows` as an active set, with the structures that hold it."""
    held = volume.holders != EMPTY
    structures = np.full(len(held), EMPTY, dtype=np.int64)
    structures[held] = [rows.structure_of(row) for row in volume.holders[held]]
    holding = np.unique(structures[held])
    atoms = np.where(held, volume.holders - rows.first_row[structures], EMPTY)
    return ActiveSet(
        matrix=volume.matrix,
        inverse=volume.inverse,
        structure_of_row=np.where(held, np.searchsorted(holding, structures), EMPTY),
        atom_of_row=atoms,
        structures=rows.batch.take(holding),
        mode=rows.mode,
    )


def extrapolation_grades(model: MtpModel, active_set: ActiveSet, batch: StructureBatch) -> Floats:
    """Return the grade of each structure, shape (n_structures,).

    In neighborhood mode that is the largest of its atoms.
    """
    return evaluate_with_grades(model, batch, active_set)[1]


def evaluate_with_grades(
    model: MtpModel, batch: StructureBatch, active_set: ActiveSet | None
) -> tuple[Evaluation, Floats]:
    """Return what a potential says of a batch, and the grade of each structure.

    Of the rows only so many are held at a time; they are multiplied with A⁻¹ together.

    Parameters
    ----------
    active_set
        Without it all grades are NaN.
    """
    if active_set is None or not len(batch):
        return evaluate(model, batch), np.full(len(batch), np.nan)
    grades, parts = [], []
    for structures in Rows(model, batch, active_set.mode).pieces():
        piece = batch.take(structures)
        evaluation, rows = evaluate_rows(model, piece, active_set.mode)
        parts.append(evaluation)
        of_rows = np.abs(rows @ active_set.inverse).max(axis=1)
        if active_set.mode is Mode.NEIGHBORHOOD:
            of_rows = np.maximum.reduceat(of_rows, piece.first_atom[:-1])
        grades.append(of_rows)
    return Evaluation.concatenate(parts), np.concatenate(grades)


def atom_grades(model: MtpModel, active_set: ActiveSet, batch: StructureBatch) -> Floats:
    """Return the grade of each atom, shape (n_atoms,), of an active set in neighborhood mode."""
    if active_set.mode is not Mode.NEIGHBORHOOD:
        raise ValueError(f'the active set is in {active_set.mode} mode: its rows are no atoms')
    return _row_grades(active_set, Rows(model, batch, active_set.mode))


def _row_grades(active_set: ActiveSet, rows: Rows) -> Floats:
    grades = np.empty(len(rows))
    for first, block in rows:
        grades[first : first + len(block)] = np.abs(block @ active_set.inverse).max(axis=1)
    return grades


@njit_fast
def grade_of_row(row: Floats, scale: float, inverse: Floats, product: Floats) -> float:
    """Return ``max_j |(scale · row · inverse)_j|``, NaN if any of it is not a number.

    Allocates nothing.

    Parameters
    ----------
    row
        shape (n_parameters,).
    inverse
        shape (n_parameters, n_parameters): A⁻¹.
    product
        shape (≥ n_parameters,): work space.
    """
    n = len(row)
    for j in range(n):
        product[j] = 0.0
    for k in range(n):
        weight = scale * row[k]
        if weight == 0.0:  # the parameters of absent species
            continue
        for j in range(n):
            product[j] += weight * inverse[k, j]
    largest = 0.0
    total = 0.0
    for j in range(n):
        largest = max(largest, abs(product[j]))
        total += product[j]
    return largest + 0.0 * total
