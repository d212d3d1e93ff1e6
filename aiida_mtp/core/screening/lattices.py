"""Derivative structures: all orderings of elements on a lattice, in all small cells."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

IDEAL = (8 / 3) ** 0.5  # c/a of touching spheres


def primitive_cell(parent: str) -> Atoms:
    """Return the primitive cell of fcc, bcc or hcp (ideal c/a)."""
    from ase.build import bulk

    return bulk('X', parent, a=1.0, c=IDEAL if parent == 'hcp' else None)


def derivative_structures(parent: str, max_atoms: int, elements: Sequence[str]) -> StructureBatch:
    """Return every ordering of up to all of these elements, each once, in every cell.

    The id of the ``i``-th ordering of cells of ``n`` atoms is ``fcc-n-i:Formula``. It depends on
    the set of elements, neither on their order nor on `max_atoms`.

    Parameters
    ----------
    parent
        ``fcc``, ``bcc`` or ``hcp``.
    max_atoms
        Atoms in the largest cells. The elements alone, if the primitive cell is larger.
    elements
        Chemical symbols.

    Returns
    -------
    StructureBatch
        In compact cells, at a nearest-neighbour distance without meaning.

    Notes
    -----
    Enumerated by icet: Hart & Forcade, Phys. Rev. B 77, 224115 (2008); 80, 014120 (2009).
    """
    from ase.data import atomic_numbers
    from icet.tools import enumerate_structures

    prim = primitive_cell(parent)
    elements = sorted(elements)
    lookup = np.zeros(len(atomic_numbers), dtype=np.int16)
    lookup[[atomic_numbers[symbol] for symbol in elements]] = np.arange(len(elements))
    largest = max_atoms // len(prim) if len(elements) > 1 else 1  # an element has one ordering
    sizes = range(1, max(1, largest) + 1)
    numbers, positions, cells = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)  # of spglib, which icet asks
        for atoms in enumerate_structures(prim, sizes, elements):
            numbers.append(atoms.numbers)
            positions.append(atoms.positions)
            cells.append(atoms.cell.array)
    types = [lookup[one] for one in numbers]
    batch = StructureBatch.build(elements, types, positions, np.array(cells))
    if max_atoms < len(prim):
        batch = batch.take(np.count_nonzero(batch.compositions, axis=1) == 1)
    n_atoms = batch.n_atoms
    first = np.searchsorted(n_atoms, n_atoms)  # the sizes come in ascending order
    index = np.arange(len(batch)) - first + 1
    rows = zip(n_atoms, index, batch.formulas, strict=True)
    ids = np.array([f'{parent}-{n}-{i}:{formula}' for n, i, formula in rows], dtype=object)
    origins = np.full(len(batch), f'derivative structure of {parent}', dtype=object)
    return batch.replaced(ids=ids, origins=origins)
