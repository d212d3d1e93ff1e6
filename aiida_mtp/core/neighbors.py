"""Neighbours in periodic cells of any shape and size.

Along lattice vector k the images at n_k = −m … m are searched, with m = ⌊r_cut/h_k + 1/2⌋ and h_k
the height of the cell. With the fractional difference of two atoms wrapped to [−1/2, 1/2], no image
beyond can be within the cutoff: |f_k + n_k| · h_k is a lower bound of the distance. It holds for
skewed cells, small cells, and atoms that lie outside their cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._numba import njit, njit_parallel, prange
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.structures import StructureBatch

MAX_IMAGES = 1e5  # of the cell that are searched at most; more: it is flat beyond sense


class Shell(NamedTuple):
    """The neighbours of one atom, as a structure of arrays with room for `capacity` of them.

    Parameters
    ----------
    index
        shape (capacity,): the atom of the cell a neighbour is an image of.
    x, y, z, r
        shape (capacity,): vector from the atom to the neighbour and its length, Å.
    """

    index: Ints  # type: ignore[assignment]  # hides a method of tuple
    x: Floats
    y: Floats
    z: Floats
    r: Floats


@njit
def make_shell(capacity: int) -> Shell:
    """Return room for so many neighbours."""
    return Shell(
        np.zeros(capacity, np.int64),
        np.zeros(capacity),
        np.zeros(capacity),
        np.zeros(capacity),
        np.zeros(capacity),
    )


@njit
def invert_cell(cell: Floats, inverse: Floats) -> float:
    """Write the inverse of a 3×3 matrix and return the determinant; allocates nothing."""
    for i in range(3):
        for j in range(3):
            a, b = (j + 1) % 3, (j + 2) % 3
            c, d = (i + 1) % 3, (i + 2) % 3
            inverse[i, j] = cell[a, c] * cell[b, d] - cell[a, d] * cell[b, c]
    det = 0.0
    for j in range(3):
        det += cell[0, j] * inverse[j, 0]
    for i in range(3):
        for j in range(3):
            inverse[i, j] /= det
    return det


@njit
def find_neighbors(
    centre: int, positions: Floats, cell: Floats, inverse: Floats, cutoff: float, shell: Shell
) -> int:
    """Write the neighbours of one atom within the cutoff and return their number.

    Beyond the capacity of the shell they are counted but not written: a larger number than
    ``len(shell.r)`` asks for a larger shell. The number is −1 where no search makes sense: in a
    cell of more than `MAX_IMAGES` images, or among positions that are not finite. Allocates
    nothing.

    Parameters
    ----------
    positions
        shape (n_atoms, 3), Å.
    cell, inverse
        shape (3, 3): lattice vectors as rows, Å; its inverse, whose columns have length 1/height.
    """
    capacity = len(shell.r)
    squared = cutoff * cutoff
    if not count_images(inverse, cutoff) <= MAX_IMAGES:
        return -1
    reach_a, reach_b, reach_c = _reach(inverse, cutoff)
    found = 0
    for j in range(len(positions)):
        x, y, z = _wrapped_difference(centre, j, positions, cell, inverse)
        if not math.isfinite(x + y + z):
            return -1
        for na in range(-reach_a, reach_a + 1):
            xa = x + na * cell[0, 0]
            ya = y + na * cell[0, 1]
            za = z + na * cell[0, 2]
            for nb in range(-reach_b, reach_b + 1):
                xb = xa + nb * cell[1, 0]
                yb = ya + nb * cell[1, 1]
                zb = za + nb * cell[1, 2]
                for nc in range(-reach_c, reach_c + 1):
                    xc = xb + nc * cell[2, 0]
                    yc = yb + nc * cell[2, 1]
                    zc = zb + nc * cell[2, 2]
                    distance = xc * xc + yc * yc + zc * zc
                    if distance >= squared:
                        continue
                    if j == centre and distance < 1e-16:
                        continue  # the atom itself
                    if found < capacity:
                        shell.index[found] = j
                        shell.x[found] = xc
                        shell.y[found] = yc
                        shell.z[found] = zc
                        shell.r[found] = math.sqrt(distance)
                    found += 1
    return found


@njit
def count_images(inverse: Floats, cutoff: float) -> float:
    """Return an upper bound of how many images of the cell a search visits; NaN if it has none.

    Parameters
    ----------
    inverse
        shape (3, 3): inverse of the cell, 1/Å.
    """
    images = 1.0
    for k in range(3):
        images *= 2.0 * cutoff * _over_height(inverse, k) + 2.0
    return images


@njit
def _over_height(inverse: Floats, k: int) -> float:
    """Return 1/height of the cell along lattice vector k."""
    return math.sqrt(inverse[0, k] ** 2 + inverse[1, k] ** 2 + inverse[2, k] ** 2)


@njit
def _reach(inverse: Floats, cutoff: float) -> tuple[int, int, int]:
    """Return how many images to search along each lattice vector."""
    half = 0.5 + 1e-9  # a margin for rounding
    return (
        int(cutoff * _over_height(inverse, 0) + half),
        int(cutoff * _over_height(inverse, 1) + half),
        int(cutoff * _over_height(inverse, 2) + half),
    )


@njit
def _wrapped_difference(
    i: int, j: int, positions: Floats, cell: Floats, inverse: Floats
) -> tuple[float, float, float]:
    """Return r_j − r_i, moved by lattice vectors to fractions in [−1/2, 1/2]."""
    dx = positions[j, 0] - positions[i, 0]
    dy = positions[j, 1] - positions[i, 1]
    dz = positions[j, 2] - positions[i, 2]
    for k in range(3):
        turns = np.rint(dx * inverse[0, k] + dy * inverse[1, k] + dz * inverse[2, k])
        dx -= turns * cell[k, 0]
        dy -= turns * cell[k, 1]
        dz -= turns * cell[k, 2]
    return dx, dy, dz


@dataclass(frozen=True)
class Neighbors:
    """Neighbours of all atoms of a batch.

    Parameters
    ----------
    first
        shape (n_atoms + 1,): atom ``i`` owns the rows ``first[i]:first[i + 1]``.
    index
        shape (n_pairs,): the neighbour, as a row of the batch's positions.
    r_ij
        shape (n_pairs, 3): vector from the atom to its neighbour, Å.
    """

    first: Ints
    index: Ints
    r_ij: Floats


def neighbor_list(batch: StructureBatch, cutoff: float) -> Neighbors:
    """Return all pairs of a batch that are closer than `cutoff` (Å).

    Raises
    ------
    InputError
        If a structure has a flat cell, or numbers that are not finite.
    """
    counts = np.zeros(len(batch.positions), np.int64)
    _count_pairs(batch.first_atom, batch.positions, batch.cells, cutoff, counts)
    if (counts < 0).any():
        s = int(np.searchsorted(batch.first_atom, np.argmin(counts), side='right')) - 1
        raise InputError(
            f'structure {batch.ids[s]} has a cell too flat for a cutoff of {cutoff} Å '
            'or positions that are not finite: remove it'
        )
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    index = np.empty(first[-1], np.int64)
    r_ij = np.empty((first[-1], 3))
    _write_pairs(batch.first_atom, batch.positions, batch.cells, cutoff, first, index, r_ij)
    return Neighbors(first, index, r_ij)


@njit_parallel
def _count_pairs(
    first_atom: Ints, positions: Floats, cells: Floats, cutoff: float, counts: Ints
) -> None:
    for s in prange(len(cells)):
        inverse = np.empty((3, 3))
        invert_cell(cells[s], inverse)
        own = positions[first_atom[s] : first_atom[s + 1]]
        nothing = np.empty(0)
        shell = Shell(np.empty(0, np.int64), nothing, nothing, nothing, nothing)
        for i in range(len(own)):
            counts[first_atom[s] + i] = find_neighbors(i, own, cells[s], inverse, cutoff, shell)


@njit_parallel
def _write_pairs(
    first_atom: Ints,
    positions: Floats,
    cells: Floats,
    cutoff: float,
    first: Ints,
    index: Ints,
    r_ij: Floats,
) -> None:
    for s in prange(len(cells)):
        inverse = np.empty((3, 3))
        invert_cell(cells[s], inverse)
        start = first_atom[s]
        own = positions[start : first_atom[s + 1]]
        for i in range(len(own)):
            rows = slice(first[start + i], first[start + i + 1])
            n = rows.stop - rows.start
            shell = Shell(index[rows], np.empty(n), np.empty(n), np.empty(n), np.empty(n))
            find_neighbors(i, own, cells[s], inverse, cutoff, shell)
            index[rows] += start
            r_ij[rows, 0] = shell.x
            r_ij[rows, 1] = shell.y
            r_ij[rows, 2] = shell.z
