"""Small makers and cutters of arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike

    from aiida_mtp.core._typing import Bools, Column, Floats, Ints, Strings


def stacked(parts: Sequence[ArrayLike], shape: tuple[int, ...], dtype: Any) -> Any:
    """Join per-structure arrays along the atoms."""
    arrays = [np.asarray(part, dtype=dtype).reshape(-1, *shape[1:]) for part in parts]
    return np.concatenate(arrays) if arrays else np.empty(shape, dtype)


def or_nan(values: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    """Return the values in this shape, or NaN where there are none."""
    if values is None:
        return np.full(shape, np.nan)
    return np.asarray(values, dtype=np.float64).reshape(shape)


def strings(values: Sequence[str]) -> Strings:
    """Return an array of Python strings."""
    array = np.empty(len(values), dtype=object)
    array[:] = [str(value) for value in values]
    return array


def are_among(values: Strings, others: Iterable[str]) -> Bools:
    """Tell which strings are among others: many times faster than `numpy.isin`, which sorts."""
    known = set(others)
    return np.array([value in known for value in values], dtype=bool)


def as_column(values: Any) -> Column:
    """Return an array of numbers, or of Python strings."""
    array = np.asarray(values)
    return strings(list(values)) if array.dtype.kind in 'USO' else array


def reduced_formula(species: Sequence[str], order: Ints, counts: Ints) -> str:
    """Return the formula of one structure, species in the given order."""
    divisor = int(np.gcd.reduce(counts)) or 1
    parts = [(species[i], int(counts[i]) // divisor) for i in order if counts[i]]
    return ''.join(name + (str(n) if n > 1 else '') for name, n in parts)


def chunks(n: int, size: int) -> Iterator[slice]:
    """Cut ``range(n)`` into slices of at most `size`, in order."""
    edges = [*range(0, n, size), n]
    return (slice(a, b) for a, b in pairwise(edges) if b > a)
