"""Potentials in nodes."""

import numpy as np
import pytest
from aiida.orm import QueryBuilder
from plugin.conftest import NAMES, POTENTIAL

from aiida_mtp.core.active.active_set import ActiveSet
from aiida_mtp.core.active.state_files import read_active_state, write_active_state
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.potential import MtpPotentialData

pytestmark = pytest.mark.usefixtures('aiida_profile_clean')
REPORT = {
    'n_structures': 7,
    'energy': {'rmse': 0.002, 'mae': 0.001, 'max': None},
    'energy_rmse_validation': 0.004,
}


@pytest.fixture
def model():
    return initial_model(6, ('Al', 'Ni'), 5.0, min_dist=2.0)


def test_what_was_stored_comes_back(model):
    node = MtpPotentialData.from_mtp(model).store()
    found = QueryBuilder().append(MtpPotentialData).one()[0].get_model()
    assert found.species == ('Al', 'Ni')
    np.testing.assert_allclose(found.coefficients, model.coefficients, rtol=1e-15)
    assert (node.level, node.cutoff, node.species) == (6, 5.0, ['Al', 'Ni'])
    assert not node.has_active_set


def test_attributes_answer_queries():
    node = MtpPotentialData.from_file(POTENTIAL, REPORT, NAMES).store()
    for filters in (
        {'attributes.level': 10},
        {'attributes.species': {'contains': ['Cu']}},
        {'attributes.errors.energy_rmse': {'<': 0.003}},
        {'attributes.n_training': 7},
    ):
        assert QueryBuilder().append(MtpPotentialData, filters=filters).all(flat=True) == [node]
    assert node.errors == {
        'energy_rmse': 0.002,
        'energy_mae': 0.001,
        'energy_rmse_validation': 0.004,
    }


@pytest.fixture
def with_active_set(model, tmp_path):
    n = model.n_parameters
    one = StructureBatch.build(model.species, [[0, 1]], [np.eye(3)[:2]], 4.0 * np.eye(3)[None])
    rows = np.zeros(n, dtype=int)
    path = tmp_path / 'p.almtp'
    write_active_state(path, model, ActiveSet(np.eye(n), np.eye(n), rows, rows, one))
    return path


def test_files_out(with_active_set, tmp_path):
    node = MtpPotentialData.from_file(with_active_set).store()
    assert node.best_file == 'potential.almtp'
    node.write(tmp_path / 'out.almtp')
    assert (tmp_path / 'out.almtp').read_bytes() == with_active_set.read_bytes()


def test_what_has_no_active_set_has_no_file_of_one(tmp_path):
    node = MtpPotentialData.from_file(POTENTIAL).store()  # an .almtp by name
    assert not node.has_active_set
    with pytest.raises(InputError, match=r'no active set; export it as \.mtp'):
        node.write(tmp_path / 'x.almtp')
    assert not (tmp_path / 'x.almtp').exists()


def test_names_stand_in_both_files(with_active_set, tmp_path):
    names = ['Ag', 'Cu']
    node = MtpPotentialData.from_file(with_active_set, species=names).store()
    for name in ('out.mtp', 'out.almtp'):
        node.write(tmp_path / name)
        assert read_potential(tmp_path / name).species == tuple(names)
    written = read_active_state(tmp_path / 'out.almtp', node.get_model())
    np.testing.assert_array_equal(written.matrix, np.eye(node.get_model().n_parameters))


def test_half_a_file_is_refused(tmp_path):
    path = tmp_path / 'half.mtp'
    path.write_bytes(POTENTIAL.read_bytes()[:3000])
    with pytest.raises(InputError, match=r'half\.mtp'):
        MtpPotentialData.from_file(path)


def test_nothing_is_no_potential():
    with pytest.raises(InputError, match='from_file or from_mtp'):
        MtpPotentialData().store()
