"""Sets of structures in nodes."""

import numpy as np
import pytest
from aiida.orm import QueryBuilder

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import write_structures
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

pytestmark = pytest.mark.usefixtures('aiida_profile_clean')


def test_what_was_stored_comes_back(batch):
    node = StructureSetData.from_batch(batch).store()
    found = QueryBuilder().append(StructureSetData).one()[0].get_batch()
    assert node.is_stored
    for name in ('positions', 'cells', 'energies', 'ids', 'origins', 'status'):
        np.testing.assert_array_equal(getattr(found, name), getattr(batch, name))
    assert found.columns['message'].tolist() == batch.columns['message'].tolist()


def test_attributes_answer_queries(batch):
    node = StructureSetData.from_batch(batch).store()
    StructureSetData.from_batch(batch.take([0])).store()
    for filters in (
        {'attributes.n_structures': 3},
        {'attributes.n_atoms': {'>': 3}},
        {'attributes.formulas': {'has_key': 'AlNi'}},
        {'attributes.status.failed': {'>=': 1}},
    ):
        assert QueryBuilder().append(StructureSetData, filters=filters).all(flat=True) == [node]
    assert node.formulas == {'AlNi': 2, 'Ni': 1}
    assert node.status_counts == {'done': 2, 'failed': 1}
    assert node.base.attributes.get('n_labelled') == 3
    assert node.base.attributes.get('lowest_energy_per_atom') == -5.5
    assert node.base.attributes.get('label_settings') == ['abc']


def test_equal_sets_have_equal_hashes(batch):
    first, second = (StructureSetData.from_batch(batch).store() for _ in range(2))
    other = StructureSetData.from_batch(batch.replaced(cells=batch.cells * 1.01)).store()
    hashes = [node.base.caching.get_hash() for node in (first, second, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_parts(batch):
    node = StructureSetData.from_batch(batch)
    assert len(node) == 3
    assert [one.ids[0] for one in node] == ['ni', 'b2', 'b2-twice']
    assert node[1:].ids.tolist() == ['b2', 'b2-twice']
    assert StructureSetData.from_batch(batch.take([]))  # a node is there


def test_one_structure_in_the_words_of_others(batch):
    node = StructureSetData.from_batch(batch)
    volume = batch.volumes[1]
    assert node.get_ase('b2').get_volume() == pytest.approx(volume)
    assert node.get_pymatgen('b2').reduced_formula == 'AlNi'
    structure = node.get_structuredata('b2')
    assert structure.get_cell_volume() == pytest.approx(volume)
    assert not structure.is_stored
    with pytest.raises(KeyError, match='nowhere'):
        node.get_ase('nowhere')


@pytest.mark.parametrize('suffix', ['parquet', 'cfg', 'extxyz'])
def test_files_of_any_format(batch, tmp_path, suffix):
    path = tmp_path / f'set.{suffix}'
    write_structures(path, batch)
    species = ['Al', 'Ni'] if suffix == 'cfg' else None
    found = StructureSetData.from_file(path, species)
    assert found.formulas == {'AlNi': 2, 'Ni': 1}


def test_half_a_file_is_refused(batch, tmp_path):
    path = tmp_path / 'set.parquet'
    write_structures(path, batch)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r'set\.parquet'):
        StructureSetData.from_file(path)


def test_a_file_alone_is_no_set(tmp_path):
    path = tmp_path / 'x.txt'
    path.write_text('nothing')
    with pytest.raises(InputError, match='from_batch or from_file'):
        StructureSetData(file=path).store()


def test_many_formulas_are_counted_alone(batch, monkeypatch):
    monkeypatch.setattr('aiida_mtp.data.structures.MAX_FORMULAS', 1)
    node = StructureSetData.from_batch(batch)
    assert node.formulas == {}
    assert node.base.attributes.get('n_formulas') == 2


def test_an_empty_set():
    node = StructureSetData.from_batch(StructureBatch.empty(('Al',))).store()
    assert len(node) == 0
    assert node.base.attributes.get('lowest_energy_per_atom') is None
