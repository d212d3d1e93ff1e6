"""Active sets in MLIP's files: exact both ways, whatever bytes the numbers have."""

import numpy as np
import pytest

from aiida_mtp.core.active.active_set import EMPTY, ActiveSet, Mode
from aiida_mtp.core.active.state_files import read_active_state, write_active_state
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.mlip import read_potential, write_potential
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch

NASTY = np.frombuffer(b'\n#MVS_v1.1\n#\n^\n#END_CFG\n', np.float64)  # markers, as three numbers
MLIP3_FILES = ('as10_cfg', 'as10_nbh', 'as16_cfg', 'relaxpot_as', 'trained10_EMT_NiAlCu')
BOTH = pytest.mark.parametrize('suffix', ['.almtp', '.als'])


@pytest.fixture
def model():
    return initial_model(2, ['Al', 'Ni'], 5.0)  # 35 parameters


@pytest.fixture
def active_set(model):
    rng = np.random.default_rng(0)
    n = model.n_parameters
    matrix, inverse = rng.normal(size=(2, n, n))
    matrix[5, 3:6] = inverse[3:6, 5] = NASTY
    structures = StructureBatch.build(
        model.species,
        [[0, 1], [1], [0, 0, 1]],
        [rng.normal(size=(k, 3)) for k in (2, 1, 3)],
        np.eye(3) * 4 + rng.normal(size=(3, 3, 3)) * 0.1,
        ids=['a', 'b c', '3'],
        energies=[-1.5, np.nan, 0.1],
        forces=[rng.normal(size=(2, 3)), np.full((1, 3), np.nan), rng.normal(size=(3, 3))],
        stresses=np.full((3, 6), np.nan),
    )
    of_row = np.resize([2, 0, 1, EMPTY], n)
    atoms = np.where(of_row == EMPTY, EMPTY, 0)
    return ActiveSet(matrix, inverse, of_row, atoms, structures)


def assert_same(a, b):
    for name in ('matrix', 'inverse', 'structure_of_row', 'atom_of_row', 'mode'):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ('types', 'positions', 'cells', 'ids', 'energies', 'forces', 'stresses', 'species'):
        np.testing.assert_array_equal(getattr(a.structures, name), getattr(b.structures, name))


def test_almtp_is_exact(tmp_path, model, active_set):
    path = tmp_path / 'p.almtp'
    write_active_state(path, model, active_set)
    assert_same(read_active_state(path, model), active_set)
    assert read_potential(path).species == model.species
    found = read_potential(path).coefficients
    np.testing.assert_allclose(found, model.coefficients, rtol=1e-15)


def test_als_is_exact_but_for_the_order_of_its_structures(tmp_path, model, active_set):
    path = tmp_path / 'p.als'
    write_active_state(path, model, active_set)
    found = read_active_state(path, model)
    assert found.structures.ids.tolist() == ['3', 'a', 'b c']  # by the first row they hold
    write_active_state(tmp_path / 'q.als', model, found)
    assert (tmp_path / 'q.als').read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(found.is_empty_row, active_set.is_empty_row)
    np.testing.assert_array_equal(found.inverse, active_set.inverse)


def test_rows_of_atoms(tmp_path, model, active_set):
    atoms = np.where(active_set.structure_of_row == 2, 1, active_set.atom_of_row)
    by_atom = ActiveSet(
        active_set.matrix,
        active_set.inverse,
        active_set.structure_of_row,
        atoms,
        active_set.structures,
        Mode.NEIGHBORHOOD,
    )
    write_active_state(tmp_path / 'p.almtp', model, by_atom)
    assert_same(read_active_state(tmp_path / 'p.almtp', model), by_atom)
    assert b'\n2 17\n' in (tmp_path / 'p.almtp').read_bytes()  # 1 + 9 forces + 6 stresses + 1
    write_active_state(tmp_path / 'p.als', model, by_atom)
    found = read_active_state(tmp_path / 'p.als', model)
    assert found.mode is Mode.NEIGHBORHOOD
    with pytest.raises(InputError, match='build it anew'):
        write_active_state(tmp_path / 'q.almtp', model, found)


def test_a_bare_potential_has_none(tmp_path, model):
    write_potential(tmp_path / 'p.mtp', model)
    assert read_active_state(tmp_path / 'p.mtp', model) is None


def test_an_active_set_of_another_potential_is_refused(tmp_path, active_set):
    with pytest.raises(ValueError, match='35 parameters'):
        write_active_state(tmp_path / 'p.almtp', initial_model(4, ['Al', 'Ni'], 5.0), active_set)
    assert not list(tmp_path.iterdir())


@BOTH
def test_a_file_cut_anywhere_is_refused(tmp_path, model, active_set, suffix):
    path = tmp_path / f'p{suffix}'
    write_active_state(path, model, active_set)
    content = path.read_bytes()
    start = content.index(b'\n#MVS_v1.1\n' if suffix == '.almtp' else b'\n^') + 11
    ends = [*range(start, start + 200, 7), *range(start + 200, len(content) - 9, 97)]
    for end in ends:
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=f'p{suffix}'):
            read_active_state(path, model)


@BOTH
@pytest.mark.parametrize(
    ('old', 'new', 'what'),
    [
        (b'BEGIN_CFG', b'BEGIN_CFX', 'p'),
        (NASTY.tobytes(), NASTY.tobytes()[1:], 'damaged'),
        (NASTY[:1].tobytes(), np.array([np.nan]).tobytes(), 'not finite'),
        (b'\n35 ', b'\n99 ', 'damaged'),
        (b'\n2 0\n', b'\n7 0\n', 'damaged'),
        (b'force_weight 0', b'force_weight 2', 'only configuration mode'),
        (b'stress_weight', b'strass_weight', 'stress_weight'),
    ],
)
def test_damage_is_named(tmp_path, model, active_set, suffix, old, new, what):
    path = tmp_path / f'p{suffix}'
    write_active_state(path, model, active_set)
    content = path.read_bytes()
    if old not in content:
        pytest.skip('not in this format')
    head, tail = content.rsplit(old, 1)
    path.write_bytes(head + new + tail)
    with pytest.raises(InputError, match=what):
        read_active_state(path, model)


def test_types_keep_the_numbers_of_the_file(tmp_path, model, active_set):
    nameless = model.renamed(['type3', 'type1'])
    same = ActiveSet(
        active_set.matrix,
        active_set.inverse,
        active_set.structure_of_row,
        active_set.atom_of_row,
        active_set.structures.renamed(nameless.species),
    )
    write_active_state(tmp_path / 'p.almtp', nameless, same)
    assert b'\n    1 3  ' in (tmp_path / 'p.almtp').read_bytes()
    assert_same(read_active_state(tmp_path / 'p.almtp', nameless), same)
    named = read_active_state(tmp_path / 'p.almtp', model)
    assert_same(named, active_set)


@pytest.mark.parametrize('name', MLIP3_FILES)
def test_what_mlip_3_wrote_is_written_again(shared_data, tmp_path, name):
    assert_rewritten(shared_data / 'mlip3' / f'{name}.almtp', tmp_path / 'p.almtp')


def test_what_mlip_2_wrote_is_written_again(shared_data, tmp_path):
    assert_rewritten(shared_data / 'mlip2' / 'm2_state.als', tmp_path / 'p.als')


def assert_rewritten(source, target):
    """All bytes are the same but for the last digit of stresses, which we divide by the volume."""
    model = read_potential(source)
    write_active_state(target, model, read_active_state(source, model))
    old, new = (path.read_bytes().split(b'PlusStress:') for path in (source, target))
    assert old[0] == new[0]
    for a, b in zip(old[1:], new[1:], strict=True):
        stress, rest = (a.split(b'\n', 2)[k] for k in (1, 2))
        np.testing.assert_allclose(
            *(np.array(x.split(), float) for x in (stress, b.split(b'\n', 2)[1])), rtol=1e-15
        )
        assert rest == b.split(b'\n', 2)[2]
