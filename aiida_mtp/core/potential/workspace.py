"""A potential and the work space of a thread, as the kernels want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.neighbors import Shell, make_shell

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
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
