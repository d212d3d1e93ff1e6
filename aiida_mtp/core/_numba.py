"""The one place that decides how kernels are compiled and where the machine code is kept.

Numba's own cache looks only at the file a kernel stands in, and so goes stale when a callee in
another file changes. Ours lies in a folder named after the content of every file with kernels:
a change in any of them compiles all anew, and nothing stale is ever loaded.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

Kernel = TypeVar('Kernel', bound='Callable[..., Any]')


def _cache_folder() -> Path:
    """Return the folder of this version of the sources."""
    digest = hashlib.sha256(numba.__version__.encode())
    digest.update(os.environ.get('NUMBA_BOUNDSCHECK', '').encode())  # compiles other code
    for path in sorted(Path(__file__).parent.rglob('*.py')):
        source = path.read_bytes()
        if b'njit' in source:
            digest.update(source)
    root = os.environ.get('XDG_CACHE_HOME', '') or Path.home() / '.cache'
    return Path(root) / 'aiida-mtp' / 'kernels' / digest.hexdigest()[:16]


# Straight-line code for several atoms becomes vector instructions only by this pass of LLVM.
numba.config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]

if 'NUMBA_CACHE_DIR' not in os.environ:
    numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]


def njit(function: Kernel) -> Kernel:
    """Compile a kernel; it releases the GIL and divides by zero as numpy does."""
    decorate = numba.njit(cache=True, nogil=True, error_model='numpy')
    return cast('Kernel', decorate(function))


def njit_fast(function: Kernel) -> Kernel:
    """Compile a kernel whose sums may be reordered, which is what lets them be vectorised."""
    flags = {'contract', 'reassoc', 'nsz', 'arcp'}  # not nnan/ninf: NaN must stay visible
    decorate = numba.njit(cache=True, nogil=True, error_model='numpy', fastmath=flags)
    return cast('Kernel', decorate(function))


def njit_lanes(function: Kernel) -> Kernel:
    """Compile a kernel that does the same for several atoms; the sums of each keep their order.

    Were they free, the compiler would fill vectors with the terms of one atom, gathered from all
    over the memory, not with the atoms.
    """
    flags = {'contract'}
    decorate = numba.njit(cache=True, nogil=True, error_model='numpy', fastmath=flags)
    return cast('Kernel', decorate(function))


def njit_parallel(function: Kernel) -> Kernel:
    """Compile a kernel whose `prange` loops run on all threads."""
    decorate = numba.njit(cache=True, nogil=True, error_model='numpy', parallel=True)
    return cast('Kernel', decorate(function))


prange = numba.prange


def use_threads(n_threads: int | None) -> int:
    """Set the number of threads of the parallel kernels (all cores by default) and return it."""
    available = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    chosen = available if n_threads is None else max(1, min(n_threads, available))
    numba.set_num_threads(chosen)
    return chosen
