"""Energies of sites and structures and their derivatives, compiled.

The formulas stand in `aiida_mtp.core.potential.moments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit, njit_fast
from aiida_mtp.core.neighbors import find_neighbors, invert_cell
from aiida_mtp.core.potential.moments import (
    basic_moments,
    contract,
    radial_basis,
    radial_functions,
    site_gradient,
    unit_vectors,
)
from aiida_mtp.core.potential.workspace import (
    CAPACITY,
    KernelArguments,
    Workspace,
    kernel_arguments,
    make_workspace,
)

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types

__all__ = [
    'CAPACITY',
    'KernelArguments',
    'Workspace',
    'add_parameter_gradient',
    'basic_moments',
    'contract',
    'evaluate_site',
    'evaluate_structure',
    'kernel_arguments',
    'make_workspace',
    'radial_basis',
    'radial_functions',
    'scatter',
    'site_gradient',
    'unit_vectors',
]


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
    neighbours than the workspace has room for, nothing but their number is right. Where neighbours
    cannot be searched (`find_neighbors`) the energy is NaN. Allocates nothing.
    """
    n = find_neighbors(centre, positions, cell, work.inverse, potential.max_dist, work.shell)
    if n > len(work.shell.r):
        return n, np.nan
    if n < 0:
        work.moments[:] = np.nan  # and with them dE/dθ
        return 0, np.nan
    kind = types[centre]
    radial_basis(n, potential, work)
    radial_functions(n, kind, types, potential, work)
    unit_vectors(n, work)
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
    if np.isnan(energy):
        forces[:] = np.nan
        stress[:] = np.nan
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
