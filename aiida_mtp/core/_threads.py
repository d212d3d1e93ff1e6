"""Compiled work spread over threads: the kernels release the GIL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from numba import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar('Item')
Result = TypeVar('Result')


def on_all_threads(
    work: Callable[[Item], Result], items: Iterable[Item], n_threads: int | None = None
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in order; raise what a thread has raised.

    Python's threads, not numba's: a parallel kernel takes many times as long to compile.

    Parameters
    ----------
    n_threads
        By default as many as the kernels may use (`use_threads`).
    """
    n_threads = n_threads or get_num_threads()
    if n_threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(work, items)
