"""Room for one thread to evaluate structures in, some atoms at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.neighbors import Shell

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.potential.arguments import KernelArguments

LANES = 8  # atoms whose moments are computed together: the doubles of a vector of 512 bits
CAPACITY = 160  # neighbours a workspace first has room for; it grows when a structure has more


class Workspace(NamedTuple):
    """What one thread needs to evaluate some atoms, one in each lane.

    The capacity is a multiple of `LANES`, so that the neighbours can be padded to one.

    Parameters
    ----------
    shells
        The neighbours of each lane, arrays of shape (LANES, capacity).
    counts
        shape (LANES,): their number.
    inverse
        shape (3, 3): inverse of the cell.
    unit
        shape (LANES, 3, capacity): components of u.
    is_kind
        shape (LANES, n_species, capacity): 1 for neighbours of a species, 0 for others.
    has_kind
        shape (LANES, n_species): whether there are any.
    phi
        shape (LANES, basis_size, capacity): radial basis.
    dphi
        shape (basis_size, capacity): its derivatives, of one lane at a time.
    f, df
        shape (LANES, n_radial, capacity): f_μ, f'_μ.
    monomials
        shape (LANES, ≥ n_angular, capacity): u^abc.
    moments, adjoints
        shape (n_moments, LANES): M and ∂E_i/∂M.
    energies
        shape (LANES,): E_i, eV.
    s, weights, slopes, gradient
        shapes (n_radial, capacity), (n_angular, capacity), (4, capacity), (3, capacity), of one
        lane at a time: S_μ; ∂E_i/∂u^abc; ∂E_i/∂u by the monomials, ∂E_i/∂r by the radial functions;
        ∂E_i/∂r_ij, eV/Å.
    """

    shells: Shell
    counts: Ints
    inverse: Floats
    unit: Floats
    is_kind: Floats
    has_kind: Bools
    phi: Floats
    dphi: Floats
    f: Floats
    df: Floats
    monomials: Floats
    moments: Floats
    adjoints: Floats
    energies: Floats
    s: Floats
    weights: Floats
    slopes: Floats
    gradient: Floats


@njit
def make_workspace(potential: KernelArguments, capacity: int) -> Workspace:
    """Return work space for one thread and atoms of up to `capacity` neighbours, or a few more."""
    n_species, _, n_radial, size = potential.radial_coeffs.shape
    capacity = padded(capacity)
    n_angular = potential.plan.basic_of.shape[1]  # and some more, for the last block
    moments = np.zeros((potential.plan.n_moments, LANES))
    moments[-2] = 1.0
    return Workspace(
        Shell(
            np.zeros((LANES, capacity), np.int64),
            np.zeros((LANES, capacity)),
            np.zeros((LANES, capacity)),
            np.zeros((LANES, capacity)),
            np.ones((LANES, capacity)),
        ),
        np.zeros(LANES, np.int64),
        np.zeros((3, 3)),
        np.zeros((LANES, 3, capacity)),
        np.zeros((LANES, n_species, capacity)),
        np.zeros((LANES, n_species), np.bool_),
        np.zeros((LANES, size, capacity)),
        np.zeros((size, capacity)),
        np.zeros((LANES, n_radial, capacity)),
        np.zeros((LANES, n_radial, capacity)),
        np.ones((LANES, n_angular, capacity)),
        moments,
        np.zeros((potential.plan.n_moments, LANES)),
        np.zeros(LANES),
        np.zeros((n_radial, capacity)),
        np.zeros((n_angular, capacity)),
        np.zeros((4, capacity)),
        np.zeros((3, capacity)),
    )


@njit
def padded(n: int) -> int:
    """Return the next multiple of `LANES`."""
    return (n + LANES - 1) // LANES * LANES


@njit
def shell_of(work: Workspace, lane: int) -> Shell:
    """Return the neighbours of a lane."""
    shells = work.shells
    return Shell(shells.index[lane], shells.x[lane], shells.y[lane], shells.z[lane], shells.r[lane])
