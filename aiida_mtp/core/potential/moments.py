"""Moments of one site and the way back from them, compiled.

With u = r_ij/r the kernels evaluate (Shapeev 2016, Gubaev et al. 2019)

    φ_k(r)     = scaling · T_k(ξ) · (r_max − r)²,   ξ = (2r − r_min − r_max)/(r_max − r_min)
    f_μ(r)     = Σ_k c[z_i, z_j, μ, k] φ_k(r)
    M_{μ;abc}  = Σ_j f_μ(r) u_x^a u_y^b u_z^c,      M_d += m M_a M_b for each product (a, b, m, d)
    E_i        = species_coeffs[z_i] + Σ_s moment_coeffs[s] M_s

and go backwards from g_m = ∂E_i/∂M_m. Angular monomials are shared by all μ that use them, and each
is an earlier one times a component of u, forwards and backwards. With
S_μ(j) = Σ_abc g_{μ;abc} u^abc and W_abc(j) = Σ_μ g_{μ;abc} f_μ(r), the derivatives are

    ∂E_i/∂c[z_i, z_j, μ, k] = Σ_j φ_k S_μ
    ∂E_i/∂r_ij = u Σ_μ f'_μ S_μ + (1/r)(1 − u uᵀ) Σ_abc W_abc ∇_u u^abc

so no Jacobian is stored. All inner loops run over the neighbours, which are contiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit_fast

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Types
    from aiida_mtp.core.potential.workspace import KernelArguments, Workspace


@njit_fast
def radial_basis(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write φ_k and dφ_k/dr of the first n neighbours."""
    low, high = potential.min_dist, potential.max_dist
    slope = 2.0 / (high - low)
    phi, dphi = work.phi, work.dphi
    r = work.shell.r
    for j in range(n):
        xi = (2.0 * r[j] - low - high) / (high - low)
        before, now = 1.0, xi
        d_before, d_now = 0.0, slope
        tail = potential.scaling * (high - r[j]) ** 2
        d_tail = -2.0 * potential.scaling * (high - r[j])
        phi[0, j] = tail
        dphi[0, j] = d_tail
        for k in range(1, len(phi)):
            phi[k, j] = now * tail
            dphi[k, j] = d_now * tail + now * d_tail
            after = 2.0 * xi * now - before
            d_after = 2.0 * (slope * now + xi * d_now) - d_before
            before, now, d_before, d_now = now, after, d_now, d_after


@njit_fast
def radial_functions(
    n: int, kind: int, types: Types, potential: KernelArguments, work: Workspace
) -> None:
    """Write f_μ and f'_μ of the first n neighbours of an atom of this kind."""
    coeffs = potential.radial_coeffs[kind]
    for mu in range(coeffs.shape[1]):
        for j in range(n):
            other = types[work.shell.index[j]]
            value, slope = 0.0, 0.0
            for k in range(coeffs.shape[2]):
                value += coeffs[other, mu, k] * work.phi[k, j]
                slope += coeffs[other, mu, k] * work.dphi[k, j]
            work.f[mu, j] = value
            work.df[mu, j] = slope


@njit_fast
def unit_vectors(n: int, work: Workspace) -> None:
    """Write u of the first n neighbours."""
    shell, unit = work.shell, work.unit
    for j in range(n):
        over = 1.0 / shell.r[j]
        unit[0, j] = shell.x[j] * over
        unit[1, j] = shell.y[j] * over
        unit[2, j] = shell.z[j] * over


@njit_fast
def basic_moments(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write the monomials of the first n neighbours and the basic moments."""
    monomials = work.monomials
    for row in range(len(monomials)):
        if row:
            lower, axis = potential.monomials[row, 0], potential.monomials[row, 1]
            for j in range(n):
                monomials[row, j] = monomials[lower, j] * work.unit[axis, j]
        for mu in range(potential.basic_of.shape[1]):
            basic = potential.basic_of[row, mu]
            if basic >= 0:
                total = 0.0
                for j in range(n):
                    total += work.f[mu, j] * monomials[row, j]
                work.moments[basic] = total


@njit_fast
def contract(potential: KernelArguments, work: Workspace) -> float:
    """Write all other moments and the adjoints of all; return the energy without its constant."""
    moments, adjoints = work.moments, work.adjoints
    sources, factors, first = potential.sources, potential.factors, potential.first_product
    for group in range(len(potential.targets)):
        total = 0.0
        for t in range(first[group], first[group + 1]):
            total += factors[t] * moments[sources[t, 0]] * moments[sources[t, 1]]
        moments[potential.targets[group]] = total
    energy = 0.0
    adjoints[:] = 0.0
    for s in range(len(potential.mapping)):
        energy += potential.moment_coeffs[s] * moments[potential.mapping[s]]
        adjoints[potential.mapping[s]] += potential.moment_coeffs[s]
    for group in range(len(potential.targets) - 1, -1, -1):
        adjoint = adjoints[potential.targets[group]]
        for t in range(first[group], first[group + 1]):
            a, b = sources[t, 0], sources[t, 1]
            seed = factors[t] * adjoint
            adjoints[a] += seed * moments[b]
            adjoints[b] += seed * moments[a]
    return energy


@njit_fast
def site_gradient(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write S_μ and ∂E_i/∂r_ij from the adjoints of the basic moments."""
    _back_through_monomials(n, potential, work)
    along = work.slopes[3]
    along[:n] = 0.0
    for mu in range(len(work.s)):
        df, s = work.df[mu], work.s[mu]
        for j in range(n):
            along[j] += df[j] * s[j]
    unit, slopes, gradient = work.unit, work.slopes, work.gradient
    for j in range(n):
        over = 1.0 / work.shell.r[j]
        ux, uy, uz = unit[0, j], unit[1, j], unit[2, j]
        qx, qy, qz = slopes[0, j], slopes[1, j], slopes[2, j]
        radial = along[j] - over * (ux * qx + uy * qy + uz * qz)
        gradient[0, j] = radial * ux + over * qx
        gradient[1, j] = radial * uy + over * qy
        gradient[2, j] = radial * uz + over * qz


@njit_fast
def _back_through_monomials(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write S_μ and, to `slopes`, ∂E_i/∂u, following the recursion of the monomials backwards.

    Each loop writes one array and names it by its indices: what the compiler vectorises best.
    """
    monomials, weights, s, slopes = work.monomials, work.weights, work.s, work.slopes
    s[:, :n] = 0.0
    slopes[:, :n] = 0.0
    weights[:, :n] = 0.0
    for row in range(len(monomials) - 1, -1, -1):
        for mu in range(len(s)):
            basic = potential.basic_of[row, mu]
            if basic >= 0:
                adjoint = work.adjoints[basic]
                for j in range(n):
                    s[mu, j] += adjoint * monomials[row, j]
                for j in range(n):
                    weights[row, j] += adjoint * work.f[mu, j]
        if row:
            lower, axis = potential.monomials[row, 0], potential.monomials[row, 1]
            for j in range(n):
                weights[lower, j] += weights[row, j] * work.unit[axis, j]
            for j in range(n):
                slopes[axis, j] += weights[row, j] * monomials[lower, j]
