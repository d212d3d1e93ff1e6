"""Greedy search for the square submatrix of largest volume.

Of the rows ``b`` of a tall matrix B, as many as there are columns are sought that span the largest
volume |det A|. Writing ``c = b A⁻¹``, putting ``b`` in the place of row ``j`` of A multiplies the
determinant by ``c_j``; so the largest |c_j| of all is swapped in until none exceeds a threshold.

References: Goreinov, Oseledets, Savostyanov, Tyrtyshnikov, Zamarashkin, *How to find a good
submatrix* (2010); Podryabinkin, Shapeev, Comput. Mater. Sci. 140, 171 (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import njit_fast
from aiida_mtp.core.active.active_set import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiida_mtp.core._typing import Floats, Ints

THRESHOLD = 1.001  # as in MLIP: a swap that gains less than 0.1 % is not worth making
DIAGONAL_MLIP3 = 1e-6
DIAGONAL_MLIP2 = 1e-5
SWAPS_PER_CALL = 4096
SOUND = 0.1  # error of A⁻¹ A above which an inverse is none
POOLED = 64  # rows kept of each block
MAX_REFRESHES = 50  # of c from a fresh inverse, per block: rounding needs one or two


@dataclass(frozen=True)
class Volume:
    """A square matrix of large volume and where its rows came from.

    Parameters
    ----------
    matrix
        shape (n, n): A.
    inverse
        shape (n, n): A⁻¹.
    holders
        shape (n,): number of the row of B that each row of A is, `EMPTY` for none.
    n_swaps
        How many swaps led here.
    log_gain
        Logarithm of the factor by which |det A| has grown since the start.
    """

    matrix: Floats
    inverse: Floats
    holders: Ints
    n_swaps: int = 0
    log_gain: float = 0.0

    @classmethod
    def start(cls, n: int, diagonal: float = DIAGONAL_MLIP3) -> Volume:
        """Return a small multiple of the unit matrix, which any row of B improves upon."""
        return cls(np.eye(n) * diagonal, np.eye(n) / diagonal, np.full(n, EMPTY, dtype=np.int64))


def maximise_volume(
    start: Volume,
    blocks: Callable[[], Iterable[tuple[int, Floats]]],
    *,
    threshold: float = THRESHOLD,
    max_swaps: int | None = None,
) -> Volume:
    """Swap rows of B into A until no entry of B A⁻¹ exceeds the threshold.

    B is seen block by block, again and again until a whole pass changes nothing, so that it never
    has to fit into memory. Rows that are not finite are passed over, and so are those so large that
    A has no inverse in double precision with them: of atoms on top of each other.

    Parameters
    ----------
    blocks
        Called once per pass; yields the number of the first row of a block and its rows,
        shape (m, n).
    max_swaps
        Stop after so many swaps.

    Returns
    -------
    Volume
        Its determinant is never smaller than that of `start`.
    """
    volume = start
    while True:
        before, pool = volume, _Pool()
        for first_row, rows in blocks():
            numbers = np.arange(first_row, first_row + len(rows))
            left = _left(start, volume, max_swaps)
            volume, largest = _maximise_in_block(volume, numbers, rows, threshold, left)
            pool.add(numbers, rows, largest)
        if volume.n_swaps == before.n_swaps or _left(start, volume, max_swaps) == 0:
            return volume
        if pool.n_blocks > 1:
            left = _left(start, volume, max_swaps)
            volume, _ = _maximise_in_block(volume, *pool.contents(), threshold, left)


def _left(start: Volume, volume: Volume, max_swaps: int | None) -> int | None:
    """Return how many swaps may still be made; None for any number."""
    return None if max_swaps is None else max_swaps - (volume.n_swaps - start.n_swaps)


class _Pool:
    """The rows of each block that come closest to a swap.

    When the volume has grown in some blocks, these are the ones in others that may have come to
    exceed the threshold. To swap among them first costs little, and spares passes over all blocks.
    """

    def __init__(self) -> None:
        self.n_blocks = 0
        self._numbers: list[Ints] = []
        self._rows: list[Floats] = []

    def add(self, numbers: Ints, rows: Floats, largest: Floats) -> None:
        """Keep the rows of a block with the largest entries of c."""
        kept = np.sort(np.argsort(-largest, kind='stable')[:POOLED])
        self.n_blocks += 1
        self._numbers.append(numbers[kept])
        self._rows.append(rows[kept])

    def contents(self) -> tuple[Ints, Floats]:
        """Return the rows that are kept, and their numbers."""
        return np.concatenate(self._numbers), np.concatenate(self._rows)


def _maximise_in_block(
    volume: Volume, numbers: Ints, rows: Floats, threshold: float, max_swaps: int | None
) -> tuple[Volume, Floats]:
    """Swap rows of one block in until none exceeds the threshold.

    Returns
    -------
    volume, largest
        The latter the largest entry of c in each row, shape (len(rows),).
    """
    usable = np.asarray(np.isfinite(rows).all(axis=1))
    largest = np.zeros(len(rows))
    for _ in range(MAX_REFRESHES):
        kept = rows if usable.all() else np.where(usable[:, None], rows, 0.0)
        room = SWAPS_PER_CALL if max_swaps is None else min(max_swaps, SWAPS_PER_CALL)
        swaps, gains = np.empty((room, 2), dtype=np.int64), np.empty(room)
        n = swap_rows(kept @ volume.inverse, threshold, swaps, gains, largest)
        if n == 0:
            break
        matrix, holders = volume.matrix.copy(), volume.holders.copy()
        for row, place in swaps[:n]:
            matrix[place] = rows[row]
            holders[place] = numbers[row]
        inverse = invert(matrix)
        if inverse is None:
            taken = swaps[:n, 0]
            usable[taken[np.abs(rows[taken]).max(axis=1).argmax()]] = False
            continue
        volume = Volume(
            matrix,
            inverse,
            holders,
            volume.n_swaps + n,
            volume.log_gain + float(np.log(gains[:n]).sum()),
        )
        if max_swaps is not None:
            max_swaps -= n
    return volume, largest


@njit_fast
def swap_rows(c: Floats, threshold: float, swaps: Ints, gains: Floats, largest: Floats) -> int:
    """Swap rows until no ``|c|`` exceeds the threshold or `swaps` is full.

    When row ``i`` of B takes place ``j`` of A, every row of ``c = B A⁻¹`` changes by rank one:
    ``c_r ← c_r − (c_rj / c_ij) (c_i − e_j)``. The next largest entry is found in the same sweep.
    Of equal entries the one of the lowest row, then column, is taken.

    Parameters
    ----------
    c
        shape (m, n), written.
    swaps
        shape (any, 2), written: row of B, row of A.
    gains
        shape (any,), written: factor by which each swap enlarged ``|det A|``.
    largest
        shape (m,), written: largest ``|c|`` of each row in the end.

    Returns
    -------
    int
        Number of swaps made.
    """
    m, n = c.shape
    largest[:] = 0.0
    place = np.zeros(m, dtype=np.int64)
    change = np.empty(n)
    for r in range(m):
        for k in range(n):
            size = abs(c[r, k])
            if size > largest[r]:
                largest[r] = size
                place[r] = k
    for swap in range(len(swaps)):
        i = np.argmax(largest)
        if not largest[i] > threshold:
            return swap
        j = place[i]
        pivot = c[i, j]
        change[:] = c[i]
        change[j] -= 1.0
        swaps[swap, 0], swaps[swap, 1] = i, j
        gains[swap] = abs(pivot)
        for r in range(m):
            factor = c[r, j] / pivot
            if factor == 0.0:
                continue
            best = 0.0
            for k in range(n):
                c[r, k] -= factor * change[k]
                best = max(best, abs(c[r, k]))
            largest[r] = best
            for k in range(n):  # finding where, in a loop of its own, lets the first vectorise
                if abs(c[r, k]) == best:
                    place[r] = k
                    break
        c[i, :] = 0.0
        c[i, j] = 1.0
        largest[i] = 1.0
        place[i] = j
    return len(swaps)


def invert(matrix: Floats) -> Floats | None:
    """Return the inverse of a matrix whose rows and columns differ by orders of magnitude.

    Rows and columns are first scaled by powers of two, which is exact: without it the rows of the
    start matrix, 1e-6 beside 1e3, cost several digits.

    Returns
    -------
    Floats or None
        None if it cannot be inverted with a sound first digit.
    """
    columns = _power_of_two(np.abs(matrix).max(axis=0))
    scaled = matrix / columns
    rows = _power_of_two(np.abs(scaled).max(axis=1))
    scaled /= rows[:, None]
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:
        return None
    if not np.abs(inverse @ scaled - np.eye(len(matrix))).max(initial=0.0) < SOUND:
        return None
    unscaled: Floats = inverse / rows / columns[:, None]
    return unscaled


def _power_of_two(sizes: Floats) -> Floats:
    powers: Floats = np.exp2(np.round(np.log2(sizes)))
    return powers
