"""Energies of structures and their derivatives, compiled.

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
    prepare_shell,
    radial_basis,
    radial_functions,
    site_gradient,
)
from aiida_mtp.core.potential.workspace import LANES, padded, shell_of

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types
    from aiida_mtp.core.potential.arguments import KernelArguments
    from aiida_mtp.core.potential.workspace import Workspace


@njit
def evaluate_structure(
    positions: Floats,
    cell: Floats,
    types: Types,
    potential: KernelArguments,
    work: Workspace,
    site_energies: Floats,
    forces: Floats,
    stress: Floats,
    gradients: Floats,
) -> tuple[int, float]:
    """Evaluate one structure. Allocates nothing.

    Parameters
    ----------
    positions, cell
        shape (n_atoms, 3), (3, 3), Å.
    types
        shape (n_atoms,), in the potential's species.
    site_energies
        shape (n_atoms,), written, eV: what cannot be evaluated, for its neighbours cannot be
        searched (`find_neighbors`), is NaN, here and in all that follows.
    forces
        shape (n_atoms, 3), written, eV/Å.
    stress
        shape (6,), written, ASE's sign and order, eV/Å³.
    gradients
        Written: shape (1, n_parameters) for dE/dθ, (n_atoms, n_parameters) for dE_i/dθ of each
        atom, (0, n_parameters) for neither.

    Returns
    -------
    n_neighbors
        0, or the number of neighbours of an atom for which the workspace has no room: then nothing
        is right, call again with a larger one.
    min_dist
        Smallest distance between two atoms, Å; infinite if none is within the cutoff.
    """
    forces[:] = 0.0
    stress[:] = 0.0
    gradients[:] = 0.0
    n_atoms, closest, n_rows = len(positions), np.inf, len(gradients)
    volume = abs(invert_cell(cell, work.inverse))
    for first in range(0, n_atoms, LANES):
        width = min(LANES, n_atoms - first)
        n = _evaluate_sites(first, width, positions, cell, types, potential, work)
        if n > work.shells.r.shape[1]:
            return n, closest
        for lane in range(width):
            atom = first + lane
            site_energies[atom] = work.energies[lane]
            for j in range(work.counts[lane]):
                closest = min(closest, work.shells.r[lane, j])
            site_gradient(lane, potential, work)
            _scatter(atom, lane, work, forces, stress)
            if n_rows:
                row = gradients[atom if n_rows == n_atoms else 0]
                _add_parameter_gradient(lane, types[atom], potential, work, row)
    stress /= volume
    if np.isnan(np.sum(site_energies)):
        forces[:] = np.nan
        stress[:] = np.nan
    return 0, closest


@njit
def _evaluate_sites(
    first: int,
    width: int,
    positions: Floats,
    cell: Floats,
    types: Types,
    potential: KernelArguments,
    work: Workspace,
) -> int:
    """Write neighbours, energies and adjoints of the atoms from `first` on, each in its lane.

    Returns
    -------
    int
        Largest number of neighbours; more than there is room for: nothing is right.
    """
    most = 0
    for lane in range(width):
        kind, cutoff = types[first + lane], potential.max_dist
        n = find_neighbors(
            first + lane, positions, cell, work.inverse, cutoff, shell_of(work, lane)
        )
        most = max(most, n)
        work.counts[lane] = n
        if not 0 <= n <= work.shells.r.shape[1]:
            work.counts[lane] = 0
            work.moments[:-2, lane] = np.nan
            continue
        prepare_shell(lane, types, potential, work)
        radial_basis(lane, potential, work)
        radial_functions(lane, kind, potential, work)
        basic_moments(lane, potential, work)
    contract(potential, work)
    for lane in range(width):
        work.energies[lane] += potential.species_coeffs[types[first + lane]]
    return most


@njit_fast
def _scatter(atom: int, lane: int, work: Workspace, forces: Floats, virial: Floats) -> None:
    """Add what one atom contributes to forces and to V·σ."""
    shells, gradient = work.shells, work.gradient
    index, x, y, z = shells.index[lane], shells.x[lane], shells.y[lane], shells.z[lane]
    for j in range(work.counts[lane]):
        gx, gy, gz = gradient[0, j], gradient[1, j], gradient[2, j]
        other = index[j]
        forces[atom, 0] += gx
        forces[atom, 1] += gy
        forces[atom, 2] += gz
        forces[other, 0] -= gx
        forces[other, 1] -= gy
        forces[other, 2] -= gz
        virial[0] += gx * x[j]
        virial[1] += gy * y[j]
        virial[2] += gz * z[j]
        virial[3] += gy * z[j]
        virial[4] += gx * z[j]
        virial[5] += gx * y[j]


@njit_fast
def _add_parameter_gradient(
    lane: int, kind: int, potential: KernelArguments, work: Workspace, total: Floats
) -> None:
    """Add ∂E_i/∂θ to `total`, shape (n_parameters,), in MLIP's order."""
    n_species, _, n_radial, size = potential.radial_coeffs.shape
    mapping, n, phi = potential.plan.mapping, padded(work.counts[lane]), work.phi[lane]
    own = work.gradient[0]
    for other in range(n_species):
        if not work.has_kind[lane, other]:
            continue
        is_other = work.is_kind[lane, other]
        for mu in range(n_radial):
            offset = ((kind * n_species + other) * n_radial + mu) * size
            for j in range(n):
                own[j] = is_other[j] * work.s[mu, j]
            for k in range(size):
                change = 0.0
                for j in range(n):
                    change += phi[k, j] * own[j]
                total[offset + k] += change
    species = n_species * n_species * n_radial * size
    total[species + kind] += 1.0
    first = species + n_species
    for s in range(len(mapping)):
        total[first + s] += work.moments[mapping[s], lane]
