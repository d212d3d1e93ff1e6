"""What spglib says of a crystal."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Types

SYMPREC = 0.02  # Å: how far a relaxation leaves atoms from where symmetry wants them


class Symmetry(NamedTuple):
    """A space group, the lattice parameters of its conventional cell, and a primitive cell."""

    number: int
    symbol: str
    lengths: Floats
    angles: Floats
    cell: Floats
    positions: Floats
    types: Types


def space_group_of(cell: Floats, positions: Floats, types: Types, tolerance: float) -> str:
    """Return the Hermann-Mauguin symbol and the number of a crystal; '' where spglib finds none.

    The arguments are those of `symmetry_of`, which takes twice as long.
    """
    import spglib

    crystal: Any = (cell, positions @ np.linalg.inv(cell), types)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)  # of the way it reports errors
        try:
            return str(spglib.get_spacegroup(crystal, symprec=tolerance) or '')
        except getattr(spglib, 'SpglibError', ()):
            return ''


def symmetry_of(cell: Floats, positions: Floats, types: Types, tolerance: float) -> Symmetry | None:
    """Return the symmetry of a crystal, or nothing where spglib finds none.

    Parameters
    ----------
    cell
        shape (3, 3).
    positions
        shape (n_atoms, 3), Cartesian.
    types
        shape (n_atoms,).
    tolerance
        How far atoms may be from where symmetry wants them, in the unit of the cell.

    Notes
    -----
    The primitive cell has its vectors and positions from the crystal itself, not idealised.
    """
    import spglib

    crystal: Any = (cell, positions @ np.linalg.inv(cell), types)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)  # of the way it reports errors
        try:
            dataset = spglib.get_symmetry_dataset(crystal, symprec=tolerance)
            primitive = spglib.standardize_cell(
                crystal, to_primitive=True, no_idealize=True, symprec=tolerance
            )
        except getattr(spglib, 'SpglibError', ()):
            return None
    if dataset is None or primitive is None:
        return None
    vectors, scaled, numbers = primitive
    return Symmetry(
        int(dataset.number),
        str(dataset.international),
        *_lattice_parameters(np.asarray(dataset.std_lattice)),
        np.asarray(vectors),
        np.asarray(scaled) @ vectors,
        np.asarray(numbers, dtype=np.int16),
    )


def _lattice_parameters(cell: Floats) -> tuple[Floats, Floats]:
    """Return lengths, and angles in degrees, of vectors in rows."""
    lengths = np.linalg.norm(cell, axis=1)
    units = cell / lengths[:, None]
    cosines = np.einsum('ix,ix->i', np.roll(units, -1, axis=0), np.roll(units, -2, axis=0))
    angles: Floats = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return lengths, angles
