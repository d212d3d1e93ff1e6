"""Solution of positive definite equations, in the same order of sums wherever it runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit_fast

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats

JITTER = 1e-14  # first addition to the diagonal of a matrix that is not positive, in units of it
MAX_JITTER = 1e-2


def solve_positive(matrix: Floats, vector: Floats) -> Floats:
    """Return the solution of a positive semidefinite system.

    The unknowns are scaled to a diagonal of ones; to a matrix that is singular to rounding a
    little of that diagonal is added. Rows of zeros give zeros.

    Parameters
    ----------
    matrix, vector
        shape (n, n), (n,).
    """
    diagonal = np.diag(matrix)
    scale = np.where(diagonal > 0, 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    scaled = matrix * scale[:, None] * scale
    scaled[np.diag_indices_from(scaled)] = 1.0
    factor = np.empty_like(scaled)
    jitter = 0.0
    while not _factorise(scaled, jitter, factor):
        jitter = max(JITTER, 10.0 * jitter)
        if jitter > MAX_JITTER:
            return np.full_like(vector, np.nan)
    return scale * _substitute(factor, vector * scale)


@njit_fast
def _factorise(matrix: Floats, jitter: float, factor: Floats) -> bool:
    """Write the Cholesky factor; return whether the matrix is positive definite."""
    n = len(matrix)
    for i in range(n):
        row = factor[i]
        for j in range(i + 1):
            other = factor[j]
            total = matrix[i, j]
            for k in range(j):
                total -= row[k] * other[k]
            if j < i:
                row[j] = total / other[j]
            else:
                total += jitter
                if not total > 1e-15:
                    return False
                row[i] = math.sqrt(total)
    return True


@njit_fast
def _substitute(factor: Floats, vector: Floats) -> Floats:
    """Return the solution of L Lᵀ x = b."""
    n = len(vector)
    x = vector.copy()
    for i in range(n):
        for k in range(i):
            x[i] -= factor[i, k] * x[k]
        x[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        x[i] /= factor[i, i]
        for k in range(i):
            x[k] -= factor[i, k] * x[i]
    return x
