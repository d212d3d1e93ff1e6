"""Cell and positions as one vector, and the gradient of the enthalpy along it.

With row vectors, positions are ``x F`` and cell vectors ``h₀ F``: x are the positions in the cell
h₀ the relaxation started from, F deforms space. Then, with W = ∂E/∂ε = V σ (strain ε acting from
the right),

    ∂H/∂x = −f Fᵀ        ∂H/∂F = F⁻ᵀ (W + P V 1)        H = E + P V

which is exact for any F. All kernels here allocate nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats

BOND_LENGTH = 2.5  # Å, to measure strains and displacements by one length


@njit
def determinant(a: Floats) -> float:
    """Return the determinant of a 3×3 matrix."""
    return float(
        a[0, 0] * (a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1])
        - a[0, 1] * (a[1, 0] * a[2, 2] - a[1, 2] * a[2, 0])
        + a[0, 2] * (a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0])
    )


@njit
def place_atoms(q: Floats, n_atoms: int, cell: Floats, positions: Floats, deformed: Floats) -> None:
    """Write positions ``x F``, shape (≥ n_atoms, 3), and the deformed cell ``h₀ F``, Å.

    Parameters
    ----------
    q
        shape (≥ 3 n_atoms + 9,): x, Å, then F, row by row.
    cell
        shape (3, 3): h₀, Å.
    """
    F = 3 * n_atoms
    for i in range(n_atoms):
        for b in range(3):
            positions[i, b] = (
                q[3 * i] * q[F + b] + q[3 * i + 1] * q[F + 3 + b] + q[3 * i + 2] * q[F + 6 + b]
            )
    for a in range(3):
        for b in range(3):
            deformed[a, b] = (
                cell[a, 0] * q[F + b] + cell[a, 1] * q[F + 3 + b] + cell[a, 2] * q[F + 6 + b]
            )


@njit
def enthalpy_gradient(
    q: Floats,
    n_atoms: int,
    forces: Floats,
    stress: Floats,
    volume: float,
    pressure: float,
    g: Floats,
) -> None:
    """Write the gradient of the enthalpy, shape (≥ 3 n_atoms + 9,), eV/Å and eV.

    Parameters
    ----------
    q
        shape (≥ 3 n_atoms + 9,): x, Å, then F, row by row.
    forces
        shape (≥ n_atoms, 3), eV/Å.
    stress
        shape (6,): xx yy zz yz xz xy, ASE's sign, eV/Å³.
    """
    o = 3 * n_atoms
    for i in range(n_atoms):
        for a in range(3):
            g[3 * i + a] = -(
                forces[i, 0] * q[o + 3 * a]
                + forces[i, 1] * q[o + 3 * a + 1]
                + forces[i, 2] * q[o + 3 * a + 2]
            )
    F = q[o : o + 9].reshape(3, 3)
    det = determinant(F)
    for a in range(3):
        a1, a2 = (a + 1) % 3, (a + 2) % 3
        for b in range(3):
            total = 0.0
            for c in range(3):
                # (F⁻ᵀ)_ac is the cofactor of F_ac over det F
                c1, c2 = (c + 1) % 3, (c + 2) % 3
                cofactor = F[a1, c1] * F[a2, c2] - F[a1, c2] * F[a2, c1]
                total += cofactor / det * virial(stress, volume, pressure, c, b)
            g[o + 3 * a + b] = total


@njit
def virial(stress: Floats, volume: float, pressure: float, a: int, b: int) -> float:
    """Return one component of ``V (σ + P 1)``, eV."""
    if a == b:
        return float(volume * (stress[a] + pressure))
    return float(volume * stress[6 - a - b])


@njit
def largest_move(q: Floats, step: Floats, n_atoms: int) -> float:
    """Return by how much the distance of two neighbours may change in a step, about, Å.

    The larger of the displacement ``δx F`` of an atom and of the strain of a bond; how far a strain
    carries the atoms of a long cell is of no importance.
    """
    o = 3 * n_atoms
    largest = 0.0
    for i in range(n_atoms):
        square = 0.0
        for b in range(3):
            moved = 0.0
            for a in range(3):
                moved += step[3 * i + a] * q[o + 3 * a + b]
            square += moved**2
        largest = max(largest, square)
    square = 0.0
    for k in range(o, o + 9):
        square += step[k] ** 2
    return math.sqrt(max(largest, square * BOND_LENGTH**2))
