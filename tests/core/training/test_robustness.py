"""Training sets as they come from real screens: it converges, or says why not, and is never NaN."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from reference.crystals import emt_labelled, rattled_crystals

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.core.training.fit import train_further, train_new
from aiida_mtp.core.training.settings import TrainingSettings

SETTINGS = TrainingSettings(n_starts=2, start_iterations=3, max_iterations=15, n_folds=0)


def train(batch, species=('Al', 'Ni'), level=8):
    found = train_new(batch, level, species, 4.5, SETTINGS)
    assert np.isfinite(found.model.coefficients).all()
    assert np.isfinite(found.report.loss)
    return found


def energy_rmse(model, batch):
    errors = (evaluate(model, batch).energies - batch.energies) / batch.n_atoms
    return float(np.sqrt((errors**2).mean()))


def joined(*batches):
    """Batches under ids of their own."""
    batch = StructureBatch.concatenate(batches)
    return batch.replaced(ids=np.array([f's{i}' for i in range(len(batch))], dtype=object))


def cells(atoms, factors):
    """A crystal at several volumes, labelled."""
    scaled = []
    for factor in factors:
        one = atoms.copy()
        one.set_cell(one.cell * factor ** (1 / 3), scale_atoms=True)
        scaled.append(one)
    return emt_labelled(StructureBatch.from_ase(scaled, species=('Al', 'Ni')))


def test_forces_of_four_hundred(crystals, others):
    """A few frames with atoms on top of each other spoil nothing."""
    crystals, others = (batch.with_species(('Al', 'Ni')) for batch in (crystals, others))
    wild = crystals.take(slice(0, 4))
    forces = wild.forces.copy()
    forces[0] = [400.0, -300.0, 0.0]
    wild = wild.replaced(forces=forces, energies=wild.energies + 50.0)
    undisturbed = energy_rmse(train(crystals.take(slice(4, None))).model, others)
    found = train(joined(wild, crystals.take(slice(4, None))))
    assert found.report.bad_frames[0].max_force == pytest.approx(500.0)
    # the other three have a wrong energy and nothing that tells
    good = np.arange(4, len(crystals))
    of_good = energy_rmse(found.model, crystals.take(good))
    assert of_good < 1.0
    only_the_wild = joined(wild.take([0]), crystals.take(slice(4, None)))
    assert energy_rmse(train(only_the_wild).model, others) < 2.0 * undisturbed


def test_labels_that_contradict_each_other(crystals, others):
    """The same crystal twice, once with an energy 2 eV/atom off: the wrong one is found."""
    twin = crystals.take([7])
    batch = joined(crystals, twin.replaced(energies=twin.energies + 2.0 * twin.n_atoms))
    disturbed = train_new(batch, 8, ('Al', 'Ni'), 4.5, SETTINGS)
    robust = train_new(batch, 8, ('Al', 'Ni'), 4.5, replace(SETTINGS, outlier_limit=8.0))
    (left_out,) = robust.report.bad_frames
    assert left_out.id == batch.ids[-1]
    assert left_out.weight == 0.0
    assert left_out.energy_error == pytest.approx(-2.0, abs=0.05)
    assert energy_rmse(robust.model, others) < 0.5 * energy_rmse(disturbed.model, others)


def test_duplicates_weigh_and_nothing_else(crystals):
    few = crystals.take(slice(0, 10))
    once, thrice = train(few), train(joined(few, few, few))
    assert thrice.report.n_structures == 30
    assert energy_rmse(thrice.model, few) == pytest.approx(energy_rmse(once.model, few), abs=5e-3)


def test_cells_of_one_atom():
    """They have no forces; energies and stresses are all there is."""
    batch = joined(*(cells(bulk(s), np.linspace(0.8, 1.2, 9)) for s in ('Al', 'Ni')))
    found = train(batch)
    assert energy_rmse(found.model, batch) < 0.02


def test_a_species_seen_once(crystals):
    aluminium = crystals.with_species(('Al', 'Ni'))
    pure = [row for row, one in enumerate(aluminium) if (one.types == 1).all()]
    batch = joined(cells(bulk('Ni', a=3.5), np.linspace(0.8, 1.2, 9)), cells(bulk('Al'), [1.0]))
    batch = joined(batch, aluminium.take(pure))
    found = train(batch)
    assert energy_rmse(found.model, batch) < 0.05
    mixed = evaluate(found.model, aluminium)
    assert np.isfinite(mixed.energies).all()


def test_collinear_features():
    """One crystal at one volume, many times: all rows of the equations are the same."""
    batch = joined(*[cells(bulk('NiAl', 'cesiumchloride', a=2.9), [1.0])] * 8)
    found = train(batch, level=12)
    assert energy_rmse(found.model, batch) < 1e-3
    again = train_further(batch, found.model, SETTINGS)
    assert np.isfinite(again.model.coefficients).all()


def test_labels_that_are_infinite_are_as_good_as_missing(crystals):
    batch = crystals.take(slice(0, 12))
    found = []
    for value in (np.inf, np.nan):
        energies = batch.energies.copy()
        energies[3] = value
        found.append(train(batch.replaced(energies=energies)))
    assert found[0].report.energy.n == found[1].report.energy.n == 11
    np.testing.assert_array_equal(found[0].model.coefficients, found[1].model.coefficients)


def test_a_set_of_nothing_but_wild_frames():
    batch = emt_labelled(rattled_crystals(3, seed=1, species=('Ni', 'Al'), rattle=0.5, a=2.6))
    assert np.abs(batch.forces).max() > 20.0
    found = train(batch)
    assert len(found.report.bad_frames) > 0


@pytest.mark.parametrize('level', [2, 16])
def test_one_structure(crystals, level):
    few = crystals.take([7])
    found = train(few, level=level)
    assert energy_rmse(found.model, few) < 1e-5


def test_a_crystal_that_pulls_nowhere(crystals):
    """Labels of zero, and one volume only: there is nothing to learn, and that is learnt."""
    batch = crystals.take(slice(0, 6))
    batch = batch.replaced(
        energies=np.zeros(6),
        forces=np.zeros_like(batch.forces),
        stresses=np.zeros_like(batch.stresses),
    )
    assert energy_rmse(train(batch).model, batch) == 0.0


@pytest.mark.parametrize('cutoff', [0.1, 1.0])
def test_nothing_within_the_cutoff(crystals, cutoff):
    """Atoms alone have an energy; the crystals have the mean of it."""
    found = train_new(crystals, 8, ('Al', 'Ni'), cutoff, SETTINGS)
    assert np.isfinite(found.model.coefficients).all()
    assert not evaluate(found.model, crystals).forces.any()
    assert found.report.energy.rmse < 2.0 * np.std(crystals.energies_per_atom)


def test_atoms_alone_among_crystals(crystals):
    """In cells as huge as those of isolated atoms."""
    alone = StructureBatch.build(
        ('Al', 'Ni'),
        [[0], [1]],
        np.zeros((2, 1, 3)),
        [30.0 * np.eye(3)] * 2,
        energies=np.array([3.0, 5.0]),
        forces=np.zeros((2, 1, 3)),
    )
    batch = joined(crystals.with_species(('Al', 'Ni')), alone)
    found = train(batch)
    np.testing.assert_allclose(found.model.species_coeffs, [3.0, 5.0], atol=0.02)


def test_a_species_never_seen(crystals):
    found = train(crystals, species=('Al', 'Cu', 'Ni'))
    assert energy_rmse(found.model, crystals) < 0.01


@pytest.mark.parametrize('scale', [30.0, 5000.0, 3e5])
def test_energies_counted_from_elsewhere(crystals, scale):
    """Codes that count all electrons have energies of thousands of eV: no error depends on it."""
    batch = crystals.with_species(('Al', 'Ni'))
    references = np.array([-0.4 * scale, -scale])
    moved = batch.replaced(energies=batch.energies + batch.compositions @ references)
    found, expected = train(moved), train(batch)
    assert found.report.loss == pytest.approx(expected.report.loss, rel=1e-4)
    np.testing.assert_allclose(
        found.model.species_coeffs - references, expected.model.species_coeffs, atol=1e-3
    )
    again = train_further(moved, found.model, SETTINGS)
    assert again.report.loss <= found.report.loss * (1.0 + 1e-6)


SENSELESS = {
    'energies': (1e200, 'energy 2.5e\\+199 eV/atom'),
    'forces': (1e300, 'force 1e\\+300 eV/Å'),
    'stresses': (-1e9, 'stress 1e\\+09 eV/Å³'),
}


@pytest.mark.parametrize('name', SENSELESS)
def test_labels_no_computation_gives(crystals, name):
    value, told = SENSELESS[name]
    labels = getattr(crystals, name).copy()
    labels[-1] = value
    with pytest.raises(InputError, match=f'{crystals.ids[-1]} has a label that cannot be: {told}'):
        train(crystals.replaced(**{name: labels}))


def test_atoms_in_the_same_place(crystals):
    positions = crystals.positions.copy()
    first = crystals.first_atom[5]
    positions[first + 1] = positions[first]
    with pytest.raises(InputError, match=f'{crystals.ids[5]} has two atoms in the same place'):
        train(crystals.replaced(positions=positions))
