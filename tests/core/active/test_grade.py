"""Extrapolation grades: against their definition and against MLIP's numbers."""

import numpy as np
import pytest
from reference.crystals import rattled_crystals

from aiida_mtp.core.active import grade as module
from aiida_mtp.core.active.active_set import EMPTY, Mode
from aiida_mtp.core.active.grade import (
    Rows,
    atom_grades,
    build_active_set,
    extrapolation_grades,
    grade_of_row,
    rows_of,
)
from aiida_mtp.core.active.state_files import read_active_state
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import energy_gradients, site_energy_gradients
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch

MODES = pytest.mark.parametrize('mode', list(Mode))


def crystals(n, *, seed=0):
    return rattled_crystals(n, seed=seed, species=('Al', 'Ni'))


@pytest.fixture(scope='module')
def model():
    untrained = initial_model(6, ['Ni', 'Al'], 4.0, radial_basis_size=4)
    theta = np.random.default_rng(0).normal(size=untrained.n_parameters)
    return untrained.with_coefficients(theta)


@pytest.fixture(scope='module')
def training():
    return crystals(40, seed=1)


@MODES
def test_of_the_training_set_none_exceeds_the_threshold(model, training, mode):
    active_set = build_active_set(model, training, mode)
    assert extrapolation_grades(model, active_set, training).max() < 1.0011


@MODES
def test_rows_are_those_of_their_structures(model, training, mode):
    active_set = build_active_set(model, training, mode)
    own = Rows(model, active_set.structures, mode)
    rows = rows_of(model, active_set.structures, mode)
    held = ~active_set.is_empty_row
    assert 5 < held.sum() <= active_set.n_parameters
    of_row = own.first_row[active_set.structure_of_row] + active_set.atom_of_row
    np.testing.assert_allclose(active_set.matrix[held], rows[of_row[held]], rtol=1e-12, atol=1e-300)
    assert set(active_set.structure_of_row[held]) == set(range(len(active_set.structures)))
    assert (active_set.atom_of_row[~held] == EMPTY).all()


def test_definition(model, training):
    active_set = build_active_set(model, training)
    batch = crystals(12, seed=2)
    b = energy_gradients(model, batch) / batch.n_atoms[:, None]
    expected = np.abs(np.linalg.solve(active_set.matrix.T, b.T)).max(axis=0)
    np.testing.assert_allclose(extrapolation_grades(model, active_set, batch), expected, rtol=1e-6)


def test_the_grade_of_a_structure_is_that_of_its_worst_atom(model, training):
    active_set = build_active_set(model, training, Mode.NEIGHBORHOOD)
    batch = crystals(12, seed=2)
    grades = atom_grades(model, active_set, batch)
    expected = np.abs(site_energy_gradients(model, batch) @ active_set.inverse).max(axis=1)
    np.testing.assert_allclose(grades, expected, rtol=1e-10)
    worst = [grades[batch.atoms_of(s)].max() for s in range(12)]
    np.testing.assert_array_equal(extrapolation_grades(model, active_set, batch), worst)
    with pytest.raises(ValueError, match='configuration mode'):
        atom_grades(model, build_active_set(model, training), batch)


@MODES
def test_blocks_change_nothing(model, training, mode, monkeypatch):
    whole = rows_of(model, training, mode)
    monkeypatch.setattr(module, 'BLOCK_BYTES', 8 * model.n_parameters * 7)
    for kept in (0, 2**30):
        monkeypatch.setattr(module, 'KEPT_BYTES', kept)
        rows = Rows(model, training, mode)
        for _ in range(2):
            blocks = list(rows)
            assert len(blocks) > 5
            assert [first for first, _ in blocks] == list(
                np.cumsum([0, *(len(b) for _, b in blocks[:-1])])
            )
            np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), whole)
    assert [rows.structure_of(r) for r in rows.first_row[:-1]] == list(range(40))


@MODES
def test_nothing_is_known_without_a_training_set(model, mode):
    active_set = build_active_set(model, StructureBatch.empty(model.species), mode)
    assert active_set.is_empty_row.all()
    assert extrapolation_grades(model, active_set, crystals(3)).min() > 1e3
    assert len(extrapolation_grades(model, active_set, StructureBatch.empty(model.species))) == 0


def test_kernel():
    rng = np.random.default_rng(0)
    row, inverse, product = rng.normal(size=7), rng.normal(size=(7, 7)), np.empty(9)
    row[2] = 0
    grade = grade_of_row(row, 0.25, inverse, product)
    assert grade == pytest.approx(np.abs(0.25 * row @ inverse).max(), rel=1e-12)
    row[3] = np.nan
    assert np.isnan(grade_of_row(row, 0.25, inverse, product))


@pytest.mark.parametrize('name', ['as10_cfg', 'as10_nbh', 'as16_cfg'])
def test_as_mlip_3(shared_data, name):
    model = read_potential(shared_data / 'mlip3' / f'{name}.almtp')
    active_set = read_active_state(shared_data / 'mlip3' / f'{name}.almtp', model)
    batch = read_structures(shared_data / 'mlip3' / 'test200.cfg').take(slice(0, 60))
    reference = np.load(shared_data / 'mlip3' / f'ref_{name}__test200.npz')
    grades = extrapolation_grades(model, active_set, batch)
    np.testing.assert_allclose(grades, reference['GRADE'], rtol=1e-9)
    if active_set.mode is Mode.NEIGHBORHOOD:
        of_atoms = atom_grades(model, active_set, batch)
        np.testing.assert_allclose(of_atoms, reference['NG'], rtol=1e-9)


def test_as_mlip_2(shared_data):
    path = shared_data / 'mlip2' / 'm2_state.als'
    model = read_potential(path)
    batch = read_structures(shared_data / 'mlip3' / 'test200.cfg')
    printed = read_structures(shared_data / 'mlip2' / 'm2_grade.cfg').columns['grade']
    grades = extrapolation_grades(model, read_active_state(path, model), batch)
    np.testing.assert_allclose(grades, printed, atol=5.1e-7)
