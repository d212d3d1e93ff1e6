"""What one neighbour of an atom adds to the derivatives of basic moments and of labels, compiled.

The formulas stand in `aiida_mtp.core.training.jacobian`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit_fast

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.potential.arguments import Indices
    from aiida_mtp.core.training.workspace import Basis, Workspace


@njit_fast
def _radial_basis(r: float, basis: Basis, phi: Floats, dphi: Floats) -> None:
    """Write φ_k(r) and dφ_k/dr."""
    low, high = basis.min_dist, basis.max_dist
    slope = 2.0 / (high - low)
    xi = (2.0 * r - low - high) / (high - low)
    tail = basis.scaling * (high - r) ** 2
    d_tail = -2.0 * basis.scaling * (high - r)
    before, now, d_before, d_now = 1.0, xi, 0.0, slope
    phi[0] = tail
    dphi[0] = d_tail
    for k in range(1, len(phi)):
        phi[k] = now * tail
        dphi[k] = d_now * tail + now * d_tail
        after = 2.0 * xi * now - before
        d_after = 2.0 * (slope * now + xi * d_now) - d_before
        before, now, d_before, d_now = now, after, d_now, d_after


@njit_fast
def _angular_basis(ux: float, uy: float, uz: float, monomials: Indices, out: Floats) -> None:
    """Write u^abc, and r times its gradient, which is tangential.

    Each is an earlier one times a component of u, and so is its gradient in the unit vector but
    for the derivative of that component; the radial part is taken off at the end.
    """
    out[0, 0] = 1.0
    out[1:, 0] = 0.0
    for row in range(1, len(monomials)):
        lower, axis = monomials[row, 0], monomials[row, 1]
        factor = ux if axis == 0 else uy if axis == 1 else uz
        for part in range(4):
            out[part, row] = factor * out[part, lower]
        out[1 + axis, row] += out[0, lower]
    for row in range(1, len(monomials)):
        inward = ux * out[1, row] + uy * out[2, row] + uz * out[3, row]
        out[1, row] -= inward * ux
        out[2, row] -= inward * uy
        out[3, row] -= inward * uz


@njit_fast
def add_pair(
    slot: int,
    kind: int,
    vector: Floats,
    radial: Floats,
    basis: Basis,
    phi: Floats,
    dphi: Floats,
    monomial: Floats,
    work: Workspace,
) -> None:
    """Add a neighbour, of which `slot` is the place, to P and to the slopes of basic moments."""
    n_atoms = len(work.slopes) - 2
    x, y, z = vector[0], vector[1], vector[2]
    r = math.sqrt(x * x + y * y + z * z)
    over = 1.0 / r
    ux, uy, uz = x * over, y * over, z * over
    _radial_basis(r, basis, phi, dphi)
    _angular_basis(ux, uy, uz, basis.plan.monomials, monomial)
    m, tx, ty, tz = monomial[0], monomial[1], monomial[2], monomial[3]
    for row in range(len(m)):
        projected = work.projected[kind, row]
        value = m[row]
        for k in range(len(phi)):
            projected[k] += value * phi[k]
    for mu in range(len(basis.plan.n_rows)):
        f, df = 0.0, 0.0
        for k in range(len(phi)):
            f += radial[mu, k] * phi[k]
            df += radial[mu, k] * dphi[k]
        f *= over
        of_x, of_y, of_z = (
            work.slopes[slot, 0, mu],
            work.slopes[slot, 1, mu],
            work.slopes[slot, 2, mu],
        )
        strain_xx, strain_yy, strain_zz = (
            work.slopes[n_atoms, 0, mu],
            work.slopes[n_atoms, 1, mu],
            work.slopes[n_atoms, 2, mu],
        )
        strain_yz, strain_xz, strain_xy = (
            work.slopes[n_atoms + 1, 0, mu],
            work.slopes[n_atoms + 1, 1, mu],
            work.slopes[n_atoms + 1, 2, mu],
        )
        for row in range(basis.plan.n_rows[mu]):
            along = df * m[row]
            dx = along * ux + f * tx[row]
            dy = along * uy + f * ty[row]
            dz = along * uz + f * tz[row]
            of_x[row] += dx
            of_y[row] += dy
            of_z[row] += dz
            strain_xx[row] += dx * x
            strain_yy[row] += dy * y
            strain_zz[row] += dz * z
            strain_yz[row] += dy * z
            strain_xz[row] += dx * z
            strain_xy[row] += dx * y


@njit_fast
def add_pair_terms(
    atom: int,
    other: int,
    n_atoms: int,
    first: int,
    vector: Floats,
    basis: Basis,
    phi: Floats,
    dphi: Floats,
    monomial: Floats,
    work: Workspace,
    jac: Floats,
) -> None:
    """Add the part D_b ∂P_b/∂ρ of one neighbour to the columns of its species."""
    size = len(phi)
    x, y, z = vector[0], vector[1], vector[2]
    over = 1.0 / math.sqrt(x * x + y * y + z * z)
    strain = 1 + 3 * n_atoms
    for mu in range(len(basis.plan.n_rows)):
        along, wx, wy, wz = 0.0, 0.0, 0.0, 0.0
        for row in range(basis.plan.n_rows[mu]):
            adjoint = work.adjoints[basis.plan.basic_of[mu, row], 0]
            along += adjoint * monomial[0, row]
            wx += adjoint * monomial[1, row]
            wy += adjoint * monomial[2, row]
            wz += adjoint * monomial[3, row]
        along *= over
        ax, ay, az = along * x, along * y, along * z
        wx *= over
        wy *= over
        wz *= over
        start = first + mu * size
        own, image = 1 + 3 * atom, 1 + 3 * other
        for k in range(size):
            dx = dphi[k] * ax + phi[k] * wx
            dy = dphi[k] * ay + phi[k] * wy
            dz = dphi[k] * az + phi[k] * wz
            column = start + k
            jac[own, column] -= dx
            jac[own + 1, column] -= dy
            jac[own + 2, column] -= dz
            jac[image, column] += dx
            jac[image + 1, column] += dy
            jac[image + 2, column] += dz
            jac[strain, column] += dx * x
            jac[strain + 1, column] += dy * y
            jac[strain + 2, column] += dz * z
            jac[strain + 3, column] += dy * z
            jac[strain + 4, column] += dx * z
            jac[strain + 5, column] += dx * y
