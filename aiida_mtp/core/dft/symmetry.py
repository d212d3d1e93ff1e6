"""Symmetry that saves k points: kept in relaxations, and found by codes that look at the origin.

Codes such as GPAW use only operations that leave the origin where it is. Which these are depends
on where the origin lies, and nothing else does: a structure is shifted to where there are most.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

    from aiida_mtp.core._typing import Floats, Ints

TOLERANCE = 1e-4
"""Distance within which an operation is one of a structure that is computed as it is, Å.

Forces change by 0.002 eV/Å over such a distance.
"""


def keep_symmetry(atoms: Atoms, tolerance: float) -> None:
    """Make the symmetry exact that the structure has within the tolerance, and constrain to it.

    Atoms of one element with different initial moments are not the same.
    """
    if not tolerance:
        return
    from ase.constraints import FixSymmetry
    from ase.spacegroup.symmetrize import check_symmetry

    twin = atoms.copy()  # type: ignore[no-untyped-call]
    twin.numbers = _kinds(atoms)
    dataset = check_symmetry(twin, symprec=tolerance)  # type: ignore[no-untyped-call]
    if dataset is not None and len(dataset.rotations) > 1:
        symmetry = FixSymmetry(twin, symprec=tolerance)  # type: ignore[no-untyped-call]
        atoms.cell[:] = twin.cell  # which it has made exact
        atoms.set_positions(twin.positions)  # type: ignore[no-untyped-call]
        atoms.set_constraint(symmetry)  # type: ignore[no-untyped-call]


def _kinds(atoms: Atoms) -> Ints:
    """Return a number for each atom, the same for equal elements with equal initial moments."""
    moments = atoms.get_initial_magnetic_moments()  # type: ignore[no-untyped-call]
    pairs = np.stack([atoms.numbers, np.round(moments, 3)], axis=1)
    kinds = np.unique(pairs, axis=0, return_inverse=True)[1]
    return 1 + np.asarray(kinds, dtype=np.int64).reshape(-1)


def symmetric_origin(atoms: Atoms) -> Floats:
    """Return the point that most operations of the structure leave where it is, shape (3,), Å.

    It is an atom, or halfway between two: where any operation has a fixed point, atoms that it
    exchanges have it between them.
    """
    from ase.spacegroup.symmetrize import check_symmetry

    found = check_symmetry(atoms, symprec=TOLERANCE)  # type: ignore[no-untyped-call]
    if found is None or len(found.rotations) == 1:
        return np.zeros(3)
    fractions = np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T
    pairs = [a + b for a, b in combinations_with_replacement(fractions, 2)]
    halves = np.array(list(product((0.0, 0.5), repeat=3)))
    points = (0.5 * np.array(pairs)[:, None] + halves).reshape(-1, 3)
    moved = np.einsum('sij,pj->psi', found.rotations, points) + found.translations
    shifts = moved - points[:, None]
    shifts = (shifts - np.rint(shifts)) @ atoms.cell.array
    n_fixed = (np.linalg.norm(shifts, axis=2) < TOLERANCE).sum(axis=1)
    origin: Floats = points[int(n_fixed.argmax())] @ atoms.cell.array
    return origin
