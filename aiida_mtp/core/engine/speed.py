"""Measure how fast potentials are on this machine."""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp import __version__
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import argparse

SPECIES = ('Ni', 'Al', 'Cu')
CUTOFF = 5.0  # Å
N_STRUCTURES = 600
REPEATS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        '--level', type=int, default=16, help='of the potential (default: %(default)s)'
    )


def run(args: argparse.Namespace) -> None:
    """Measure and print, in JSON, what was measured."""
    from numba import get_num_threads

    found = {
        'version': __version__,
        'level': args.level,
        'threads': get_num_threads(),
        'microseconds_per_atom': round(1e6 * seconds_per_atom(args.level), 2),
    }
    print(json.dumps(found))  # noqa: T201


def seconds_per_atom(level: int) -> float:
    """Return the wall time of energies, forces and stresses, the median of a few runs, per atom."""
    from aiida_mtp.core.potential.evaluate import evaluate
    from aiida_mtp.core.potential.model import initial_model

    model, batch = initial_model(level, SPECIES, CUTOFF, min_dist=1.8), crystals(N_STRUCTURES)
    evaluate(model, batch.take([0]))  # compiles
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        evaluate(model, batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times) / len(batch.positions)


def crystals(n: int, *, seed: int = 0) -> StructureBatch:
    """Return rattled and sheared ternary cells of four to eight atoms."""
    rng = np.random.default_rng(seed)
    primitive = 1.8 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    types, positions, cells = [], [], []
    for _ in range(n):
        size = int(rng.integers(4, 9))
        shear = np.eye(3) + rng.normal(scale=0.03, size=(3, 3))
        sites = np.arange(size)[:, None] * primitive[2] + rng.normal(scale=0.1, size=(size, 3))
        types.append(rng.integers(0, 3, size))
        positions.append(sites @ shear)
        cells.append(np.stack([primitive[0], primitive[1], size * primitive[2]]) @ shear)
    ids = [f's{i}' for i in range(n)]
    return StructureBatch.build(SPECIES, types, positions, np.array(cells), ids=ids)
