"""How the labels of one structure depend on all coefficients of a potential, compiled.

A structure of N atoms has 3N + 7 labels ρ: its energy, the derivatives of the energy with respect
to the positions, and those with respect to a strain ε (r → r + ε r, Voigt order), which are the
volume times the stress. For the atom i let ∂M_b/∂ρ be the derivative of a basic moment,
D_b = ∂E_i/∂M_b, and P_b[t, k] = ∂M_b/∂c[z_i, t, μ, k] = Σ_j φ_k u^b over the neighbours j of
species t. Then

    ∂²E_i/∂ρ∂c[z_i, t, μ, k] = Σ_b (∂D_b/∂ρ) P_b[t, k] + Σ_b D_b ∂P_b[t, k]/∂ρ
    ∂²E_i/∂ρ∂moment_coeffs[s] = ∂M_s/∂ρ

with the sums over the basic moments of this μ. All ∂M/∂ρ and ∂D/∂ρ come out of one pass forwards
and one pass backwards through the products, for as many labels at once as fill a vector: few enough
that the derivatives of all moments stay in the cache. Labels an atom has no part in are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit, njit_fast, njit_lanes
from aiida_mtp.core.potential.moments import NO_SEEDS, sum_products
from aiida_mtp.core.potential.workspace import LANES
from aiida_mtp.core.training.pairs import add_pair, add_pair_terms

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.potential.arguments import Products
    from aiida_mtp.core.training.workspace import Basis, Structures, Workspace


@njit_fast
def _start_from(coeffs: Floats, basis: Basis, work: Workspace) -> None:
    """Write what the way back starts from: moment_coeffs, at the nodes of the products."""
    adjoints, nodes = work.adjoints, basis.plan.backward.nodes
    adjoints[:] = 0.0
    for s in range(len(coeffs)):
        adjoints[basis.plan.mapping[s], 0] += coeffs[s]
    for g in range(len(nodes)):
        work.seeds[g] = adjoints[nodes[g], 0]


@njit_fast
def _find_labels(atom: int, n_atoms: int, neighbors: Ints, work: Workspace) -> int:
    """Find the labels that E_i has a part in, and return how many atoms there are among them.

    These are the positions of the atom itself, first, and of those it has images of around it, and
    the strain. Written: the rows of the labels, and zeros where their derivatives are to be added.
    """
    slot_of, rows = work.slot_of, work.rows
    slot_of[:n_atoms] = -1
    n = 0
    for p in range(-1, len(neighbors)):
        j = atom if p < 0 else neighbors[p]
        if slot_of[j] < 0:
            slot_of[j] = n
            for axis in range(3):
                rows[3 * n + axis] = 1 + 3 * j + axis
            n += 1
    for k in range(6):
        rows[3 * n + k] = 1 + 3 * n_atoms + k
    work.slopes[:n] = 0.0
    work.slopes[-2:] = 0.0
    return n


@njit_fast
def _write_basic_moments(n_slots: int, radial: Floats, basis: Basis, work: Workspace) -> None:
    """Write the basic moments of a site that are sums over neighbours, and their derivatives."""
    strain = len(work.slopes) - 2
    for mu in range(len(basis.plan.n_rows)):
        for row in range(basis.plan.n_rows[mu]):
            total = 0.0
            for kind in range(radial.shape[0]):
                for k in range(radial.shape[2]):
                    total += radial[kind, mu, k] * work.projected[kind, row, k]
            work.moments[basis.plan.basic_of[mu, row], 0] = total
            slopes = work.basic_slopes[mu, row]
            for axis in range(3):
                own = 0.0
                for j in range(n_slots):
                    own += work.slopes[j, axis, mu, row]
                    slopes[3 * j + axis] = work.slopes[j, axis, mu, row]
                slopes[axis] -= own
                slopes[3 * n_slots + axis] = work.slopes[strain, axis, mu, row]
                slopes[3 * n_slots + 3 + axis] = work.slopes[strain + 1, axis, mu, row]


@njit
def _contract(basis: Basis, work: Workspace) -> None:
    """Write all other moments, and ∂E_i/∂M of all; they stand in the first lane."""
    plan, moments, adjoints = basis.plan, work.moments, work.adjoints
    sum_products(plan.forward, NO_SEEDS, moments, moments, moments)
    sum_products(plan.backward, work.seeds, adjoints, moments, adjoints)


@njit
def _contract_slopes(first: int, with_radial: bool, basis: Basis, work: Workspace) -> None:  # noqa: FBT001
    """Write the derivatives of all moments, and of ∂E_i/∂M, by the labels from `first` on."""
    plan, slopes = basis.plan, work.moment_slopes
    for mu in range(len(plan.n_rows)):
        for row in range(plan.n_rows[mu]):
            basic = plan.basic_of[mu, row]
            for lane in range(LANES):
                slopes[basic, lane] = work.basic_slopes[mu, row, first + lane]
    _sum_slopes(plan.forward, work.moments, work.moments, slopes, slopes, slopes)
    if with_radial:
        back = work.adjoint_slopes
        _sum_slopes(plan.backward, work.adjoints, work.moments, back, slopes, back)


@njit_lanes
def _sum_slopes(
    products: Products,
    left: Floats,
    right: Floats,
    left_slopes: Floats,
    right_slopes: Floats,
    out: Floats,
) -> None:
    """Write the derivatives of sums of products by as many labels as there are lanes.

    See `aiida_mtp.core.potential.moments.sum_products`, whose numbers stand in the first lane of
    `left` and `right`.
    """
    nodes, first, factors, sources = (
        products.nodes,
        products.first,
        products.factors,
        products.sources,
    )
    for g in range(len(nodes)):
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
        for t in range(first[g], first[g + 1]):
            i, k = sources[t, 0], sources[t, 1]
            of_a, of_b = factors[t] * right[k, 0], factors[t] * left[i, 0]
            a, b = left_slopes[i], right_slopes[k]
            s0 += of_a * a[0] + of_b * b[0]
            s1 += of_a * a[1] + of_b * b[1]
            s2 += of_a * a[2] + of_b * b[2]
            s3 += of_a * a[3] + of_b * b[3]
            s4 += of_a * a[4] + of_b * b[4]
            s5 += of_a * a[5] + of_b * b[5]
            s6 += of_a * a[6] + of_b * b[6]
            s7 += of_a * a[7] + of_b * b[7]
        node = out[nodes[g]]
        node[0], node[1], node[2], node[3] = s0, s1, s2, s3
        node[4], node[5], node[6], node[7] = s4, s5, s6, s7


@njit_fast
def _add_energy_row(
    kind: int,
    first: int,
    with_radial: bool,  # noqa: FBT001
    basis: Basis,
    work: Workspace,
    line: Floats,
) -> None:
    """Add the derivatives of E_i; the columns of species_coeffs start at `first`."""
    n_species, _, size = work.projected.shape
    n_radial = len(basis.plan.n_rows)
    line[first + kind] += 1.0
    for s in range(len(basis.plan.mapping)):
        line[first + n_species + s] += work.moments[basis.plan.mapping[s], 0]
    if not with_radial:
        return
    for mu in range(n_radial):
        for row in range(basis.plan.n_rows[mu]):
            adjoint = work.adjoints[basis.plan.basic_of[mu, row], 0]
            for other in range(n_species):
                block = ((kind * n_species + other) * n_radial + mu) * size
                for k in range(size):
                    line[block + k] += adjoint * work.projected[other, row, k]


@njit_fast
def _add_linear(first: int, rows: Ints, basis: Basis, work: Workspace, jac: Floats) -> None:
    """Add the columns of moment_coeffs, which start at `first`, of some labels."""
    for s in range(len(basis.plan.mapping)):
        slopes = work.moment_slopes[basis.plan.mapping[s]]
        for lane in range(len(rows)):
            jac[rows[lane], first + s] += slopes[lane]


@njit_fast
def _add_products(kind: int, rows: Ints, basis: Basis, work: Workspace, jac: Floats) -> None:
    """Add (∂D_b/∂ρ) P_b to the columns of radial_coeffs, of some labels."""
    n_species, _, size = work.projected.shape
    n_radial = len(basis.plan.n_rows)
    for mu in range(n_radial):
        for row in range(basis.plan.n_rows[mu]):
            back = work.adjoint_slopes[basis.plan.basic_of[mu, row]]
            for other in range(n_species):
                first = ((kind * n_species + other) * n_radial + mu) * size
                projected = work.projected[other, row]
                for lane in range(len(rows)):
                    line = jac[rows[lane], first : first + size]
                    for k in range(size):
                        line[k] += back[lane] * projected[k]


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
    n_nonlinear = radial.size
    n_rows = 3 * n_atoms + 7
    jac[:n_rows] = 0.0
    _start_from(linear[n_species:], basis, work)
    for i in range(n_atoms):
        kind = types[start + i]
        low, high = structures.first[start + i], structures.first[start + i + 1]
        n_slots = _find_labels(i, n_atoms, index[low:high] - start, work)
        n_labels = 3 * n_slots + 6
        work.projected[:] = 0.0
        for p in range(low, high):
            q, other = p - low, index[p]
            add_pair(
                work.slot_of[other - start],
                types[other],
                r_ij[p],
                radial[kind, types[other]],
                basis,
                work.phi[q],
                work.dphi[q],
                work.monomial[q],
                work,
            )
        _write_basic_moments(n_slots, radial[kind], basis, work)
        _contract(basis, work)
        _add_energy_row(kind, n_nonlinear, with_radial, basis, work, jac[0])
        for label in range(0, n_labels, LANES):
            rows = work.rows[label : min(n_labels, label + LANES)]
            _contract_slopes(label, with_radial, basis, work)
            _add_linear(n_nonlinear + n_species, rows, basis, work, jac)
            if with_radial:
                _add_products(kind, rows, basis, work, jac)
        if not with_radial:
            continue
        for p in range(low, high):
            q, other = p - low, index[p]
            block = (kind * n_species + types[other]) * n_radial * size
            add_pair_terms(
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
