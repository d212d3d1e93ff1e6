"""Where the time of an evaluation goes, and what the compiler made of its loops."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from aiida_mtp.core._numba import njit
from aiida_mtp.core.neighbors import find_neighbors
from aiida_mtp.core.potential import kernels, moments
from aiida_mtp.core.potential.arguments import kernel_arguments
from aiida_mtp.core.potential.workspace import CAPACITY, LANES, make_workspace, shell_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch

REPEATS = 50


@njit
def _neighbors(positions: Any, cell: Any, types: Any, potential: Any, work: Any) -> None:
    for _ in range(REPEATS):
        for lane in range(LANES):
            shell = shell_of(work, lane)
            find_neighbors(lane, positions, cell, work.inverse, potential.max_dist, shell)
        for lane in range(LANES):
            moments.prepare_shell(lane, types, potential, work)


@njit
def _radial(_positions: Any, _cell: Any, types: Any, potential: Any, work: Any) -> None:
    for _ in range(REPEATS):
        for lane in range(LANES):
            moments.radial_basis(lane, potential, work)
            moments.radial_functions(lane, types[lane], potential, work)


@njit
def _basic(_positions: Any, _cell: Any, _types: Any, potential: Any, work: Any) -> None:
    for _ in range(REPEATS):
        for lane in range(LANES):
            moments.basic_moments(lane, potential, work)


@njit
def _products(_positions: Any, _cell: Any, _types: Any, potential: Any, work: Any) -> None:
    for _ in range(REPEATS):
        moments.contract(potential, work)


@njit
def _backwards(_positions: Any, _cell: Any, _types: Any, potential: Any, work: Any) -> None:
    for _ in range(REPEATS):
        for lane in range(LANES):
            moments.site_gradient(lane, potential, work)


PARTS: dict[str, Callable[..., None]] = {
    'neighbours': _neighbors,
    'radial functions': _radial,
    'basic moments': _basic,
    'products, forwards and backwards': _products,
    'derivatives by distances': _backwards,
}


def profile(model: MtpModel, one: StructureBatch) -> dict[str, float]:
    """Return µs per atom of each part, of a structure with as many atoms as there are lanes."""
    if len(one.positions) != LANES:
        raise ValueError(f'{len(one.positions)} atoms, not {LANES}')
    potential = kernel_arguments(model)
    work = make_workspace(potential, CAPACITY)
    nothing = np.empty((0, 0))
    forces, stress, sites = np.empty((LANES, 3)), np.empty(6), np.empty(LANES)
    arguments = (one.positions, one.cells[0], one.types, potential, work)
    kernels.evaluate_structure(*arguments, sites, forces, stress, nothing)
    found = {}
    for name, part in PARTS.items():
        part(*arguments)
        times = []
        for _ in range(15):
            start = time.perf_counter()
            part(*arguments)
            times.append(time.perf_counter() - start)
        found[name] = 1e6 * float(np.median(times)) / REPEATS / LANES
    return found


def vector_registers(model: MtpModel) -> dict[str, int]:
    """Return how often the machine code of the products names registers of 128, 256, 512 bits."""
    flags = {'contract'}
    fresh = numba.njit(error_model='numpy', fastmath=flags)(moments.sum_products.py_func)
    plan = kernel_arguments(model).plan
    values = np.zeros((plan.n_moments, LANES))
    fresh(plan.forward, moments.NO_SEEDS, values, values, values)
    (code,) = fresh.inspect_asm().values()
    names = Counter(re.findall(r'%([xyz])mm', code))
    return {'128': names['x'], '256': names['y'], '512': names['z']}
