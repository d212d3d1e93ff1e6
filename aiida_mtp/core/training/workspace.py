"""What the kernels of training work on: the basis, the structures, and room for one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.potential.arguments import Plan, make_plan
from aiida_mtp.core.potential.workspace import LANES

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel


class Basis(NamedTuple):
    """The part of a potential that training leaves alone.

    Parameters
    ----------
    plan
        Which angular monomials there are, and how moments come from each other.
    min_dist, max_dist
        Å.
    scaling
        Factor of all radial functions.
    """

    plan: Plan
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
    slot_of, rows
        shape (n_atoms,), (≥ n_labels,): of a site, the place of each atom among those around it,
        −1 if it is none; the rows of the labels it has a part in.
    slopes
        shape (n_atoms + 2, 3, n_radial, n_angular): ∂M_b/∂r of the atoms around
        and, last, of the strain.
    basic_slopes
        shape (n_radial, n_angular, ≥ n_labels): the same, by label.
    moments, adjoints
        shape (n_moments, LANES): M and ∂E_i/∂M, in the first lane.
    seeds
        shape (n_nodes,): what the way back starts from.
    moment_slopes, adjoint_slopes
        shape (n_moments, LANES): their derivatives by as many labels as there are lanes.
    """

    phi: Floats
    dphi: Floats
    monomial: Floats
    projected: Floats
    slot_of: Ints
    rows: Ints
    slopes: Floats
    basic_slopes: Floats
    moments: Floats
    adjoints: Floats
    seeds: Floats
    moment_slopes: Floats
    adjoint_slopes: Floats


def basis_of(model: MtpModel) -> Basis:
    """Return the basis of a potential in the form of the kernels."""
    return Basis(
        plan=make_plan(model.tables),
        min_dist=float(model.min_dist),
        max_dist=float(model.max_dist),
        scaling=float(model.scaling),
    )


@njit
def make_workspace(basis: Basis, radial: Floats, n_neighbors: int, n_atoms: int) -> Workspace:
    """Return work space for structures and sites of at most this size."""
    n_species, _, n_radial, size = radial.shape
    n_angular, n_moments = len(basis.plan.monomials), basis.plan.n_moments
    n_labels = 3 * n_atoms + 6
    moments = np.zeros((n_moments, LANES))
    moments[-2] = 1.0
    return Workspace(
        np.zeros((n_neighbors, size)),
        np.zeros((n_neighbors, size)),
        np.zeros((n_neighbors, 4, n_angular)),
        np.zeros((n_species, n_angular, size)),
        np.zeros(n_atoms, np.int64),
        np.zeros(n_labels + LANES, np.int64),
        np.zeros((n_atoms + 2, 3, n_radial, n_angular)),
        np.zeros((n_radial, n_angular, n_labels + LANES)),
        moments,
        np.zeros((n_moments, LANES)),
        np.zeros(len(basis.plan.backward.nodes)),
        np.zeros((n_moments, LANES)),
        np.zeros((n_moments, LANES)),
    )
