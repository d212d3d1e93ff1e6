"""Normal equations of a training set, summed over its structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit, njit_fast
from aiida_mtp.core._threads import on_all_threads
from aiida_mtp.core.training.jacobian import structure_jacobian
from aiida_mtp.core.training.workspace import Basis, Structures, make_workspace

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.training.labels import TrainingData

MAX_GROUPS = 32
MAX_BYTES = 2**28  # for the matrices of all groups


@dataclass(frozen=True)
class NormalEquations:
    """Sums over the weighted rows of the Jacobian J and of the residuals r (predicted − label).

    Parameters
    ----------
    matrix
        JᵀJ, shape (n, n).
    vector
        Jᵀr, shape (n,).
    losses
        The part of rᵀr of each structure, shape (n_structures,).
    """

    matrix: Floats
    vector: Floats
    losses: Floats

    @property
    def loss(self) -> float:
        """Return rᵀr."""
        return float(self.losses.sum())


def normal_equations(
    data: TrainingData,
    basis: Basis,
    radial: Floats,
    linear: Floats,
    *,
    with_radial: bool,
    chosen: Ints | None = None,
) -> NormalEquations:
    """Return the normal equations at these coefficients.

    Structures are summed one after the other within groups, and the groups in order. The groups
    depend on the data alone, so the sums are the same for any number of threads.

    Parameters
    ----------
    radial, linear
        radial_coeffs, and species_coeffs followed by moment_coeffs.
    with_radial
        For all coefficients; otherwise for `linear` only.
    chosen
        The structures to sum over; all by default.
    """
    chosen = np.arange(len(data)) if chosen is None else chosen
    size = len(linear) + (radial.size if with_radial else 0)
    n_groups = max(1, min(MAX_GROUPS, len(chosen), MAX_BYTES // (8 * size * size)))
    edges = _balanced_groups(data, chosen, n_groups)
    matrices = np.zeros((n_groups, size, size))
    vectors = np.zeros((n_groups, size))
    losses = np.zeros(len(data))
    structures = data.structures
    largest = (int(np.diff(structures.first).max()), int(np.diff(structures.first_atom).max()))
    radial, linear = np.ascontiguousarray(radial), np.ascontiguousarray(linear)

    def add(group: int) -> None:
        _sum_group(
            chosen[edges[group] : edges[group + 1]],
            structures,
            largest,
            radial,
            linear,
            with_radial,
            basis,
            matrices[group],
            vectors[group],
            losses,
        )

    for _ in on_all_threads(add, range(n_groups)):
        pass
    lower = matrices.sum(axis=0)
    matrix = np.tril(lower) + np.tril(lower, -1).T
    return NormalEquations(matrix, vectors.sum(axis=0), losses)


def _balanced_groups(data: TrainingData, chosen: Ints, n_groups: int) -> Ints:
    """Return where to cut `chosen` into groups of about equal work, shape (n_groups + 1,)."""
    n_atoms = np.diff(data.structures.first_atom)[chosen]
    cost = np.concatenate([[0], np.cumsum(n_atoms * (n_atoms + 10.0))])
    cuts = np.searchsorted(cost, cost[-1] * np.arange(1, n_groups) / n_groups)
    edges: Ints = np.concatenate([[0], cuts, [len(chosen)]]).astype(np.int64)
    return edges


@njit_fast
def _add_outer_products(rows: Floats, residuals: Floats, matrix: Floats, vector: Floats) -> None:
    """Add the lower triangle of rowsᵀ rows, and rowsᵀ residuals; four rows at a time."""
    n_rows, size = rows.shape
    for r in range(0, n_rows, 4):
        first, second, third, fourth = rows[r], rows[r + 1], rows[r + 2], rows[r + 3]
        for a in range(size):
            w, x, y, z = first[a], second[a], third[a], fourth[a]
            if w == 0.0 and x == 0.0 and y == 0.0 and z == 0.0:
                continue  # a pair of species the structure does not have
            vector[a] += (
                w * residuals[r]
                + x * residuals[r + 1]
                + y * residuals[r + 2]
                + z * residuals[r + 3]
            )
            line = matrix[a]
            for b in range(a + 1):
                line[b] += w * first[b] + x * second[b] + y * third[b] + z * fourth[b]


@njit
def _sum_group(
    members: Ints,
    structures: Structures,
    largest: tuple[int, int],
    radial: Floats,
    linear: Floats,
    with_radial: bool,  # noqa: FBT001
    basis: Basis,
    matrix: Floats,
    vector: Floats,
    losses: Floats,
) -> None:
    """Add the structures of one group to its matrix and vector, in order.

    Parameters
    ----------
    largest
        Most neighbours of an atom and most atoms of a structure.
    """
    n_neighbors, n_atoms = largest
    skipped = 0 if with_radial else radial.size
    n_rows = 3 * n_atoms + 7
    work = make_workspace(basis, radial, n_neighbors, n_atoms)
    values = np.zeros(n_rows)
    jac = np.zeros((n_rows, radial.size + len(linear)))
    rows = np.zeros((n_rows + 3, jac.shape[1] - skipped))
    residuals = np.zeros(n_rows + 3)
    for s in members:
        structure_jacobian(s, structures, radial, linear, with_radial, basis, work, values, jac)
        used = 0
        first = structures.first_row[s]
        for row in range(structures.first_row[s + 1] - first):
            root = structures.root_weights[first + row]
            if root > 0.0:
                for column in range(rows.shape[1]):
                    rows[used, column] = root * jac[row, skipped + column]
                residuals[used] = root * (values[row] - structures.targets[first + row])
                losses[s] += residuals[used] ** 2
                used += 1
        padded = 4 * ((used + 3) // 4)
        for row in range(used, padded):
            rows[row] = 0.0
            residuals[row] = 0.0
        _add_outer_products(rows[:padded], residuals[:padded], matrix, vector)
