"""Training: from nothing and from a potential, on good data and on bad."""

import json
from dataclasses import replace

import numpy as np
import pytest
from reference.crystals import emt_labelled, rattled_crystals

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.core.training import validation
from aiida_mtp.core.training.fit import n_steps, train_further, train_new
from aiida_mtp.core.training.minimise import FIRST_DAMPING
from aiida_mtp.core.training.settings import TrainingSettings

QUICK = TrainingSettings(n_starts=2, start_iterations=3, max_iterations=25, n_folds=0)
NEW = {'level': 8, 'species': ('Al', 'Ni'), 'cutoff': 4.5}


def energy_rmse(model, batch):
    errors = (evaluate(model, batch).energies - batch.energies) / batch.n_atoms
    return float(np.sqrt((errors**2).mean()))


@pytest.fixture(scope='module')
def training(crystals):
    return train_new(crystals, settings=QUICK, **NEW)


def test_new_potential(training, crystals, others):
    report = training.report
    assert report.energy.rmse == pytest.approx(energy_rmse(training.model, crystals))
    assert report.energy.rmse < 0.003
    assert report.forces.rmse < 0.04
    assert report.n_structures == report.n_energies == len(crystals)
    assert report.forces.n == 3 * report.n_atoms
    # The reference: cells of random species differ by this much.
    assert energy_rmse(training.model, others) < 0.1 * others.energies_per_atom.std()


def test_the_best_of_several_starts_goes_on_from_where_it_is():
    strained = emt_labelled(
        rattled_crystals(30, seed=3, species=('Ni', 'Al'), strain=0.1, rattle=0.0)
    )
    start = replace(QUICK, start_iterations=15, max_iterations=0, n_starts=3, radial_basis_size=5)
    alone = replace(start, max_iterations=15, n_starts=1)
    new = {**NEW, 'level': 10}
    single = [train_new(strained, settings=replace(alone, seed=k), **new) for k in range(3)]
    several = train_new(strained, settings=start, **new)
    assert several.report.loss < 1.2 * min(one.report.loss for one in single)


def test_min_dist_is_a_little_below_the_data(training, crystals):
    shortest = evaluate(training.model, crystals).min_dist.min()
    assert 0.95 * shortest < training.model.min_dist < shortest
    assert training.model.max_dist == NEW['cutoff']


def test_known_potential_is_recovered(model, crystals, others):
    def labelled(batch):
        found = evaluate(model, batch)
        return batch.replaced(energies=found.energies, forces=found.forces, stresses=found.stresses)

    batch, test = labelled(crystals), labelled(others)
    settings = replace(QUICK, max_iterations=60, ridge=1e-9, n_starts=1)
    radial_basis_size = model.radial_coeffs.shape[-1]
    start = train_new(batch, settings=replace(settings, max_iterations=0), **NEW).model
    found = train_further(batch, start, settings).model
    assert radial_basis_size < start.radial_coeffs.shape[-1]
    assert energy_rmse(found, test) < 0.01 * energy_rmse(start, test)
    assert energy_rmse(found, test) < 0.01 * test.energies_per_atom.std()


def test_further_training_is_no_step_back(training, crystals, others):
    again = train_further(crystals, training.model, QUICK)
    assert again.report.loss < 1.02 * training.report.loss
    both = StructureBatch.concatenate([crystals, others])
    more = train_further(both, training.model, QUICK)
    assert energy_rmse(more.model, both) < energy_rmse(training.model, both)
    assert more.report.iterations < n_steps(QUICK, is_new=False) + 1


def test_same_on_any_number_of_threads(crystals):
    settings = replace(QUICK, max_iterations=4, n_folds=2, fold_iterations=2)
    found = []
    for n_threads in (1, None, None):
        use_threads(n_threads)
        found.append(train_new(crystals.take(slice(0, 20)), settings=settings, **NEW))
    for other in found[1:]:
        np.testing.assert_array_equal(other.model.coefficients, found[0].model.coefficients)
        assert other.report == found[0].report


@pytest.mark.parametrize('n', [1, 2, 10])
def test_tiny_sets(crystals, others, n):
    settings = replace(QUICK, n_folds=5, fold_iterations=4)
    found = train_new(crystals.take(slice(0, n)), settings=settings, **NEW)
    assert np.isfinite(found.model.coefficients).all()
    assert found.report.energy.rmse < 0.01
    assert np.isfinite(evaluate(found.model, others).energies).all()
    assert (found.report.energy_rmse_validation is None) == (n == 1)
    json.dumps(found.report.to_dict(), allow_nan=False)


def test_energies_alone(crystals):
    batch = crystals.replaced(
        forces=np.full_like(crystals.forces, np.nan),
        stresses=np.full_like(crystals.stresses, np.nan),
    )
    report = train_new(batch, settings=QUICK, **NEW).report
    assert report.energy.rmse < 0.003
    assert report.forces.rmse is None
    assert report.forces.n == report.stress.n == 0


def test_species_that_does_not_occur(crystals):
    pure = crystals.take(crystals.compositions[:, 1] == 0)
    only = crystals.take([0]) if not len(pure) else pure
    settings = replace(QUICK, max_iterations=5)
    found = train_new(only, 8, ('Al', 'Cu', 'Ni'), 4.5, settings)
    assert np.isfinite(found.model.coefficients).all()


def test_bad_frame_weighs_little_and_is_reported(crystals):
    forces = crystals.forces.copy()
    forces[crystals.atoms_of(3).start] = [300.0, 0.0, 0.0]
    energies = crystals.energies.copy()
    energies[3] += 50.0
    batch = crystals.replaced(forces=forces, energies=energies)
    found = train_new(batch, settings=QUICK, **NEW)
    (bad,) = found.report.bad_frames
    assert bad.id == crystals.ids[3]
    assert bad.max_force == pytest.approx(300.0)
    assert bad.weight == pytest.approx((20 / 300) ** 2)
    assert found.report.n_energies == len(crystals) - 1
    dropped = train_new(batch, settings=replace(QUICK, bad_frames='drop'), **NEW)
    others = np.arange(len(crystals)) != 3
    clean = train_new(crystals.take(others), settings=QUICK, **NEW)
    assert dropped.report.loss == pytest.approx(clean.report.loss, rel=1e-3)
    assert dropped.report.bad_frames[0].weight == 0.0
    careless = train_new(batch, settings=replace(QUICK, force_limit=None), **NEW)
    good = crystals.take(others)
    assert energy_rmse(found.model, good) < 0.5 * energy_rmse(careless.model, good)


def test_range_of_distances_grows_with_the_data(training, crystals):
    closer = crystals.replaced(cells=0.9 * crystals.cells, positions=0.9 * crystals.positions)
    labels = evaluate(training.model, closer)
    closer = closer.replaced(
        energies=labels.energies, forces=labels.forces, stresses=labels.stresses
    )
    settings = replace(QUICK, force_limit=None, stress_limit=None)
    found = train_further(closer, training.model, settings)
    assert found.model.min_dist < labels.min_dist.min() < training.model.min_dist
    assert found.report.energy.rmse < 1e-3


def test_further_species_are_refused(training, crystals):
    batch = crystals.replaced(species=('Ni', 'Ti'))
    with pytest.raises(InputError, match=r'has Ti, but the potential to start from knows only Al'):
        train_further(batch, training.model, QUICK)


def test_labels_of_different_settings_are_refused(crystals):
    settings = ['pbe-500'] * 30 + ['pbe-300'] * 30
    batch = crystals.with_columns(label_settings=settings)
    with pytest.raises(InputError, match=r'label_settings: pbe-300, pbe-500'):
        train_new(batch, settings=QUICK, **NEW)


def test_sets_without_use_are_refused(crystals):
    with pytest.raises(InputError, match='empty'):
        train_new(crystals.take([]), settings=QUICK, **NEW)
    with pytest.raises(InputError, match='none of 60 structures has an energy'):
        train_new(crystals.without_labels(), settings=QUICK, **NEW)


def test_validation_tells_the_error_of_new_structures(crystals, others):
    settings = replace(QUICK, n_folds=5, fold_iterations=10)
    found = train_new(crystals, settings=settings, **NEW)
    actual = energy_rmse(found.model, others)
    told = found.report.energy_rmse_validation
    assert actual / 2 < told < actual * 2
    assert found.report.energy.rmse < 0.6 * actual  # the errors of training do not tell


def test_where_boldness_leads_nowhere_validation_is_careful(crystals, monkeypatch):
    """A part without which no bold step is any lower is left out with careful ones."""
    settings = replace(QUICK, n_folds=2, fold_iterations=4)
    asked, usual = [], validation.minimise

    def minimise(objective, state, n_steps, tolerance, advance, damping):
        asked.append(damping)
        if damping == validation.BOLD:
            return state
        return usual(objective, state, n_steps, tolerance, advance, damping)

    monkeypatch.setattr(validation, 'minimise', minimise)
    found = train_new(crystals, settings=settings, **NEW)
    assert asked == [validation.BOLD, FIRST_DAMPING] * 2
    assert found.report.energy_rmse_validation > found.report.energy.rmse
