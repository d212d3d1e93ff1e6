"""A potential and the work space of a thread, as the kernels want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.neighbors import Shell, make_shell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.potential.tables import MtpTables

    Indices = NDArray[np.uint32]

CAPACITY = 160  # neighbours a workspace first has room for; it grows when a structure has more


class KernelArguments(NamedTuple):
    """A potential as the kernels want it.

    Parameters
    ----------
    radial_coeffs
        shape (n_species, n_species, n_radial, basis_size).
    species_coeffs, moment_coeffs
        shape (n_species,), (n_scalar,), eV.
    monomials
        shape (n_angular, 2): each angular monomial u^abc is an earlier one times a component of u.
        The first is 1.
    basic_of
        shape (n_angular, n_radial): the basic moment of a monomial and a μ, −1 if there is none.
    targets, first_product
        shape (n_targets,), (n_targets + 1,): the moments that are products, in an order in which
        they can be computed, and where the products begin that add up to one.
    factors, sources
        shape (n_products,), (n_products, 2): the number and the two moments of a product.
    mapping
        `MtpTables.alpha_moment_mapping`.
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
    monomials: Indices
    basic_of: Ints
    targets: Indices
    first_product: Ints
    factors: Floats
    sources: Indices
    mapping: Indices
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
    unit
        shape (3, capacity): components of u.
    phi, dphi
        shape (basis_size, capacity): radial basis and derivatives.
    f, df, s
        shape (n_radial, capacity): f_μ, f'_μ, S_μ.
    monomials, weights
        shape (n_angular, capacity): u^abc, ∂E_i/∂u^abc.
    slopes
        shape (4, capacity): ∂E_i/∂u by the monomials, ∂E_i/∂r by the radial functions.
    gradient
        shape (3, capacity): ∂E_i/∂r_ij, eV/Å.
    moments, adjoints
        shape (n_moments,): M and ∂E_i/∂M.
    """

    shell: Shell
    inverse: Floats
    unit: Floats
    phi: Floats
    dphi: Floats
    f: Floats
    df: Floats
    s: Floats
    monomials: Floats
    weights: Floats
    slopes: Floats
    gradient: Floats
    moments: Floats
    adjoints: Floats


def kernel_arguments(model: MtpModel) -> KernelArguments:
    """Return a potential in the form of the kernels.

    Indices are unsigned: for signed ones the compiled code would ask whether they are negative.
    """
    monomials, basic_of = _monomials(model.tables)
    targets, first_product, products = _products(model.tables)
    return KernelArguments(
        radial_coeffs=np.ascontiguousarray(model.radial_coeffs),
        species_coeffs=np.ascontiguousarray(model.species_coeffs),
        moment_coeffs=np.ascontiguousarray(model.moment_coeffs),
        monomials=monomials.astype(np.uint32),
        basic_of=basic_of,
        targets=targets.astype(np.uint32),
        first_product=first_product,
        factors=products[:, 2].astype(np.float64),
        sources=products[:, :2].astype(np.uint32),
        mapping=model.tables.alpha_moment_mapping.astype(np.uint32),
        n_moments=int(model.tables.n_moments),
        min_dist=float(model.min_dist),
        max_dist=float(model.max_dist),
        scaling=float(model.scaling),
    )


def _monomials(tables: MtpTables) -> tuple[Ints, Ints]:
    """Return all monomials that are needed, as products of earlier ones, and `basic_of`."""
    powers = {(0, 0, 0)}
    for row in tables.alpha_index_basic[:, 1:].tolist():
        while tuple(row) not in powers:
            powers.add(tuple(row))
            row[_axis(row)] -= 1
    ordered = sorted(powers, key=lambda row: (sum(row), row))
    index_of = {row: index for index, row in enumerate(ordered)}
    monomials = np.zeros((len(ordered), 2), dtype=np.int64)
    for index, row in enumerate(ordered[1:], start=1):
        axis = _axis(row)
        a, b, c = (power - (k == axis) for k, power in enumerate(row))
        monomials[index] = index_of[a, b, c], axis
    basic_of = np.full((len(ordered), tables.n_radial), -1, dtype=np.int64)
    for basic, (mu, *row) in enumerate(tables.alpha_index_basic.tolist()):
        basic_of[index_of[tuple(row)], mu] = basic
    return monomials, basic_of


def _axis(powers: Sequence[int]) -> int:
    """Return the component of u that is split off a monomial: the one of the highest power."""
    return max(range(3), key=lambda k: powers[k])


def _products(tables: MtpTables) -> tuple[Ints, Ints, Ints]:
    """Return `targets`, `first_product`, and (a, b, factor) with the products of a target together.

    A target is computed where its last product stood: all it needs is there, and no one used it.
    """
    times = tables.alpha_index_times
    last = np.zeros(tables.n_moments, dtype=np.int64)
    last[times[:, 3]] = np.arange(len(times))
    ordered = times[np.argsort(last[times[:, 3]], kind='stable')]
    starts = np.flatnonzero(np.diff(ordered[:, 3], prepend=-1))
    return ordered[starts, 3], np.append(starts, len(times)).astype(np.int64), ordered[:, :3]


@njit
def make_workspace(potential: KernelArguments, capacity: int) -> Workspace:
    """Return work space for one thread and sites of up to `capacity` neighbours."""
    _, _, n_radial, size = potential.radial_coeffs.shape
    return Workspace(
        make_shell(capacity),
        np.zeros((3, 3)),
        np.zeros((3, capacity)),
        np.zeros((size, capacity)),
        np.zeros((size, capacity)),
        np.zeros((n_radial, capacity)),
        np.zeros((n_radial, capacity)),
        np.zeros((n_radial, capacity)),
        np.ones((len(potential.monomials), capacity)),
        np.zeros((len(potential.monomials), capacity)),
        np.zeros((4, capacity)),
        np.zeros((3, capacity)),
        np.zeros(potential.n_moments),
        np.zeros(potential.n_moments),
    )
