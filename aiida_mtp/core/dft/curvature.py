"""The curvature that a relaxation starts from, in the coordinates of ASE."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.neighbors import make_shell
from aiida_mtp.core.relax.hessian import spring_hessian

if TYPE_CHECKING:
    from ase.filters import FrechetCellFilter

    from aiida_mtp.core._typing import Floats

_CAPACITY = 500  # of the neighbours within reach of a spring; in fcc there are 42


def spring_curvature(relaxed: FrechetCellFilter) -> Floats:
    """Return the Hessian of springs between neighbours, for an optimiser to start from.

    It knows how stiff the cell is beside the atoms in it, which a multiple of the unit matrix does
    not, and has the symmetry of the structure.

    Returns
    -------
    array
        shape (3 n_atoms + 9, 3 n_atoms + 9), eV/Å², in the coordinates of the filter.
    """
    atoms = relaxed.atoms
    n_atoms, cell = len(atoms), atoms.cell.array.copy()
    size = 3 * n_atoms + 9
    hessian = np.zeros((size, size))
    shell = make_shell(_CAPACITY)
    spring_hessian(atoms.positions.copy(), cell, np.linalg.inv(cell), math.inf, shell, hessian)
    # of the deformation ASE has the columns where we have the rows, and in other units
    order = np.arange(size)
    order[-9:] = order[-9:].reshape(3, 3).T.ravel()
    units = np.ones(size)
    units[-9:] = 1.0 / relaxed.exp_cell_factor
    curvature: Floats = hessian[np.ix_(order, order)] * np.outer(units, units)
    return curvature
