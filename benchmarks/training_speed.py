"""Processor time of training, on one thread, against MLIP-3.

    python benchmarks/training_speed.py [--data FOLDER]

Prints two tables in Markdown: the loss, in MLIP's definition, after so many steps of a training of
level 10 on 500 small ternary cells, for which MLIP-3 needs 387 s to come to 1.49e-4; and complete
trainings with default settings on fewer of these structures, the validation included.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.training.fit import train_new
from aiida_mtp.core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.fit import Training

DATA = Path(os.environ.get('AIIDA_MTP_DATA', Path(__file__).parents[2] / 'shared' / 'data'))
SPECIES = ('Ni', 'Al', 'Cu')
CUTOFF = 5.0


def timed(batch: StructureBatch, level: int, settings: TrainingSettings) -> tuple[float, Training]:
    """Train and return the processor time, s, and the result."""
    start = time.process_time()
    training = train_new(batch, level, SPECIES, CUTOFF, settings)
    return time.process_time() - start, training


def energy_rmse(training: Training, batch: StructureBatch) -> float:
    """Return the root mean square error of the energies, meV/atom."""
    errors = (evaluate(training.model, batch).energies - batch.energies) / batch.n_atoms
    return 1e3 * float(np.sqrt((errors**2).mean()))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, default=DATA / 'mlip3')
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    use_threads(args.threads)
    training_set = read_structures(args.data / 'train500.cfg', SPECIES)
    test_set = read_structures(args.data / 'test200.cfg', SPECIES)
    quick = TrainingSettings(n_starts=1, max_iterations=1, n_folds=2, fold_iterations=1)
    timed(training_set.take(slice(0, 20)), 10, quick)  # compiles

    print('| steps | loss | s | energies of the test set, meV/atom |')
    print('|---|---|---|---|')
    for steps in (3, 5, 10, 20, 50):
        settings = TrainingSettings(n_starts=1, max_iterations=steps, n_folds=0)
        seconds, training = timed(training_set, 10, settings)
        report = training.report
        error = energy_rmse(training, test_set)
        print(f'| {report.iterations} | {report.loss:.3g} | {seconds:.1f} | {error:.2f} |')

    print()
    print('| structures | level | s | training | validation | test set, meV/atom |')
    print('|---|---|---|---|---|---|')
    for n, level in ((10, 8), (30, 8), (100, 8), (100, 10), (300, 10), (500, 10), (500, 12)):
        seconds, training = timed(training_set.take(slice(0, n)), level, TrainingSettings())
        report = training.report
        errors = [1e3 * (report.energy.rmse or 0.0), 1e3 * (report.energy_rmse_validation or 0.0)]
        errors.append(energy_rmse(training, test_set))
        columns = ' | '.join(f'{error:.2f}' for error in errors)
        print(f'| {n} | {level} | {seconds:.1f} | {columns} |', flush=True)


if __name__ == '__main__':
    main()
