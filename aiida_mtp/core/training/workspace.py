"""What the kernels of training work on: the basis, the structures, and room for one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel


class Basis(NamedTuple):
    """The part of a potential that training leaves alone.

    Parameters
    ----------
    powers
        shape (n_angular, 3): the distinct angular monomials, by rank.
    n_rows
        shape (n_radial,): how many of them, from the first, a radial function is multiplied with.
    basic_of
        shape (n_radial, n_angular): their basic moment, −1 if there is none.
    times, mapping
        `MtpTables.alpha_index_times`, `MtpTables.alpha_moment_mapping`.
    n_moments
        Number of moments.
    min_dist, max_dist
        Å.
    scaling
        Factor of all radial functions.
    """

    powers: Ints
    n_rows: Ints
    basic_of: Ints
    times: Ints
    mapping: Ints
    n_moments: int
    min_dist: float
    max_dist: float
    scaling: float


class Structures(NamedTuple):
    """Labelled structures as the kernels want them.

    The labels of structure ``s`` are the rows ``first_row[s]:first_row[s + 1]``: its energy, the
    derivatives of the energy with respect to the positions, and to the strain.

    Parameters
    ----------
    first_atom
        shape (n_structures + 1,).
    types
        shape (n_atoms,), in the species of the potential.
    first, neighbor, r_ij
        The `Neighbors` of all atoms.
    first_row
        shape (n_structures + 1,).
    targets
        shape (n_rows,), eV and Å; 0 where there is no label.
    root_weights
        shape (n_rows,): roots of the weights of the squared residuals in the loss; 0 where there
        is no label.
    """

    first_atom: Ints
    types: Ints
    first: Ints
    neighbor: Ints
    r_ij: Floats
    first_row: Ints
    targets: Floats
    root_weights: Floats


class Workspace(NamedTuple):
    """What one thread needs for one structure after the other; `n_labels` counts no energy.

    Parameters
    ----------
    phi, dphi
        shape (n_neighbors, basis_size): radial basis and derivatives.
    monomial
        shape (n_neighbors, 4, n_angular): u^b, and its tangential derivative times r.
    projected
        shape (n_species, n_angular, basis_size): P.
    slopes
        shape (n_atoms + 2, 3, n_radial, n_angular): ∂M_b/∂r of each atom and, last, of the strain.
    moments, adjoints
        shape (n_moments,): M and ∂E_i/∂M.
    moment_slopes, adjoint_slopes
        shape (n_moments, n_labels): their derivatives.
    pair
        shape (4, n_radial): f, f', and others of one neighbour.
    """

    phi: Floats
    dphi: Floats
    monomial: Floats
    projected: Floats
    slopes: Floats
    moments: Floats
    adjoints: Floats
    moment_slopes: Floats
    adjoint_slopes: Floats
    pair: Floats


def basis_of(model: MtpModel) -> Basis:
    """Return the basis of a potential in the form of the kernels."""
    basics = model.tables.alpha_index_basic
    powers = np.unique(basics[:, 1:], axis=0)
    powers = powers[np.argsort(powers.sum(axis=1), kind='stable')]
    row_of = {tuple(power): row for row, power in enumerate(powers)}
    basic_of = np.full((model.tables.n_radial, len(powers)), -1, dtype=np.int64)
    for index, (mu, *power) in enumerate(basics):
        basic_of[mu, row_of[tuple(power)]] = index
    n_rows = [1 + max(np.flatnonzero(row >= 0), default=-1) for row in basic_of]
    return Basis(
        powers=np.ascontiguousarray(powers),
        n_rows=np.array(n_rows, dtype=np.int64),
        basic_of=basic_of,
        times=np.ascontiguousarray(model.tables.alpha_index_times),
        mapping=np.ascontiguousarray(model.tables.alpha_moment_mapping),
        n_moments=int(model.tables.n_moments),
        min_dist=float(model.min_dist),
        max_dist=float(model.max_dist),
        scaling=float(model.scaling),
    )


@njit
def make_workspace(basis: Basis, radial: Floats, n_neighbors: int, n_atoms: int) -> Workspace:
    """Return work space for structures and sites of at most this size."""
    n_species, _, n_radial, size = radial.shape
    n_angular = len(basis.powers)
    n_labels = 3 * n_atoms + 6
    return Workspace(
        np.zeros((n_neighbors, size)),
        np.zeros((n_neighbors, size)),
        np.zeros((n_neighbors, 4, n_angular)),
        np.zeros((n_species, n_angular, size)),
        np.zeros((n_atoms + 2, 3, n_radial, n_angular)),
        np.zeros(basis.n_moments),
        np.zeros(basis.n_moments),
        np.zeros((basis.n_moments, n_labels)),
        np.zeros((basis.n_moments, n_labels)),
        np.zeros((5, n_radial)),
    )
