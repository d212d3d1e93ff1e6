"""Entries of pymatgen: its phase diagram takes what we write, and we read what it writes."""

import json

import numpy as np
import pytest
from ase.build import bulk
from monty.serialization import dumpfn, loadfn
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.core import Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch


@pytest.fixture
def batch():
    crystals = [bulk('Al'), bulk('Ni'), bulk('AlNi', 'cesiumchloride', a=2.9)]
    crystals += [bulk('NiAl', 'rocksalt', a=5.0)]
    found = StructureBatch.from_ase(
        crystals, energies=[-3.7, -5.5, -10.5, -9.6], ids=['a', 'b', 'c', 'd']
    )
    return found.with_columns(e_above_hull=np.array([0.0, 0.0, 0.0, np.nan]))


def test_pymatgen_finds_the_same_hull(batch, tmp_path):
    write_structures(tmp_path / 'hull.json', batch)
    entries = loadfn(tmp_path / 'hull.json')
    diagram = PhaseDiagram(entries)
    expected = hull_of(batch).e_above_hull
    found = [diagram.get_e_above_hull(entry) for entry in entries]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert [entry.entry_id for entry in entries] == list(batch.ids)
    assert entries[3].data['e_above_hull'] is None


def test_there_and_back(batch, tmp_path):
    write_structures(tmp_path / 'hull.json', batch)
    found = read_structures(tmp_path / 'hull.json', batch.species)
    np.testing.assert_allclose(found.positions, batch.positions, atol=1e-10)
    np.testing.assert_allclose(found.cells, batch.cells, atol=1e-10)
    np.testing.assert_allclose(found.energies, batch.energies)
    assert list(found.ids) == list(batch.ids)


def test_what_a_database_hands_out(tmp_path):
    structure = Structure(Lattice.cubic(4.0), ['Al3+', 'N3-'], [[0, 0, 0], [0.5, 0.5, 0.5]])
    entry = ComputedStructureEntry(structure, -12.0, correction=-1.0, entry_id='mp-1')
    document = {'structure': structure.as_dict(), 'material_id': 'mp-2'}
    dumpfn({'entries': [entry.as_dict(), document]}, tmp_path / 'mp.json')
    found = read_structures(tmp_path / 'mp.json')
    assert list(found.ids) == ['mp-1', 'mp-2']
    assert found.formulas == ['AlN', 'AlN']
    np.testing.assert_array_equal(found.energies, [-12.0, np.nan])


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        ('{', 'no JSON'),
        ('3', 'not a list of entries'),
        ('[{"energy": 1}]', 'entry-0 has no ordered structure'),
        ('[{"structure": {"@module": "os", "@class": "system"}}]', 'has no ordered structure'),
    ],
)
def test_what_is_none(tmp_path, content, told):
    (tmp_path / 'x.json').write_text(content)
    with pytest.raises(InputError, match=told):
        read_structures(tmp_path / 'x.json')


def test_partial_occupation(tmp_path):
    structure = Structure(Lattice.cubic(4.0), [{'Al': 0.5, 'Ni': 0.5}], [[0, 0, 0]])
    (tmp_path / 'x.json').write_text(json.dumps([{'structure': structure.as_dict()}]))
    with pytest.raises(InputError, match='entry-0 has no ordered structure'):
        read_structures(tmp_path / 'x.json')


def test_without_an_energy(batch, tmp_path):
    with pytest.raises(InputError, match='a has no energy'):
        write_structures(tmp_path / 'x.json', batch.without_labels())
    assert not (tmp_path / 'x.json').exists()
