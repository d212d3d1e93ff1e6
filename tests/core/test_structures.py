"""Many small crystals in a handful of arrays."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from reference.batches import assert_same, random_batch

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch


def test_atoms_of_a_structure():
    batch = random_batch(9)
    assert len(batch) == 9
    assert batch.n_atoms.sum() == len(batch.positions)
    rows = np.concatenate([np.arange(len(batch.positions))[batch.atoms_of(i)] for i in range(9)])
    np.testing.assert_array_equal(rows, np.arange(len(batch.positions)))
    for index in range(9):
        assert set(batch.structure_of_atom[batch.atoms_of(index)]) == {index}


def test_build_fills_in_what_is_not_known():
    batch = StructureBatch.build(['Al'], [[0], [0, 0]], [[[0, 0, 0]], np.ones((2, 3))], np.ones(18))
    assert list(batch.ids) == ['0', '1']
    assert list(batch.status) == ['new', 'new']
    assert batch.forces.shape == (3, 3)
    for labels in (batch.energies, batch.forces, batch.stresses):
        assert np.isnan(labels).all()
    assert batch.first_atom.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'energies': np.zeros(2)}, r'energies has shape \(2,\), not \(7,\)'),
        ({'positions': np.zeros((3, 3))}, 'has shape'),
        ({'types': 'beyond'}, r'types must lie in 0 … 2'),
        ({'types': 'negative'}, r'types must lie in 0 … 2'),
        ({'first_atom': 'shifted'}, 'first_atom must run from 0 to'),
        ({'columns': {'grade': np.zeros(3)}}, "column 'grade' has 3 rows, not 7"),
    ],
)
def test_arrays_that_do_not_fit(change, message):
    batch = random_batch()
    arrays = {
        'beyond': np.full_like(batch.types, 3),
        'negative': np.full_like(batch.types, -1),
        'shifted': batch.first_atom + 1,
    }
    change = {k: arrays[v] if isinstance(v, str) else v for k, v in change.items()}
    with pytest.raises(ValueError, match=message):
        batch.replaced(**change)


@pytest.mark.parametrize(
    'rows', [[3, 0, 3], np.array([6]), [], slice(2, 5), slice(None), np.arange(7) % 2 == 0, [-1]]
)
def test_take(rows):
    batch = random_batch()
    taken = batch.take(rows)
    index = np.arange(7)[np.asarray(rows, dtype=int) if isinstance(rows, list) else rows]
    assert len(taken) == len(index)
    assert taken.species == batch.species
    for new, old in enumerate(index):
        one, other = taken.atoms_of(new), batch.atoms_of(old)
        for name in ('types', 'positions', 'forces'):
            np.testing.assert_array_equal(getattr(taken, name)[one], getattr(batch, name)[other])
        for name in ('cells', 'ids', 'origins', 'status', 'energies', 'stresses'):
            np.testing.assert_array_equal(getattr(taken, name)[new], getattr(batch, name)[old])
        for name, column in batch.columns.items():
            np.testing.assert_array_equal(taken.columns[name][new], column[old])


def test_row_that_is_not_there():
    with pytest.raises(IndexError):
        random_batch().take([7])


def test_parts_joined_are_the_whole():
    batch = random_batch()
    assert_same(StructureBatch.concatenate(list(batch)), batch)
    assert_same(StructureBatch.concatenate([batch.take([]), batch]), batch)
    assert_same(StructureBatch.concatenate([]), StructureBatch.empty())


def test_joined_sets_with_other_species_and_columns():
    one = random_batch(3, species=('Al', 'Ni'))
    other = random_batch(4, species=('Cu', 'Ni'), seed=1).replaced(columns={'extra': np.ones(4)})
    joined = StructureBatch.concatenate([one, other])
    assert joined.species == ('Al', 'Ni', 'Cu')
    assert joined.formulas == one.formulas + other.formulas
    assert list(joined.columns['message']) == [*one.columns['message'], '', '', '', '']
    np.testing.assert_array_equal(joined.columns['extra'], [np.nan] * 3 + [1.0] * 4)
    np.testing.assert_array_equal(joined.columns['rank'], [0, 1, 2] + [np.nan] * 4)


def test_counts_and_formulas():
    b2 = Atoms('NiAl', [[0] * 3, [1.4] * 3], cell=[2.9] * 3, pbc=True)
    batch = StructureBatch.from_ase([b2 * 2, b2, bulk('Ni')], species=['Ni', 'Al'])
    np.testing.assert_array_equal(batch.compositions, [[8, 8], [1, 1], [1, 0]])
    assert batch.formulas == ['AlNi', 'AlNi', 'Ni']
    np.testing.assert_allclose(batch.volumes[:2], [8 * 2.9**3, 2.9**3])
    energies = batch.replaced(energies=np.array([-16.0, -2.0, np.nan]))
    np.testing.assert_array_equal(energies.energies_per_atom, [-1.0, -1.0, np.nan])


def test_there_and_back_through_ase():
    batch = random_batch()
    images = [batch.to_ase(index) for index in range(len(batch))]
    again = StructureBatch.from_ase(images, batch.species)
    for name in ('types', 'positions', 'cells', 'first_atom'):
        np.testing.assert_array_equal(getattr(again, name), getattr(batch, name))
    assert images[0].get_potential_energy() == batch.energies[0]
    np.testing.assert_array_equal(images[0].get_forces(), batch.forces[batch.atoms_of(0)])
    np.testing.assert_array_equal(images[0].get_stress(), batch.stresses[0])
    assert 'energy' not in images[1].calc.results  # NaN is no label
    assert 'forces' not in images[2].calc.results
    assert images[3].info['id'] == batch.ids[3]


def test_what_ase_has_that_a_batch_cannot_hold():
    slab = bulk('Al')
    slab.pbc = [True, True, False]
    with pytest.raises(InputError, match=r'structure 1 \(Al\) is not periodic'):
        StructureBatch.from_ase([bulk('Al'), slab])
    with pytest.raises(InputError, match='species Al not among Ni'):
        StructureBatch.from_ase([bulk('Al')], species=['Ni'])
    with pytest.raises(InputError, match='type0: not a chemical symbol'):
        StructureBatch.build(['type0'], [[0]], [[[0, 0, 0]]], np.eye(3)).to_ase(0)


def test_species_in_another_order():
    batch = random_batch()
    other = batch.with_species(['Ti', *batch.species[::-1]])
    assert other.formulas == batch.formulas
    assert_same(other.with_species(batch.species), batch)
    assert batch.with_species(list(batch.species)) is batch
    with pytest.raises(InputError, match='species Al not among Ni, Cu'):
        batch.with_species(['Ni', 'Cu'])


def test_species_that_do_not_occur_can_go():
    batch = StructureBatch.from_ase([bulk('Al')], species=['Ni', 'Al'])
    assert batch.with_species(['Al']).formulas == ['Al']
    assert StructureBatch.empty(['Ni']).with_species(['Al']).species == ('Al',)
    assert StructureBatch.empty().with_species(['Al']).species == ('Al',)


def test_names_for_types():
    batch = random_batch(species=('type0', 'type1'))
    named = batch.renamed(['Al', 'Ni', 'Cu'])
    np.testing.assert_array_equal(named.types, batch.types)
    assert named.species == ('Al', 'Ni', 'Cu')
    with pytest.raises(InputError, match='2 types need as many names; given: Al'):
        batch.renamed(['Al'])


def test_columns():
    batch = random_batch().with_columns(grade=[1.0] * 7, words=list('abcdefg'))
    assert batch.columns['grade'].tolist() == [1.0] * 7
    assert batch.columns['words'].dtype == object
    assert np.isnan(batch.column('nothing')).all()
    assert set(batch.column('nothing', 'blank')) == {'blank'}
    assert 'words' not in random_batch().columns


def test_index_of_an_id():
    assert random_batch().index_of('fcc-0003') == 3
    with pytest.raises(KeyError, match='bcc-1'):
        random_batch().index_of('bcc-1')


def test_labels_removed():
    batch = random_batch().without_labels()
    for labels in (batch.energies, batch.forces, batch.stresses):
        assert np.isnan(labels).all()
    np.testing.assert_array_equal(batch.positions, random_batch().positions)
