"""The curvature a relaxation starts from, and how it learns a better one.

Every bond is a spring of stiffness ``k(r)``, mostly along the bond. The displacement of a bond
vector is linear in that of the atoms and in the deformation of the cell, so the model holds the
stiffness of atoms, of the cell and of their coupling at once, in the right proportion whatever
the size and shape of the cell. It has the symmetry of the structure, and so have all steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit, njit_fast
from aiida_mtp.core.neighbors import find_neighbors
from aiida_mtp.core.relax.coordinates import determinant

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.neighbors import Shell

# Fitted for few evaluations on metals; the first step corrects the overall scale.
STIFFNESS = 4.0  # of a nearest-neighbour bond, eV/Å²: a bulk modulus near 130 GPa in fcc
DECAY = 4.0  # k(r) = STIFFNESS exp(−DECAY (r/r_near − 1)) …
REACH = 1.8  # … going to zero at r = REACH r_near
TRANSVERSE = 0.05  # stiffness across a bond, in units of that along it
ANCHOR = 0.02  # of each atom to its place, in units of STIFFNESS: translations cost nothing else
NEAR = 1.12  # r_near in units of the cube root of the volume per atom: close packing
CURVATURE_KEPT = 0.2  # Powell's damping: of the curvature along a step at least this much stays
SCALE_RANGE = 10.0  # by which factor the first step may correct the scale at most


@njit
def spring_hessian(
    positions: Floats, cell: Floats, inverse: Floats, cutoff: float, shell: Shell, hessian: Floats
) -> None:
    """Write the Hessian of the springs.

    ``½ Σ_bonds k(r) [(1 − t) û û + t 1] : δr δr`` with ``δr = δx_j − δx_i + r δF``; the
    coordinates are x (atom by atom), then F row by row.

    Parameters
    ----------
    positions, cell, inverse
        shape (n_atoms, 3), (3, 3), (3, 3): Å, Å, 1/Å.
    cutoff
        No spring is longer, Å.
    shell
        Room for the neighbours of one atom.
    hessian
        shape (≥ 3 n_atoms + 9, ≥ 3 n_atoms + 9), written, eV/Å².
    """
    n_atoms = len(positions)
    size = 3 * n_atoms + 9
    hessian[:size, :size] = 0.0
    near = NEAR * (abs(determinant(cell)) / n_atoms) ** (1.0 / 3.0)
    for i in range(n_atoms):
        n = find_neighbors(i, positions, cell, inverse, min(cutoff, REACH * near), shell)
        for p in range(min(n, len(shell.r))):
            add_spring(i, p, n_atoms, near, shell, hessian)
    for k in range(3 * n_atoms):
        hessian[k, k] += ANCHOR * STIFFNESS
    for k in range(3 * n_atoms, size):
        hessian[k, k] += ANCHOR * STIFFNESS * near**2 * n_atoms


@njit
def add_spring(
    i: int, neighbor: int, n_atoms: int, near: float, shell: Shell, hessian: Floats
) -> None:
    """Add half the spring between atom i and a neighbour: each is met from both ends."""
    j, distance = shell.index[neighbor], shell.r[neighbor]
    r = (shell.x[neighbor], shell.y[neighbor], shell.z[neighbor])
    x = distance / near
    k = 0.5 * STIFFNESS * min(1.0, math.exp(-DECAY * (x - 1.0))) * (1.0 - (x / REACH) ** 2) ** 2
    # δr_a = Σ_m lever[m] δq[place[m] + a], m: the atom, its neighbour, the three rows of F
    lever = (-1.0, 1.0, r[0], r[1], r[2])
    F = 3 * n_atoms
    place = (3 * i, 3 * j, F, F + 3, F + 6)
    for a in range(3):
        for b in range(3):
            spring = k * (1.0 - TRANSVERSE) * r[a] * r[b] / distance**2
            if a == b:
                spring += k * TRANSVERSE
            for m in range(5):
                for n in range(5):
                    hessian[place[m] + a, place[n] + b] += lever[m] * lever[n] * spring


@njit_fast
def invert_in_place(matrix: Floats, size: int, column: Floats) -> None:
    """Replace a symmetric positive definite matrix by its inverse.

    Gauss–Jordan sweeps, which need no pivoting here and no memory.

    Parameters
    ----------
    matrix
        Its first `size` rows and columns are written.
    column
        shape (≥ size,): work space.
    """
    for k in range(size):
        pivot = 1.0 / matrix[k, k]
        for i in range(size):
            column[i] = matrix[i, k]
        for i in range(size):
            if i == k:
                continue
            factor = column[i] * pivot
            for j in range(size):
                matrix[i, j] -= factor * matrix[k, j]
            matrix[i, k] = -factor
        for j in range(size):
            matrix[k, j] *= pivot
        matrix[k, k] = pivot


@njit_fast
def multiply(matrix: Floats, vector: Floats, size: int, product: Floats) -> None:
    """Write ``product = matrix · vector`` for a symmetric matrix, over the first `size` of each."""
    for i in range(size):
        total = 0.0
        for j in range(size):
            total += matrix[i, j] * vector[j]
        product[i] = total


@njit_fast
def dot(a: Floats, b: Floats, size: int) -> float:
    """Return the scalar product of the first `size` numbers."""
    total = 0.0
    for i in range(size):
        total += a[i] * b[i]
    return total


@njit
def correct_scale(
    inverse: Floats, step: Floats, change: Floats, foretold: Floats, size: int, work: Floats
) -> None:
    """Scale the whole inverse Hessian to the curvature along the first step.

    Parameters
    ----------
    inverse
        Its first `size` rows and columns are written.
    step, change
        Step and change of the gradient, shape (≥ size,).
    foretold
        Change of the gradient by the Hessian, shape (≥ size,), written.
    work
        shape (≥ size,): work space.
    """
    curvature = dot(step, change, size)
    if not curvature > 0.0:
        return
    multiply(inverse, change, size, work)
    scale = min(max(curvature / dot(change, work, size), 1.0 / SCALE_RANGE), SCALE_RANGE)
    for i in range(size):
        foretold[i] /= scale
        for j in range(size):
            inverse[i, j] *= scale


@njit
def learn_curvature(
    inverse: Floats, step: Floats, change: Floats, foretold: Floats, size: int, work: Floats
) -> None:
    """Update the inverse Hessian by what a step has shown (BFGS), keeping it positive definite.

    ``H ← H + (s·y + y·Hy) s s / (s·y)² − (Hy s + s Hy) / (s·y)`` with s the step and y the change
    of the gradient, damped after Powell where the curvature s·y is not positive enough.

    Parameters
    ----------
    inverse
        Its first `size` rows and columns are written.
    step
        s, shape (≥ size,).
    change
        y, shape (≥ size,), written where it is damped.
    foretold
        H⁻¹ s, the change the Hessian so far had foretold, shape (≥ size,).
    work
        shape (≥ size,): work space.
    """
    s_y, s_bs = dot(step, change, size), dot(step, foretold, size)
    if not s_bs > 0.0:
        return
    if s_y < CURVATURE_KEPT * s_bs:
        share = (1.0 - CURVATURE_KEPT) * s_bs / (s_bs - s_y)
        for i in range(size):
            change[i] = share * change[i] + (1.0 - share) * foretold[i]
        s_y = dot(step, change, size)
    multiply(inverse, change, size, work)
    outer = (s_y + dot(change, work, size)) / s_y**2
    for i in range(size):
        for j in range(size):
            inverse[i, j] += (
                outer * step[i] * step[j] - (work[i] * step[j] + step[i] * work[j]) / s_y
            )
