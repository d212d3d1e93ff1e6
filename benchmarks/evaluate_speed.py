"""Time per atom of energies, forces and stresses, by level, on one thread.

    python benchmarks/evaluate_speed.py [--levels 8 16 20 24] [--structures STRUCTURES.cfg]

Prints a table in Markdown. The structures are ternary crystals of 4 to 8 atoms, rattled and
sheared, or those of a file. motep stands beside it if it is installed (its compiled engine, which
computes the same for one structure after the other, and keeps its neighbour lists between runs).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.neighbors import neighbor_list
from aiida_mtp.core.potential.evaluate import evaluate, evaluate_with_gradients
from aiida_mtp.core.potential.mlip import write_potential
from aiida_mtp.core.potential.model import MtpModel, initial_model
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Callable

SPECIES = ('Al', 'Cu', 'Ni')
CUTOFF = 5.0


def random_crystals(n: int) -> StructureBatch:
    """Return rattled and sheared face-centred cells."""
    rng = np.random.default_rng(0)
    primitive = 1.8 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    types, positions, cells = [], [], []
    for _ in range(n):
        size = int(rng.integers(4, 9))
        shear = np.eye(3) + rng.normal(scale=0.03, size=(3, 3))
        sites = np.arange(size)[:, None] * primitive[2] + rng.normal(scale=0.1, size=(size, 3))
        types.append(rng.integers(0, 3, size))
        positions.append(sites @ shear)
        cells.append(np.stack([primitive[0], primitive[1], size * primitive[2]]) @ shear)
    return StructureBatch.build(SPECIES, types, positions, np.array(cells))


def median_time(function: Callable[[], object], repeats: int) -> float:
    """Return the median of the processor time of a call, s, after a first one that compiles."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def motep_time(model: MtpModel, batch: StructureBatch, repeats: int) -> float:
    """Return the same for motep, NaN if it is not installed; its energies must be ours."""
    try:
        from ase.data import atomic_numbers
        from motep.calculator import MTP
        from motep.io.mlip.mtp import read_mtp
    except ImportError:
        return float('nan')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'potential.mtp'
        write_potential(path, replace(model, species=('type0', 'type1', 'type2')))
        theirs = read_mtp(path)
    theirs.species = [atomic_numbers[name] for name in model.species]
    structures = [batch.to_ase(s) for s in range(len(batch))]
    calculators = [MTP(theirs, engine='cext') for _ in structures]

    def run() -> list[float]:
        for calculator, atoms in zip(calculators, structures, strict=True):
            calculator.calculate(atoms)
        return [calculator.results['energy'] for calculator in calculators]

    np.testing.assert_allclose(run(), evaluate(model, batch).energies, rtol=1e-9)
    return median_time(run, repeats)


def machine() -> str:
    """Return the processor and the versions that matter."""
    processor = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith('model name')]
        processor = names[0].partition(':')[2].strip() if names else processor
    import numba

    return f'{processor}, Python {platform.python_version()}, numba {numba.__version__}'


def commit() -> str:
    """Return the commit of the sources."""
    command = ['git', '-C', str(Path(__file__).parent), 'describe', '--always', '--dirty']
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or 'unknown'


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--levels', type=int, nargs='+', default=[8, 16, 20, 24])
    parser.add_argument('--structures', type=Path, help='a file of structures of three types')
    parser.add_argument('--repeats', type=int, default=9)
    args = parser.parse_args()

    use_threads(1)
    batch = random_crystals(60)
    if args.structures:
        batch = read_structures(args.structures, SPECIES)
    n_atoms = len(batch.positions)
    pairs = len(neighbor_list(batch, CUTOFF).index) / n_atoms
    print(f'{machine()}; commit {commit()}')
    print(f'{len(batch)} structures, {n_atoms} atoms, {pairs:.0f} neighbours within {CUTOFF} Å;')
    print(f'one thread, medians of {args.repeats} runs, processor time in µs per atom')
    print()
    print('| level | scalars | products | E, F, σ | E, F, σ, dE/dθ | motep: E, F, σ |')
    print('|---|---|---|---|---|---|')
    for level in args.levels:
        model = initial_model(level, SPECIES, CUTOFF, min_dist=1.8)
        times = (
            median_time(lambda model=model: evaluate(model, batch), args.repeats),
            median_time(lambda model=model: evaluate_with_gradients(model, batch), args.repeats),
            motep_time(model, batch, args.repeats),
        )
        columns = ' | '.join(f'{1e6 * t / n_atoms:.1f}' for t in times)
        tables = model.tables
        print(f'| {level} | {tables.n_scalar} | {len(tables.alpha_index_times)} | {columns} |')
        sys.stdout.flush()


if __name__ == '__main__':
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    main()
