"""Moments of one site and the way back from them, compiled.

With u = r_ij/r the kernels evaluate (Shapeev 2016, Gubaev et al. 2019)

    φ_k(r)     = scaling · T_k(ξ) · (r_max − r)²,   ξ = (2r − r_min − r_max)/(r_max − r_min)
    f_μ(r)     = Σ_k c[z_i, z_j, μ, k] φ_k(r)
    M_{μ;abc}  = Σ_j f_μ(r) u_x^a u_y^b u_z^c,      M_d += m M_a M_b for each product (a, b, m, d)
    E_i        = species_coeffs[z_i] + Σ_s moment_coeffs[s] M_s

and go backwards from g_m = ∂E_i/∂M_m. Angular monomials are shared by all μ that use them: with
S_μ(j) = Σ_abc g_{μ;abc} u^abc and W_abc(j) = Σ_μ g_{μ;abc} f_μ(r), the derivatives are

    ∂E_i/∂c[z_i, z_j, μ, k] = Σ_j φ_k S_μ
    ∂E_i/∂r_ij = u Σ_μ f'_μ S_μ + (1/r)(1 − u uᵀ) Σ_abc W_abc ∇_u u^abc

so no Jacobian is stored. All inner loops run over the neighbours, which are contiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit, njit_fast

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types
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
def unit_powers(n: int, work: Workspace) -> None:
    """Write the powers of the components of u of the first n neighbours."""
    shell, power = work.shell, work.power
    for j in range(n):
        power[0, 0, j] = power[1, 0, j] = power[2, 0, j] = 1.0
    for p in range(1, power.shape[1]):
        for j in range(n):
            over = 1.0 / shell.r[j]
            power[0, p, j] = power[0, p - 1, j] * shell.x[j] * over
            power[1, p, j] = power[1, p - 1, j] * shell.y[j] * over
            power[2, p, j] = power[2, p - 1, j] * shell.z[j] * over


@njit_fast
def basic_moments(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write the basic moments and zero the others."""
    moments, monomial = work.moments, work.lines[0]
    moments[:] = 0.0
    for row in range(len(potential.powers)):
        x = work.power[0, potential.powers[row, 0]]
        y = work.power[1, potential.powers[row, 1]]
        z = work.power[2, potential.powers[row, 2]]
        for j in range(n):
            monomial[j] = x[j] * y[j] * z[j]
        for mu in range(potential.basic_of.shape[1]):
            basic = potential.basic_of[row, mu]
            if basic >= 0:
                f = work.f[mu]
                total = 0.0
                for j in range(n):
                    total += f[j] * monomial[j]
                moments[basic] = total


@njit
def contract(potential: KernelArguments, work: Workspace) -> float:
    """Write all other moments and the adjoints of all; return the energy without its constant."""
    moments, adjoints, times = work.moments, work.adjoints, potential.times
    for t in range(len(times)):
        moments[times[t, 3]] += times[t, 2] * moments[times[t, 0]] * moments[times[t, 1]]
    energy = 0.0
    adjoints[:] = 0.0
    for s in range(len(potential.mapping)):
        energy += potential.moment_coeffs[s] * moments[potential.mapping[s]]
        adjoints[potential.mapping[s]] += potential.moment_coeffs[s]
    for t in range(len(times) - 1, -1, -1):
        a, b = times[t, 0], times[t, 1]
        seed = times[t, 2] * adjoints[times[t, 3]]
        adjoints[a] += seed * moments[b]
        adjoints[b] += seed * moments[a]
    return energy


@njit_fast
def site_gradient(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write S_μ and ∂E_i/∂r_ij from the adjoints of the basic moments."""
    _sums_over_monomials(n, potential, work)
    qx, qy, qz, along = work.lines[2], work.lines[3], work.lines[4], work.lines[5]
    along[:n] = 0.0
    for mu in range(len(work.s)):
        for j in range(n):
            along[j] += work.df[mu, j] * work.s[mu, j]
    shell = work.shell
    for j in range(n):
        over = 1.0 / shell.r[j]
        ux, uy, uz = shell.x[j] * over, shell.y[j] * over, shell.z[j] * over
        radial = along[j] - over * (ux * qx[j] + uy * qy[j] + uz * qz[j])
        work.gradient[0, j] = radial * ux + over * qx[j]
        work.gradient[1, j] = radial * uy + over * qy[j]
        work.gradient[2, j] = radial * uz + over * qz[j]


@njit_fast
def _sums_over_monomials(n: int, potential: KernelArguments, work: Workspace) -> None:
    """Write S_μ and, to lines 2–4, Σ_abc W_abc ∇_u u^abc."""
    monomial, weight = work.lines[0], work.lines[1]
    work.s[:, :n] = 0.0
    work.lines[2:5, :n] = 0.0
    for row in range(len(potential.powers)):
        a, b, c = potential.powers[row, 0], potential.powers[row, 1], potential.powers[row, 2]
        x, y, z = work.power[0, a], work.power[1, b], work.power[2, c]
        for j in range(n):
            monomial[j] = x[j] * y[j] * z[j]
            weight[j] = 0.0
        for mu in range(len(work.s)):
            basic = potential.basic_of[row, mu]
            if basic >= 0:
                adjoint = work.adjoints[basic]
                f, s = work.f[mu], work.s[mu]
                for j in range(n):
                    s[j] += adjoint * monomial[j]
                    weight[j] += adjoint * f[j]
        if a > 0:
            _add_products(n, a, weight, work.power[0, a - 1], y, z, work.lines[2])
        if b > 0:
            _add_products(n, b, weight, x, work.power[1, b - 1], z, work.lines[3])
        if c > 0:
            _add_products(n, c, weight, x, y, work.power[2, c - 1], work.lines[4])


@njit_fast
def _add_products(
    n: int, factor: float, weight: Floats, x: Floats, y: Floats, z: Floats, total: Floats
) -> None:
    for j in range(n):
        total[j] += factor * weight[j] * x[j] * y[j] * z[j]
