"""Site energies of a moment tensor potential and their derivatives, compiled.

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

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit, njit_fast
from aiida_mtp.core.neighbors import Shell, find_neighbors, invert_cell, make_shell

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints, Types
    from aiida_mtp.core.potential.model import MtpModel

CAPACITY = 160  # neighbours a workspace first has room for; it grows when a structure has more


class KernelArguments(NamedTuple):
    """A potential as the kernels want it.

    Parameters
    ----------
    radial_coeffs
        shape (n_species, n_species, n_radial, basis_size).
    species_coeffs, moment_coeffs
        shape (n_species,), (n_scalar,), eV.
    powers
        shape (n_angular, 3): the distinct angular monomials.
    basic_of
        shape (n_angular, n_radial): the basic moment of a monomial and a μ, −1 if there is none.
    times, mapping
        `MtpTables.alpha_index_times`, `MtpTables.alpha_moment_mapping`.
    n_moments
        Number of moments.
    min_dist, max_dist
        Å.
    scaling
        Factor of all radial functions.
    """

    radial_coeffs: Floats
    species_coeffs: Floats
    moment_coeffs: Floats
    powers: Ints
    basic_of: Ints
    times: Ints
    mapping: Ints
    n_moments: int
    min_dist: float
    max_dist: float
    scaling: float


class Workspace(NamedTuple):
    """What one thread needs to evaluate one site after the other.

    Parameters
    ----------
    shell
        The neighbours of the site.
    inverse
        shape (3, 3): inverse of the cell.
    power
        shape (3, max_power + 1, capacity): powers of the components of u.
    phi, dphi
        shape (basis_size, capacity): radial basis and derivatives.
    f, df, s
        shape (n_radial, capacity): f_μ, f'_μ, S_μ.
    lines
        shape (6, capacity): a monomial, its weight W, and four sums.
    gradient
        shape (3, capacity): ∂E_i/∂r_ij, eV/Å.
    moments, adjoints
        shape (n_moments,): M and ∂E_i/∂M.
    """

    shell: Shell
    inverse: Floats
    power: Floats
    phi: Floats
    dphi: Floats
    f: Floats
    df: Floats
    s: Floats
    lines: Floats
    gradient: Floats
    moments: Floats
    adjoints: Floats


def kernel_arguments(model: MtpModel) -> KernelArguments:
    """Return a potential in the form of the kernels."""
    basics = model.tables.alpha_index_basic
    powers, row = np.unique(basics[:, 1:], axis=0, return_inverse=True)
    basic_of = np.full((len(powers), model.tables.n_radial), -1, dtype=np.int64)
    basic_of[row.reshape(-1), basics[:, 0]] = np.arange(len(basics))
    return KernelArguments(
        radial_coeffs=np.ascontiguousarray(model.radial_coeffs),
        species_coeffs=np.ascontiguousarray(model.species_coeffs),
        moment_coeffs=np.ascontiguousarray(model.moment_coeffs),
        powers=np.ascontiguousarray(powers),
        basic_of=basic_of,
        times=np.ascontiguousarray(model.tables.alpha_index_times),
        mapping=np.ascontiguousarray(model.tables.alpha_moment_mapping),
        n_moments=int(model.tables.n_moments),
        min_dist=float(model.min_dist),
        max_dist=float(model.max_dist),
        scaling=float(model.scaling),
    )


@njit
def make_workspace(potential: KernelArguments, capacity: int) -> Workspace:
    """Return work space for one thread and sites of up to `capacity` neighbours."""
    _, _, n_radial, size = potential.radial_coeffs.shape
    return Workspace(
        make_shell(capacity),
        np.zeros((3, 3)),
        np.zeros((3, potential.powers.max() + 1, capacity)),
        np.zeros((size, capacity)),
        np.zeros((size, capacity)),
        np.zeros((n_radial, capacity)),
        np.zeros((n_radial, capacity)),
        np.zeros((n_radial, capacity)),
        np.zeros((6, capacity)),
        np.zeros((3, capacity)),
        np.zeros(potential.n_moments),
        np.zeros(potential.n_moments),
    )


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
    monomial, weight, qx, qy, qz = (
        work.lines[0],
        work.lines[1],
        work.lines[2],
        work.lines[3],
        work.lines[4],
    )
    n_radial = potential.basic_of.shape[1]
    for mu in range(n_radial):
        work.s[mu, :n] = 0.0
    qx[:n] = 0.0
    qy[:n] = 0.0
    qz[:n] = 0.0
    for row in range(len(potential.powers)):
        a, b, c = potential.powers[row, 0], potential.powers[row, 1], potential.powers[row, 2]
        x, y, z = work.power[0, a], work.power[1, b], work.power[2, c]
        for j in range(n):
            monomial[j] = x[j] * y[j] * z[j]
            weight[j] = 0.0
        for mu in range(n_radial):
            basic = potential.basic_of[row, mu]
            if basic >= 0:
                adjoint = work.adjoints[basic]
                f, s = work.f[mu], work.s[mu]
                for j in range(n):
                    s[j] += adjoint * monomial[j]
                    weight[j] += adjoint * f[j]
        if a > 0:
            lower = work.power[0, a - 1]
            for j in range(n):
                qx[j] += a * weight[j] * lower[j] * y[j] * z[j]
        if b > 0:
            lower = work.power[1, b - 1]
            for j in range(n):
                qy[j] += b * weight[j] * x[j] * lower[j] * z[j]
        if c > 0:
            lower = work.power[2, c - 1]
            for j in range(n):
                qz[j] += c * weight[j] * x[j] * y[j] * lower[j]
    along = work.lines[5]
    along[:n] = 0.0
    for mu in range(n_radial):
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
def add_parameter_gradient(
    n: int,
    kind: int,
    types: Types,
    potential: KernelArguments,
    work: Workspace,
    factor: float,
    total: Floats,
) -> None:
    """Add factor · ∂E_i/∂θ to `total`, shape (n_parameters,), in MLIP's order."""
    n_species, _, n_radial, size = potential.radial_coeffs.shape
    for mu in range(n_radial):
        for k in range(size):
            offset = (kind * n_species * n_radial + mu) * size + k
            stride = n_radial * size
            for j in range(n):
                other = types[work.shell.index[j]]
                total[offset + other * stride] += factor * work.phi[k, j] * work.s[mu, j]
    species = n_species * n_species * n_radial * size
    total[species + kind] += factor
    first = species + n_species
    for s in range(len(potential.mapping)):
        total[first + s] += factor * work.moments[potential.mapping[s]]


@njit
def evaluate_site(
    centre: int,
    positions: Floats,
    cell: Floats,
    types: Types,
    potential: KernelArguments,
    work: Workspace,
) -> tuple[int, float]:
    """Evaluate one atom; return the number of its neighbours and its energy (eV).

    `work.inverse` must hold the inverse of the cell. Written: the neighbours (`work.shell`),
    ∂E_i/∂r_ij (`work.gradient`), and what `add_parameter_gradient` needs. If there are more
    neighbours than the workspace has room for, nothing but their number is right. Allocates nothing.
    """
    n = find_neighbors(centre, positions, cell, work.inverse, potential.max_dist, work.shell)
    if n > len(work.shell.r):
        return n, np.nan
    kind = types[centre]
    radial_basis(n, potential, work)
    radial_functions(n, kind, types, potential, work)
    unit_powers(n, work)
    basic_moments(n, potential, work)
    energy = contract(potential, work) + potential.species_coeffs[kind]
    site_gradient(n, potential, work)
    return n, energy


@njit
def evaluate_structure(
    positions: Floats,
    cell: Floats,
    types: Types,
    potential: KernelArguments,
    work: Workspace,
    forces: Floats,
    stress: Floats,
    gradient: Floats,
) -> tuple[int, float, float]:
    """Evaluate one structure.

    Parameters
    ----------
    positions, cell
        shape (n_atoms, 3), (3, 3), Å.
    types
        shape (n_atoms,), in the potential's species.
    forces
        shape (n_atoms, 3), written, eV/Å.
    stress
        shape (6,), written, ASE's sign and order, eV/Å³.
    gradient
        dE/dθ, shape (n_parameters,), written; of length 0 if it is not wanted.

    Returns
    -------
    n_neighbors
        Largest number of neighbours of an atom. If it is larger than the workspace has room for,
        the rest is meaningless: call again with a larger one.
    energy
        eV.
    min_dist
        Smallest distance between two atoms, Å; infinite if none is within the cutoff.
    """
    forces[:] = 0.0
    stress[:] = 0.0
    gradient[:] = 0.0
    volume = abs(invert_cell(cell, work.inverse))
    energy, closest, most = 0.0, np.inf, 0
    for i in range(len(positions)):
        n, site_energy = evaluate_site(i, positions, cell, types, potential, work)
        most = max(most, n)
        if n > len(work.shell.r):
            continue
        energy += site_energy
        for j in range(n):
            closest = min(closest, work.shell.r[j])
        scatter(i, n, work, forces, stress)
        if len(gradient):
            add_parameter_gradient(n, types[i], types, potential, work, 1.0, gradient)
    stress /= volume
    return most, energy, closest


@njit
def scatter(centre: int, n: int, work: Workspace, forces: Floats, virial: Floats) -> None:
    """Add what one site contributes to forces and to V·σ."""
    shell, gradient = work.shell, work.gradient
    for j in range(n):
        gx, gy, gz = gradient[0, j], gradient[1, j], gradient[2, j]
        other = shell.index[j]
        forces[centre, 0] += gx
        forces[centre, 1] += gy
        forces[centre, 2] += gz
        forces[other, 0] -= gx
        forces[other, 1] -= gy
        forces[other, 2] -= gz
        virial[0] += gx * shell.x[j]
        virial[1] += gy * shell.y[j]
        virial[2] += gz * shell.z[j]
        virial[3] += gy * shell.z[j]
        virial[4] += gx * shell.z[j]
        virial[5] += gx * shell.y[j]
