"""How the labels of one structure depend on all coefficients of a potential, compiled.

A structure of N atoms has 3N + 7 labels ρ: its energy, the derivatives of the energy with respect
to the positions, and those with respect to a strain ε (r → r + ε r, Voigt order), which are the
volume times the stress. For the atom i let ∂M_b/∂ρ be the derivative of a basic moment,
D_b = ∂E_i/∂M_b, and P_b[t, k] = ∂M_b/∂c[z_i, t, μ, k] = Σ_j φ_k u^b over the neighbours j of
species t. Then

    ∂²E_i/∂ρ∂c[z_i, t, μ, k] = Σ_b (∂D_b/∂ρ) P_b[t, k] + Σ_b D_b ∂P_b[t, k]/∂ρ
    ∂²E_i/∂ρ∂moment_coeffs[s] = ∂M_s/∂ρ

with the sums over the basic moments of this μ. All ∂M/∂ρ and ∂D/∂ρ come out of one pass forwards
and one pass backwards through the products, for all labels at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit, njit_fast

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.training.workspace import Basis, Structures, Workspace


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
def _angular_basis(ux: float, uy: float, uz: float, powers: Ints, out: Floats) -> None:
    """Write u^abc, and r times its gradient, which is tangential."""
    for row in range(len(powers)):
        a, b, c = powers[row, 0], powers[row, 1], powers[row, 2]
        x, y, z = ux**a, uy**b, uz**c
        value = x * y * z
        gx = a * ux ** (a - 1) * y * z if a > 0 else 0.0
        gy = b * x * uy ** (b - 1) * z if b > 0 else 0.0
        gz = c * x * y * uz ** (c - 1) if c > 0 else 0.0
        inward = (a + b + c) * value  # u·∇u^abc, by Euler
        out[0, row] = value
        out[1, row] = gx - inward * ux
        out[2, row] = gy - inward * uy
        out[3, row] = gz - inward * uz


@njit_fast
def _add_pair(
    other: int,
    kind: int,
    vector: Floats,
    radial: Floats,
    basis: Basis,
    phi: Floats,
    dphi: Floats,
    monomial: Floats,
    work: Workspace,
) -> None:
    """Add a neighbour to P and to the derivatives of the basic moments."""
    n_atoms = len(work.slopes) - 2
    x, y, z = vector[0], vector[1], vector[2]
    r = math.sqrt(x * x + y * y + z * z)
    over = 1.0 / r
    ux, uy, uz = x * over, y * over, z * over
    _radial_basis(r, basis, phi, dphi)
    _angular_basis(ux, uy, uz, basis.powers, monomial)
    m, tx, ty, tz = monomial[0], monomial[1], monomial[2], monomial[3]
    for row in range(len(m)):
        projected = work.projected[kind, row]
        value = m[row]
        for k in range(len(phi)):
            projected[k] += value * phi[k]
    for mu in range(len(basis.n_rows)):
        f, df = 0.0, 0.0
        for k in range(len(phi)):
            f += radial[mu, k] * phi[k]
            df += radial[mu, k] * dphi[k]
        f *= over
        of_x, of_y, of_z = (
            work.slopes[other, 0, mu],
            work.slopes[other, 1, mu],
            work.slopes[other, 2, mu],
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
        for row in range(basis.n_rows[mu]):
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
def _basic_moments(atom: int, n_atoms: int, radial: Floats, basis: Basis, work: Workspace) -> None:
    """Write the basic moments of a site and their derivatives, and zero the others."""
    n_labels = 3 * n_atoms + 6
    work.moments[:] = 0.0
    work.moment_slopes[:, :n_labels] = 0.0
    strain = len(work.slopes) - 2
    for mu in range(len(basis.n_rows)):
        for row in range(basis.n_rows[mu]):
            basic = basis.basic_of[mu, row]
            if basic < 0:
                continue
            total = 0.0
            for kind in range(radial.shape[0]):
                for k in range(radial.shape[2]):
                    total += radial[kind, mu, k] * work.projected[kind, row, k]
            work.moments[basic] = total
            slopes = work.moment_slopes[basic]
            for axis in range(3):
                own = 0.0
                for j in range(n_atoms):
                    own += work.slopes[j, axis, mu, row]
                    slopes[3 * j + axis] = work.slopes[j, axis, mu, row]
                slopes[3 * atom + axis] -= own
                slopes[3 * n_atoms + axis] = work.slopes[strain, axis, mu, row]
                slopes[3 * n_atoms + 3 + axis] = work.slopes[strain + 1, axis, mu, row]


@njit_fast
def _contract(n_labels: int, basis: Basis, work: Workspace) -> None:
    """Write all other moments and their derivatives."""
    moments, times = work.moments, basis.times
    for t in range(len(times)):
        a, b, factor, d = times[t, 0], times[t, 1], times[t, 2], times[t, 3]
        of_a, of_b = factor * moments[b], factor * moments[a]
        moments[d] += of_b * moments[b]
        slopes_a, slopes_b, slopes_d = (
            work.moment_slopes[a],
            work.moment_slopes[b],
            work.moment_slopes[d],
        )
        for label in range(n_labels):
            slopes_d[label] += of_a * slopes_a[label] + of_b * slopes_b[label]


@njit_fast
def _go_back(n_labels: int, linear: Floats, basis: Basis, work: Workspace) -> None:
    """Write ∂E_i/∂M of all moments and the derivatives of these."""
    moments, adjoints, times = work.moments, work.adjoints, basis.times
    adjoints[:] = 0.0
    work.adjoint_slopes[:, :n_labels] = 0.0
    for s in range(len(basis.mapping)):
        adjoints[basis.mapping[s]] += linear[s]
    for t in range(len(times) - 1, -1, -1):
        a, b, factor, d = times[t, 0], times[t, 1], times[t, 2], times[t, 3]
        of_d = factor * adjoints[d]
        of_a, of_b = factor * moments[a], factor * moments[b]
        adjoints[a] += of_d * moments[b]
        adjoints[b] += of_d * moments[a]
        back_d = work.adjoint_slopes[d]
        back_a, back_b = work.adjoint_slopes[a], work.adjoint_slopes[b]
        slopes_a, slopes_b = work.moment_slopes[a], work.moment_slopes[b]
        for label in range(n_labels):
            back_a[label] += of_d * slopes_b[label] + of_b * back_d[label]
        for label in range(n_labels):
            back_b[label] += of_d * slopes_a[label] + of_a * back_d[label]


@njit_fast
def _add_linear(
    kind: int, n_labels: int, first: int, basis: Basis, work: Workspace, jac: Floats
) -> None:
    """Add the columns of species_coeffs, which start at `first`, and of moment_coeffs."""
    n_species = len(work.projected)
    jac[0, first + kind] += 1.0
    for s in range(len(basis.mapping)):
        moment = basis.mapping[s]
        column = first + n_species + s
        jac[0, column] += work.moments[moment]
        slopes = work.moment_slopes[moment]
        for label in range(n_labels):
            jac[1 + label, column] += slopes[label]


@njit_fast
def _add_products(kind: int, n_labels: int, basis: Basis, work: Workspace, jac: Floats) -> None:
    """Add (∂D_b/∂ρ) P_b to the columns of radial_coeffs, and D_b P_b for the energy."""
    n_species, _, size = work.projected.shape
    n_radial = len(basis.n_rows)
    for mu in range(n_radial):
        for row in range(basis.n_rows[mu]):
            basic = basis.basic_of[mu, row]
            if basic < 0:
                continue
            back = work.adjoint_slopes[basic]
            adjoint = work.adjoints[basic]
            for other in range(n_species):
                first = ((kind * n_species + other) * n_radial + mu) * size
                projected = work.projected[other, row]
                for k in range(size):
                    jac[0, first + k] += adjoint * projected[k]
                for label in range(n_labels):
                    factor = back[label]
                    line = jac[1 + label, first : first + size]
                    for k in range(size):
                        line[k] += factor * projected[k]


@njit_fast
def _add_pair_terms(
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
    for mu in range(len(basis.n_rows)):
        along, wx, wy, wz = 0.0, 0.0, 0.0, 0.0
        for row in range(basis.n_rows[mu]):
            basic = basis.basic_of[mu, row]
            if basic >= 0:
                adjoint = work.adjoints[basic]
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


@njit
def structure_jacobian(
    s: int,
    structures: Structures,
    radial: Floats,
    linear: Floats,
    with_radial: bool,  # noqa: FBT001
    basis: Basis,
    work: Workspace,
    values: Floats,
    jac: Floats,
) -> None:
    """Write the labels of a structure and their derivatives with respect to the coefficients.

    Parameters
    ----------
    s, structures
        Which structure, of which.
    radial, linear
        radial_coeffs, and species_coeffs followed by moment_coeffs.
    with_radial
        Whether the columns of radial_coeffs are wanted too; they are zero otherwise.
    values
        shape (3 N + 7,), written: energy, ∂E/∂positions, ∂E/∂strain, eV and Å.
    jac
        shape (3 N + 7, n_parameters), written, in MLIP's order of coefficients.
    """
    n_species, _, n_radial, size = radial.shape
    types, index, r_ij = structures.types, structures.neighbor, structures.r_ij
    start = structures.first_atom[s]
    n_atoms = structures.first_atom[s + 1] - start
    n_labels = 3 * n_atoms + 6
    n_nonlinear = radial.size
    n_rows = 1 + n_labels
    jac[:n_rows] = 0.0
    strain = len(work.slopes) - 2
    for i in range(n_atoms):
        kind = types[start + i]
        low, high = structures.first[start + i], structures.first[start + i + 1]
        work.projected[:] = 0.0
        work.slopes[:n_atoms] = 0.0
        work.slopes[strain:] = 0.0
        for p in range(low, high):
            q, other = p - low, index[p]
            _add_pair(
                other - start,
                types[other],
                r_ij[p],
                radial[kind, types[other]],
                basis,
                work.phi[q],
                work.dphi[q],
                work.monomial[q],
                work,
            )
        _basic_moments(i, n_atoms, radial[kind], basis, work)
        _contract(n_labels, basis, work)
        _add_linear(kind, n_labels, n_nonlinear, basis, work, jac)
        if not with_radial:
            continue
        _go_back(n_labels, linear[n_species:], basis, work)
        _add_products(kind, n_labels, basis, work, jac)
        for p in range(low, high):
            q, other = p - low, index[p]
            block = (kind * n_species + types[other]) * n_radial * size
            _add_pair_terms(
                i,
                other - start,
                n_atoms,
                block,
                r_ij[p],
                basis,
                work.phi[q],
                work.dphi[q],
                work.monomial[q],
                work,
                jac,
            )
    # The energy is linear in these coefficients, and so are all labels.
    values[:n_rows] = 0.0
    for row in range(n_rows):
        total = 0.0
        for column in range(len(linear)):
            total += jac[row, n_nonlinear + column] * linear[column]
        values[row] = total
