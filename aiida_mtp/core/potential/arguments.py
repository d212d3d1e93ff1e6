"""A potential as the kernels want it.

Two identities make the way shorter than the one a file describes. A unit vector has
u_x² + u_y² + u_z² = 1, so of the basic moments of one μ only those with at most one u_z are sums
over neighbours; the others follow from them,

    M_{μ;a,b,c} = M_{μ;a,b,c−2} − M_{μ;a+2,b,c−2} − M_{μ;a,b+2,c−2}

(at level 20 that leaves 165 of 295). And with one more moment, which is always 1, such a sum is a
sum of products like all others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.potential.tables import MtpTables

    Indices = NDArray[np.uint32]
    Row = tuple[int, ...]


class Products(NamedTuple):
    """Sums of products, one after the other.

    ``out[nodes[g]] = seeds[g] + Σ_t factors[t] · left[sources[t, 0]] · right[sources[t, 1]]`` with
    t from ``first[g]`` to ``first[g + 1]``. Indices are unsigned: for signed ones the compiled code
    would ask whether they are negative.

    Parameters
    ----------
    nodes
        shape (n_nodes,).
    first
        shape (n_nodes + 1,).
    factors, sources
        shape (n_products,), (n_products, 2).
    """

    nodes: Indices
    first: Ints
    factors: Floats
    sources: Indices


class Plan(NamedTuple):
    """The way from distances to an energy and back that a basis asks for.

    Parameters
    ----------
    monomials
        shape (n_angular, 2): each angular monomial u^abc is an earlier one times a component of u.
        The first is 1; they are ordered by rank.
    n_rows
        shape (n_radial,): how many of them, from the first, are multiplied with f_μ, and …
    basic_of
        shape (n_radial, ≥ n_rows + 3): … to which moment that adds up: the one no one uses where
        there is none, or where it follows from others.
    forward
        How the moments that are no sums over neighbours come from those that are: left, right and
        out are the moments.
    backward
        How ∂E_i/∂M of all moments come from each other: left and out are these, right the moments.
    mapping
        `MtpTables.alpha_moment_mapping`.
    n_moments
        Number of moments; the last but one is 1, the last is one that no one uses.
    """

    monomials: Indices
    n_rows: Ints
    basic_of: Indices
    forward: Products
    backward: Products
    mapping: Indices
    n_moments: int


class KernelArguments(NamedTuple):
    """A potential as the kernels want it.

    Parameters
    ----------
    radial_coeffs
        shape (n_species, n_species, n_radial, basis_size).
    species_coeffs, moment_coeffs
        shape (n_species,), (n_scalar,), eV.
    seeds
        shape (n_nodes,): what `plan.backward` starts from.
    plan
        What follows from the basis alone.
    min_dist, max_dist
        Å.
    scaling
        Factor of all radial functions.
    """

    radial_coeffs: Floats
    species_coeffs: Floats
    moment_coeffs: Floats
    seeds: Floats
    plan: Plan
    min_dist: float
    max_dist: float
    scaling: float


def kernel_arguments(model: MtpModel) -> KernelArguments:
    """Return a potential in the form of the kernels."""
    plan = make_plan(model.tables)
    seeds = np.zeros(plan.n_moments)
    np.add.at(seeds, plan.mapping, model.moment_coeffs)
    return KernelArguments(
        radial_coeffs=np.ascontiguousarray(model.radial_coeffs),
        species_coeffs=np.ascontiguousarray(model.species_coeffs),
        moment_coeffs=np.ascontiguousarray(model.moment_coeffs),
        seeds=seeds[plan.backward.nodes],
        plan=plan,
        min_dist=float(model.min_dist),
        max_dist=float(model.max_dist),
        scaling=float(model.scaling),
    )


@lru_cache(maxsize=32)
def make_plan(tables: MtpTables) -> Plan:
    """Return what the kernels do for a basis."""
    sums, following = _sums_and_followers(tables)
    monomials, n_rows, basic_of = _monomials(tables, sums)
    forward = _forward(tables, following)
    return Plan(
        monomials=monomials.astype(np.uint32),
        n_rows=n_rows,
        basic_of=basic_of.astype(np.uint32),
        forward=forward,
        backward=_backward(tables, forward),
        mapping=tables.alpha_moment_mapping.astype(np.uint32),
        n_moments=int(tables.n_moments) + 2,
    )


def _sums_and_followers(tables: MtpTables) -> tuple[list[int], list[Row]]:
    """Tell which basic moments to sum over neighbours; the rest follows from three others each.

    Returns
    -------
    sums
        Basic moments.
    following
        (moment, the one with the sign +, the two with the sign −), in a possible order.
    """
    index_of = {tuple(row): i for i, row in enumerate(tables.alpha_index_basic.tolist())}
    sums, following = [], []
    for (mu, a, b, c), moment in sorted(index_of.items(), key=lambda item: item[0][3]):
        others = ((mu, a, b, c - 2), (mu, a + 2, b, c - 2), (mu, a, b + 2, c - 2))
        if all(other in index_of for other in others):
            following.append((moment, *(index_of[other] for other in others)))
        else:
            sums.append(moment)
    return sums, following


def _monomials(tables: MtpTables, sums: Sequence[int]) -> tuple[Ints, Ints, Ints]:
    """Return all monomials that are needed, as products of earlier ones, `n_rows` and `basic_of`.

    No μ has more of them than the ones before, so that those with f_μ are a number of the first.
    """
    basics = [(moment, *tables.alpha_index_basic[moment].tolist()) for moment in sums]
    powers: set[Row] = {(0, 0, 0)}
    for _, _, *row in basics:
        while tuple(row) not in powers:
            powers.add(tuple(row))
            row[_axis(row)] -= 1
    ordered = sorted(powers, key=lambda row: (sum(row), row))
    index_of: dict[Row, int] = {row: index for index, row in enumerate(ordered)}
    monomials = np.zeros((len(ordered), 2), dtype=np.int64)
    for index, exponents in enumerate(ordered[1:], start=1):
        axis = _axis(exponents)
        a, b, c = (power - (k == axis) for k, power in enumerate(exponents))
        monomials[index] = index_of[a, b, c], axis
    unused = tables.n_moments + 1
    basic_of = np.full((tables.n_radial, len(ordered) + 3), unused, dtype=np.int64)
    n_rows = np.zeros(tables.n_radial, dtype=np.int64)
    for moment, mu, *row in basics:
        place = index_of[tuple(row)]
        basic_of[mu, place] = moment
        n_rows[: mu + 1] = np.maximum(n_rows[: mu + 1], place + 1)
    return monomials, n_rows, basic_of


def _axis(powers: Sequence[int]) -> int:
    """Return the component of u that is split off a monomial: the one of the highest power."""
    return max(range(3), key=lambda k: powers[k])


def _forward(tables: MtpTables, following: Sequence[Row]) -> Products:
    """Return the products of the table, those of a target together, after the basic moments.

    A target is computed where its last product stood: all it needs is there, and no one used it.
    """
    one = tables.n_moments
    rows = [
        (other, one, sign, moment)
        for moment, *others in following
        for other, sign in zip(others, (1, -1, -1), strict=True)
    ]
    times = np.array([*rows, *tables.alpha_index_times.tolist()], dtype=np.int64).reshape(-1, 4)
    last = np.zeros(tables.n_moments, dtype=np.int64)
    last[times[:, 3]] = np.arange(len(times))
    ordered = times[np.argsort(last[times[:, 3]], kind='stable')]
    starts = np.flatnonzero(np.diff(ordered[:, 3], prepend=-1))
    return Products(
        nodes=ordered[starts, 3].astype(np.uint32),
        first=np.append(starts, len(ordered)).astype(np.int64),
        factors=ordered[:, 2].astype(np.float64),
        sources=np.ascontiguousarray(ordered[:, :2]).astype(np.uint32),
    )


def _backward(tables: MtpTables, forward: Products) -> Products:
    """Return how the adjoints come from each other: those of targets before those of sources.

    A product d += m a b gives the adjoint of a the term m d̄ b, and that of b the term m d̄ a.
    """
    n_moments = tables.n_moments
    rank = np.full(n_moments + 1, -1, dtype=np.int64)  # of a moment on the way back
    rank[forward.nodes] = np.arange(len(forward.nodes))
    nodes = np.argsort(-rank[:-1], kind='stable')
    rank[nodes] = np.arange(n_moments)
    rank[n_moments] = n_moments  # the moment that is 1: no one asks for its adjoint

    targets = np.repeat(forward.nodes, np.diff(forward.first))
    a, b = forward.sources.T
    terms = np.concatenate([np.stack([a, targets, b], 1), np.stack([b, targets, a], 1)])
    terms = np.concatenate([rank[terms[:, :1]], terms], axis=1).astype(np.int64)
    terms, row = np.unique(terms, axis=0, return_inverse=True)  # a product a a is one term
    factors = np.zeros(len(terms))
    np.add.at(factors, row.reshape(-1), np.tile(forward.factors, 2))
    first = np.searchsorted(terms[:, 0], np.arange(n_moments + 1))
    return Products(
        nodes=nodes.astype(np.uint32),
        first=first.astype(np.int64),
        factors=factors,
        sources=np.ascontiguousarray(terms[:, 2:]).astype(np.uint32),
    )
