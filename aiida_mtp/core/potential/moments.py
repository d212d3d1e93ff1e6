"""Moments of some atoms and the way back from them, compiled.

With u = r_ij/r the kernels evaluate (Shapeev 2016, Gubaev et al. 2019)

    φ_k(r)     = scaling · T_k(ξ) · (r_max − r)²,   ξ = (2r − r_min − r_max)/(r_max − r_min)
    f_μ(r)     = Σ_k c[z_i, z_j, μ, k] φ_k(r)
    M_{μ;abc}  = Σ_j f_μ(r) u_x^a u_y^b u_z^c,      M_d = Σ m M_a M_b over products (a, b, m, d)
    E_i        = species_coeffs[z_i] + Σ_s moment_coeffs[s] M_s

and go backwards from g_m = ∂E_i/∂M_m. Angular monomials are shared by all μ that use them, and each
is an earlier one times a component of u, forwards and backwards. With
S_μ(j) = Σ_abc g_{μ;abc} u^abc and W_abc(j) = Σ_μ g_{μ;abc} f_μ(r), the derivatives are

    ∂E_i/∂c[z_i, z_j, μ, k] = Σ_j φ_k S_μ
    ∂E_i/∂r_ij = u Σ_μ f'_μ S_μ + (1/r)(1 − u uᵀ) Σ_abc W_abc ∇_u u^abc

so no Jacobian is stored. What is summed over neighbours runs over the neighbours of one atom, which
are contiguous and padded with some that contribute nothing; what is not runs over `LANES` atoms at
once, which fill a vector exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit_fast, njit_lanes
from aiida_mtp.core.potential.workspace import LANES, padded

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types
    from aiida_mtp.core.potential.arguments import KernelArguments, Products
    from aiida_mtp.core.potential.workspace import Workspace

NO_SEEDS = np.empty(0)


@njit_fast
def prepare_shell(lane: int, types: Types, potential: KernelArguments, work: Workspace) -> None:
    """Write directions and species of the neighbours.

    Those that pad them lie at the cutoff, where all radial functions are zero, in no direction.
    """
    shells, unit, n = work.shells, work.unit[lane], work.counts[lane]
    is_kind, has_kind = work.is_kind[lane], work.has_kind[lane]
    index, x, y, z = shells.index[lane], shells.x[lane], shells.y[lane], shells.z[lane]
    r = shells.r[lane]
    has_kind[:] = False
    for j in range(n, padded(n)):
        index[j] = -1
        x[j] = y[j] = z[j] = 0.0
        r[j] = potential.max_dist
    for kind in range(len(has_kind)):
        for j in range(padded(n)):
            is_kind[kind, j] = 0.0
    for j in range(n):
        kind = types[index[j]]
        is_kind[kind, j] = 1.0
        has_kind[kind] = True
    for j in range(padded(n)):
        over = 1.0 / r[j]
        unit[0, j] = x[j] * over
        unit[1, j] = y[j] * over
        unit[2, j] = z[j] * over


@njit_fast
def radial_basis(lane: int, potential: KernelArguments, work: Workspace) -> None:
    """Write φ_k and dφ_k/dr of the neighbours, by the recursion of the polynomials."""
    low, high = potential.min_dist, potential.max_dist
    slope = 2.0 / (high - low)
    n, r, phi, dphi = padded(work.counts[lane]), work.shells.r[lane], work.phi[lane], work.dphi
    for j in range(n):
        xi = (2.0 * r[j] - low - high) / (high - low)
        tail = potential.scaling * (high - r[j]) ** 2
        d_tail = -2.0 * potential.scaling * (high - r[j])
        phi[0, j] = tail
        dphi[0, j] = d_tail
        if len(phi) > 1:
            phi[1, j] = xi * tail
            dphi[1, j] = slope * tail + xi * d_tail
    for k in range(2, len(phi)):
        for j in range(n):
            xi = (2.0 * r[j] - low - high) / (high - low)
            phi[k, j] = 2.0 * xi * phi[k - 1, j] - phi[k - 2, j]
            dphi[k, j] = 2.0 * (slope * phi[k - 1, j] + xi * dphi[k - 1, j]) - dphi[k - 2, j]


@njit_fast
def radial_functions(lane: int, kind: int, potential: KernelArguments, work: Workspace) -> None:
    """Write f_μ and f'_μ of the neighbours of an atom of this kind, one species after the other."""
    n, f, df = padded(work.counts[lane]), work.f[lane], work.df[lane]
    f[:, :n] = 0.0
    df[:, :n] = 0.0
    for other in range(len(potential.radial_coeffs)):
        if work.has_kind[lane, other]:
            is_other = work.is_kind[lane, other]
            for mu in range(len(f)):
                coeffs = potential.radial_coeffs[kind, other, mu]
                _add_series(n, coeffs, work.phi[lane], is_other, f[mu])
                _add_series(n, coeffs, work.dphi, is_other, df[mu])


@njit_fast
def _add_series(n: int, coeffs: Floats, basis: Floats, chosen: Floats, total: Floats) -> None:
    """Add Σ_k coeffs[k] basis[k, j] to the chosen of n neighbours, four terms in one go."""
    whole = len(coeffs) // 4 * 4
    for k in range(0, whole, 4):
        c0, c1, c2, c3 = coeffs[k], coeffs[k + 1], coeffs[k + 2], coeffs[k + 3]
        for j in range(n):
            total[j] += chosen[j] * (
                c0 * basis[k, j]
                + c1 * basis[k + 1, j]
                + c2 * basis[k + 2, j]
                + c3 * basis[k + 3, j]
            )
    for k in range(whole, len(coeffs)):
        for j in range(n):
            total[j] += chosen[j] * coeffs[k] * basis[k, j]


@njit_fast
def basic_moments(lane: int, potential: KernelArguments, work: Workspace) -> None:
    """Write the monomials of the neighbours and the basic moments that are sums over them.

    Four sums at a time share what they read of f_μ.
    """
    plan, n = potential.plan, padded(work.counts[lane])
    unit, monomials, moments = work.unit[lane], work.monomials[lane], work.moments
    for row in range(1, len(plan.monomials)):
        lower, axis = plan.monomials[row, 0], plan.monomials[row, 1]
        for j in range(n):
            monomials[row, j] = monomials[lower, j] * unit[axis, j]
    for mu in range(len(plan.n_rows)):
        f, basic_of = work.f[lane, mu], plan.basic_of[mu]
        for row in range(0, plan.n_rows[mu], 4):
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            for j in range(n):
                s0 += f[j] * monomials[row, j]
                s1 += f[j] * monomials[row + 1, j]
                s2 += f[j] * monomials[row + 2, j]
                s3 += f[j] * monomials[row + 3, j]
            moments[basic_of[row], lane] = s0
            moments[basic_of[row + 1], lane] = s1
            moments[basic_of[row + 2], lane] = s2
            moments[basic_of[row + 3], lane] = s3


@njit_lanes
def sum_products(
    products: Products, seeds: Floats, left: Floats, right: Floats, out: Floats
) -> None:
    """Write sums of products for all lanes, each from its seed on; without seeds from zero.

    One number per lane, written out, is what the compiler keeps in the registers as one vector.
    """
    nodes, first, factors, sources = (
        products.nodes,
        products.first,
        products.factors,
        products.sources,
    )
    for g in range(len(nodes)):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = seeds[g] if len(seeds) else 0.0
        for t in range(first[g], first[g + 1]):
            a, b, m = left[sources[t, 0]], right[sources[t, 1]], factors[t]
            s0 += m * a[0] * b[0]
            s1 += m * a[1] * b[1]
            s2 += m * a[2] * b[2]
            s3 += m * a[3] * b[3]
            s4 += m * a[4] * b[4]
            s5 += m * a[5] * b[5]
            s6 += m * a[6] * b[6]
            s7 += m * a[7] * b[7]
        node = out[nodes[g]]
        node[0], node[1], node[2], node[3] = s0, s1, s2, s3
        node[4], node[5], node[6], node[7] = s4, s5, s6, s7


@njit_lanes
def contract(potential: KernelArguments, work: Workspace) -> None:
    """Write all other moments, the adjoints of all, and the energies without their constants."""
    plan, moments, energies = potential.plan, work.moments, work.energies
    sum_products(plan.forward, NO_SEEDS, moments, moments, moments)
    energies[:] = 0.0
    for s in range(len(plan.mapping)):
        scalar = moments[plan.mapping[s]]
        for lane in range(LANES):
            energies[lane] += potential.moment_coeffs[s] * scalar[lane]
    sum_products(plan.backward, potential.seeds, work.adjoints, moments, work.adjoints)


@njit_fast
def site_gradient(lane: int, potential: KernelArguments, work: Workspace) -> None:
    """Write S_μ and ∂E_i/∂r_ij from the adjoints of the basic moments."""
    _back_through_monomials(lane, potential, work)
    n, along = padded(work.counts[lane]), work.slopes[3]
    along[:n] = 0.0
    for mu in range(len(work.s)):
        df, s = work.df[lane, mu], work.s[mu]
        for j in range(n):
            along[j] += df[j] * s[j]
    unit, slopes, gradient = work.unit[lane], work.slopes, work.gradient
    r = work.shells.r[lane]
    for j in range(n):
        over = 1.0 / r[j]
        ux, uy, uz = unit[0, j], unit[1, j], unit[2, j]
        qx, qy, qz = slopes[0, j], slopes[1, j], slopes[2, j]
        radial = along[j] - over * (ux * qx + uy * qy + uz * qz)
        gradient[0, j] = radial * ux + over * qx
        gradient[1, j] = radial * uy + over * qy
        gradient[2, j] = radial * uz + over * qz


@njit_fast
def _back_through_monomials(lane: int, potential: KernelArguments, work: Workspace) -> None:
    """Write S_μ and, to `slopes`, ∂E_i/∂u, following the recursion of the monomials backwards.

    Each loop writes one array and names it by its indices: what the compiler vectorises best.
    """
    plan, n, s, slopes = potential.plan, padded(work.counts[lane]), work.s, work.slopes
    weights, f, unit, monomials = (
        work.weights,
        work.f[lane],
        work.unit[lane],
        work.monomials[lane],
    )
    s[:, :n] = 0.0
    slopes[:, :n] = 0.0
    weights[:, :n] = 0.0
    for row in range(len(plan.monomials) - 1, -1, -1):
        for mu in range(len(s)):
            if row >= plan.n_rows[mu]:
                break
            adjoint = work.adjoints[plan.basic_of[mu, row], lane]
            for j in range(n):
                s[mu, j] += adjoint * monomials[row, j]
            for j in range(n):
                weights[row, j] += adjoint * f[mu, j]
        if row:
            lower, axis = plan.monomials[row, 0], plan.monomials[row, 1]
            for j in range(n):
                weights[lower, j] += weights[row, j] * unit[axis, j]
            for j in range(n):
                slopes[axis, j] += weights[row, j] * monomials[lower, j]
