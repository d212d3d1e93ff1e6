"""Compositions as integer keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Ints


def distinct_compositions(counts: Ints) -> tuple[Ints, Ints]:
    """Return the reduced compositions that occur, and which of them each structure has.

    Parameters
    ----------
    counts
        shape (n_structures, n_species): atoms of each species.

    Returns
    -------
    reduced
        shape (n_compositions, n_species): without common divisors, in ascending order.
    composition_of
        shape (n_structures,): row in `reduced`.

    Notes
    -----
    Equality of compositions is decided among integers: 1/3 + 2/3 has no rounding to trip over.
    """
    divisor = np.gcd.reduce(counts, axis=1)
    reduced = counts // np.maximum(divisor, 1)[:, None]
    base = int(reduced.max(initial=0)) + 1
    n_species = counts.shape[1]
    if n_species * np.log2(base) < 63:  # one integer holds the whole composition
        keys = reduced @ base ** np.arange(n_species - 1, -1, -1, dtype=np.int64)
        _, first, composition_of = np.unique(keys, return_index=True, return_inverse=True)
        return reduced[first], composition_of
    distinct, composition_of = np.unique(reduced, axis=0, return_inverse=True)
    return distinct, composition_of.reshape(-1)


def lowest_rows(composition_of: Ints, energies: np.ndarray, n_compositions: int) -> Ints:
    """Return the row of the lowest energy of each composition, -1 where no energy is known.

    Parameters
    ----------
    composition_of
        shape (n_structures,).
    energies
        shape (n_structures,); rows without an energy hold NaN. The first of equals is taken.
    """
    known = np.flatnonzero(np.isfinite(energies))
    order = known[np.lexsort((energies[known], composition_of[known]))]
    found, first = np.unique(composition_of[order], return_index=True)
    rows = np.full(n_compositions, -1, dtype=np.int64)
    rows[found] = order[first]
    return rows
