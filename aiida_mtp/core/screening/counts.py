"""How many derivative structures a lattice has, without enumerating them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida_mtp.core._typing import Ints


def count_derivatives(parent: str, n_cells: int, n_elements: int) -> int:
    """Return how many orderings there are in cells of one size.

    Counted by Burnside's lemma over translations and the operations of the point group. Orderings
    that have a smaller cell count as well: less than one in ten where there are thousands.

    Parameters
    ----------
    parent
        ``fcc``, ``bcc`` or ``hcp``.
    n_cells
        Primitive cells of the lattice in the cell of an ordering.

    Notes
    -----
    Hart & Forcade, Phys. Rev. B 77, 224115 (2008), enumerate what is counted here.
    """
    rotations, shifts, images = _operations(parent)
    total = 0
    for cell in _superlattices(n_cells):
        inverse = np.linalg.inv(cell)
        sites = np.array(list(np.ndindex(*np.diag(cell))))
        for rotation, shift, image in zip(rotations, shifts, images, strict=True):
            moved = cell @ rotation.T @ inverse
            if not np.allclose(moved, np.round(moved), atol=1e-6):
                continue  # another superlattice
            for translation in sites:
                to = sites @ rotation.T + translation
                rows = [
                    _index(to + cells, cell) * len(image) + site
                    for cells, site in zip(shift, image, strict=True)
                ]
                total += n_elements ** _n_cycles(np.stack(rows, axis=1).ravel())
    return total // (len(rotations) * n_cells)


def _operations(parent: str) -> tuple[Ints, Ints, Ints]:
    """Return the operations of a lattice in fractions of its primitive cell.

    Returns
    -------
    rotations
        shape (n_operations, 3, 3).
    shifts, images
        shapes (n_operations, n_sites, 3) and (n_operations, n_sites): the cell and the site that
        each site of the primitive cell goes to.
    """
    import spglib
    from ase.build import bulk

    prim = bulk('X', parent, a=1.0)
    points = prim.cell.scaled_positions(prim.positions)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)  # of the way it reports errors
        symmetry: Any = spglib.get_symmetry((prim.cell.array, points, prim.numbers))
    shifts, images = [], []
    for rotation, translation in zip(symmetry['rotations'], symmetry['translations'], strict=True):
        offset = (points @ rotation.T + translation)[:, None] - points[None]
        is_image = np.abs(offset - np.round(offset)).max(axis=2) < 1e-5
        image = is_image.argmax(axis=1)
        images.append(image)
        shifts.append(np.round(offset[np.arange(len(points)), image]).astype(np.int64))
    return symmetry['rotations'].astype(np.int64), np.array(shifts), np.array(images)


def _superlattices(index: int) -> Iterator[Ints]:
    """Yield each superlattice of an index, its vectors as the rows of a Hermite normal form."""
    divisors = [d for d in range(1, index + 1) if index % d == 0]
    for a in divisors:
        for d in (d for d in divisors if (index // a) % d == 0):
            f = index // (a * d)
            for b, c, e in np.ndindex(d, f, f):
                yield np.array([[a, b, c], [0, d, e], [0, 0, f]])


def _index(points: Ints, cell: Ints) -> Ints:
    """Return the number of each point within the cell."""
    inside = points.copy()
    for axis in range(3):
        inside -= np.floor_divide(inside[:, axis], cell[axis, axis])[:, None] * cell[axis]
    numbers: Ints = np.ravel_multi_index(tuple(inside.T), tuple(np.diag(cell)))
    return numbers


def _n_cycles(permutation: Ints) -> int:
    to = permutation.tolist()
    seen = [False] * len(to)
    found = 0
    for start in range(len(to)):
        if seen[start]:
            continue
        found += 1
        here = start
        while not seen[here]:
            seen[here] = True
            here = to[here]
    return found
