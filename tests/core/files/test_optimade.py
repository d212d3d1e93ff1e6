"""JSON lines of OPTIMADE: its own models take what we write, and we read what databases write."""

import json

import numpy as np
import pytest
from ase.build import bulk

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch


@pytest.fixture
def batch():
    crystals = [bulk('Al'), bulk('AlNi', 'cesiumchloride', a=2.9) * (2, 1, 1), bulk('Ni')]
    crystals.append(bulk('Ni', cubic=True))
    crystals[-1].symbols = 'NiNiAlTi'
    found = StructureBatch.from_ase(
        crystals,
        species=('Ni', 'Al', 'Ti'),
        energies=[-3.7, -21.0, np.nan, -20.0],
        ids=['fcc:Al', 'bcc-4-1:AlNi', 'fcc:Ni', 'own:Ni2AlTi'],
        origins=['Å', 'bcc', '', 'a file'],
    )
    columns = {'e_above_hull': [0.0, 0.01, np.nan, 0.2], 'label_process': ['u', 'v', '', 'w']}
    return found.with_columns(**columns)


@pytest.fixture
def lines(batch, tmp_path):
    write_structures(tmp_path / 'hull.jsonl', batch)
    text = (tmp_path / 'hull.jsonl').read_text(encoding='utf-8')
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.filterwarnings('ignore')  # of the package, when it is imported
def test_the_models_of_optimade_take_it(lines):
    models = pytest.importorskip('optimade.models')
    header, info, *entries = lines
    assert header == {'x-optimade': {'meta': {'api_version': '1.2.0'}}}
    known = models.EntryInfoResource(**info)
    for entry in entries:
        found = models.StructureResource(**entry)
        assert set(entry['attributes']) == set(known.properties)
        assert found.attributes.nsites == len(entry['attributes']['species_at_sites'])


def test_what_is_written(lines):
    alloy, metal = lines[3], lines[4]
    attributes = alloy['attributes']
    assert alloy['id'] == 'bcc-4-1:AlNi'
    assert attributes['chemical_formula_descriptive'] == 'Al2Ni2'
    assert attributes['chemical_formula_reduced'] == 'AlNi'
    assert attributes['elements_ratios'] == [0.5, 0.5]
    assert attributes['_aiidamtp_energy'] == -21.0
    assert metal['attributes']['_aiidamtp_energy'] is None
    assert metal['attributes']['_aiidamtp_e_above_hull'] is None
    assert lines[5]['attributes']['chemical_formula_reduced'] == 'AlNi2Ti'
    assert lines[5]['attributes']['chemical_formula_anonymous'] == 'A2BC'
    assert lines[1]['properties']['_aiidamtp_e_above_hull']['unit'] == 'eV/atom'


def test_there_and_back(batch, lines, tmp_path):  # noqa: ARG001 - they are written
    found = read_structures(tmp_path / 'hull.jsonl', batch.species)
    np.testing.assert_array_equal(found.positions, batch.positions)
    np.testing.assert_array_equal(found.cells, batch.cells)
    np.testing.assert_array_equal(found.types, batch.types)
    np.testing.assert_array_equal(found.energies, batch.energies)
    assert list(found.ids) == list(batch.ids)


def test_what_a_database_hands_out(lines, tmp_path):
    foreign = lines[3]
    attributes = foreign['attributes']
    kept = ('lattice_vectors', 'cartesian_site_positions', 'species', 'species_at_sites')
    foreign['attributes'] = {key: attributes[key] for key in kept} | {'_other_energy': -1.0}
    path = tmp_path / 'other.jsonl'
    reference = {'type': 'references', 'id': 'r', 'attributes': {}}
    path.write_text('\n'.join(json.dumps(line) for line in (lines[0], reference, foreign)) + '\n\n')
    found = read_structures(path)
    assert found.formulas == ['AlNi']
    assert np.isnan(found.energies).all()


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'species_at_sites': ['Al', 'Xx']}, 'fcc:Al has no ordered structure'),
        ({'species': None}, 'fcc:Al has no ordered structure'),
        ({'lattice_vectors': [[1, 0, 0]]}, 'fcc:Al has no ordered structure'),
        (
            {'species': [{'name': 'Al', 'chemical_symbols': ['Al', 'Ni']}]},
            'fcc:Al has no ordered structure',
        ),
        ({'dimension_types': [1, 1, 0]}, 'not periodic'),
    ],
)
def test_what_is_no_crystal_is_refused(lines, tmp_path, change, told):
    lines[2]['attributes'] |= change
    path = tmp_path / 'bad.jsonl'
    path.write_text('\n'.join(json.dumps(line) for line in lines[:3]))
    with pytest.raises(InputError, match=told):
        read_structures(path)


@pytest.mark.parametrize('text', ['{"id": 1}\n', 'no json\n', '[]\n'])
def test_other_lines_are_refused(tmp_path, text):
    path = tmp_path / 'bad.jsonl'
    path.write_text(text)
    with pytest.raises(InputError, match='line 1'):
        read_structures(path)
