"""Trainings on the data MLIP-3 was trained on."""

import re

import numpy as np
import pytest

from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.training.fit import train_new
from aiida_mtp.core.training.settings import TrainingSettings


def test_loss_of_mlip_is_beaten_in_ten_steps(shared_data):
    folder = shared_data / 'mlip3'
    batch = read_structures(folder / 'train500.cfg', ['Ni', 'Al', 'Cu'])
    settings = TrainingSettings(n_starts=1, max_iterations=10, n_folds=0)
    report = train_new(batch, 10, batch.species, 5.0, settings).report
    log = (folder / 'trained10_log_summary.txt').read_text()
    best_of_mlip = min(float(value) for value in re.findall(r'f=([0-9.e-]+)', log))
    assert best_of_mlip == pytest.approx(1.49e-4, rel=0.01)
    assert report.loss < 0.6 * best_of_mlip


def test_potential_of_mlip_is_recovered_from_its_labels(shared_data):
    folder = shared_data / 'mlip3'
    known = read_potential(folder / 'p08_3.mtp')
    batches = []
    for name in ('small60', 'test200'):
        batch = read_structures(folder / f'{name}.cfg', known.species)
        found = evaluate(known, batch)
        batches.append(
            batch.replaced(energies=found.energies, forces=found.forces, stresses=found.stresses)
        )
    training, test = batches
    settings = TrainingSettings(
        n_starts=1, ridge=1e-9, n_folds=0, force_limit=None, stress_limit=None
    )
    trained = train_new(training, 8, known.species, known.max_dist, settings).model
    errors = (evaluate(trained, test).energies - test.energies) / test.n_atoms
    assert np.median(np.abs(errors)) < 0.02 * test.energies_per_atom.std()
