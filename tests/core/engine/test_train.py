"""mtp-engine train."""

import json

import numpy as np
import pytest
from ase.calculators.emt import EMT
from reference.crystals import rattled_crystals

from aiida_mtp.core.active.grade import extrapolation_grades
from aiida_mtp.core.active.state_files import read_active_state
from aiida_mtp.core.engine.main import main
from aiida_mtp.core.files import write_structures
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import read_potential

NEW = ('--level', 6, '--species', 'Al', 'Ni', '--cutoff', 4.5)
QUICK = {'n_starts': 1, 'max_iterations': 5, 'n_folds': 2, 'fold_iterations': 2}


@pytest.fixture(scope='module')
def labelled():
    batch = rattled_crystals(12, seed=1, species=('Ni', 'Al'), rattle=0.1)
    energies, forces = [], []
    for index in range(len(batch)):
        atoms = batch.to_ase(index)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return batch.replaced(energies=np.array(energies), forces=np.concatenate(forces))


@pytest.fixture
def folder(tmp_path, labelled):
    write_structures(tmp_path / 'set.parquet', labelled)
    (tmp_path / 'settings.json').write_text(json.dumps(QUICK))
    return tmp_path


def train(folder, *arguments, output='pot.mtp'):
    words = [folder / 'set.parquet', '-o', folder / output, '--settings', folder / 'settings.json']
    return main(['train', *map(str, [*words, *arguments])])


def test_new_potential_and_report(folder, labelled):
    assert train(folder, *NEW, '--report', folder / 'report.json') == 0
    model = read_potential(folder / 'pot.mtp')
    assert model.species == ('Al', 'Ni')
    assert model.tables.level == 6
    assert model.max_dist == 4.5
    report = json.loads((folder / 'report.json').read_text())
    errors = (evaluate(model, labelled).energies - labelled.energies) / labelled.n_atoms
    assert report['energy']['rmse'] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert report['energy']['rmse'] < report['energy_rmse_validation']
    assert report['n_structures'] == 12
    assert report['stress'] == {'n': 0, 'rmse': None, 'mae': None, 'max': None}


def test_further_training_with_active_set(folder, labelled):
    assert train(folder, *NEW) == 0
    arguments = ('--init', folder / 'pot.mtp', '--report', folder / 'report.json')
    assert train(folder, *arguments, output='better.almtp') == 0
    model = read_potential(folder / 'better.almtp')
    active_set = read_active_state(folder / 'better.almtp', model)
    grades = extrapolation_grades(model, active_set, labelled)
    assert grades.max() < 1.01
    before = evaluate(read_potential(folder / 'pot.mtp'), labelled).energies - labelled.energies
    after = evaluate(model, labelled).energies - labelled.energies
    assert np.abs(after).mean() < np.abs(before).mean()


def test_from_the_radial_functions_of_a_lower_level(folder, labelled, capsys):
    assert train(folder, *NEW) == 0
    assert train(folder, '--init', folder / 'pot.mtp', '--level', 8, output='higher.mtp') == 0
    lower, higher = (read_potential(folder / name) for name in ('pot.mtp', 'higher.mtp'))
    assert (lower.level, higher.level) == (6, 8)
    errors = [
        np.abs(evaluate(m, labelled).energies - labelled.energies).mean() for m in (lower, higher)
    ]
    assert errors[1] < errors[0]
    assert train(folder, '--init', folder / 'higher.mtp', '--level', 6) == 2
    assert 'level 6 is below 8, that of the potential' in capsys.readouterr().err


def test_same_bytes_again(folder):
    names = ['one.almtp', 'two.almtp']
    for name, threads in zip(names, (1, 2), strict=True):
        report = folder / f'{name}.json'
        extra = ('--report', report, '--seed', 3, '--threads', threads)
        assert train(folder, *NEW, *extra, output=name) == 0
    for suffix in ('', '.json'):
        one, two = ((folder / f'{name}{suffix}').read_bytes() for name in names)
        assert one == two


def test_seed_of_the_command_line(folder):
    for seed in (1, 2):
        assert train(folder, *NEW, '--seed', seed, output=f'{seed}.mtp') == 0
    one, two = (read_potential(folder / f'{seed}.mtp') for seed in (1, 2))
    assert not np.array_equal(one.coefficients, two.coefficients)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--level', 6), 'give --level, --species and --cutoff, or --init'),
        ((), 'give --level, --species and --cutoff, or --init'),
        ((*NEW, '--init', 'pot.mtp'), '--init brings its own basis: leave out --species, --cutoff'),
        (('--init', 'absent.mtp'), 'absent.mtp'),
        (('--level', 6, '--species', 'Al', '--cutoff', 4.5), 'species Ni not among Al'),
        (('--level', 7, *NEW[2:]), 'level'),
        ((*NEW, '--seed', -1), 'seed'),
        ((*NEW[:-1], 'wide'), '--cutoff'),
    ],
)
def test_mistakes_are_told_in_one_line(folder, capsys, arguments, message):
    assert train(folder, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith('mtp-engine: error: ')
    assert error.count('\n') == 1
    assert not (folder / 'pot.mtp').exists()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ('{"ridge": 0}', 'settings.json: training setting ridge=0'),
        ('{"rigde": 1}', 'settings.json: unknown training setting rigde; known: energy_weight'),
        ('[1]', 'expected settings by name'),
        ('{', 'not a JSON file'),
    ],
)
def test_mistakes_in_settings(folder, capsys, settings, message):
    (folder / 'settings.json').write_text(settings)
    assert train(folder, *NEW) == 2
    assert message in capsys.readouterr().err


def test_bad_names_of_files(folder, capsys, labelled):
    assert train(folder, *NEW, output='pot.txt') == 2
    assert 'name the potential .mtp or .almtp' in capsys.readouterr().err
    write_structures(folder / 'set.parquet', labelled.take([]))
    assert train(folder, *NEW) == 2
    assert 'the training set is empty' in capsys.readouterr().err


def test_types_of_cfg_files_are_the_species_given(folder, labelled):
    write_structures(folder / 'set.cfg', labelled.with_species(('Al', 'Ni')))
    words = ['train', folder / 'set.cfg', '-o', folder / 'cfg.mtp', *NEW]
    assert main(list(map(str, [*words, '--settings', folder / 'settings.json']))) == 0
    assert read_potential(folder / 'cfg.mtp').species == ('Al', 'Ni')


def test_settings_may_be_absent(folder, capsys):
    words = ['train', folder / 'set.parquet', '-o', folder / 'pot.mtp', *NEW, '--seed', '-3']
    assert main(list(map(str, words))) == 2
    assert 'seed' in capsys.readouterr().err
