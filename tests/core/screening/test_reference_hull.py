import json

import numpy as np
import pytest
from finished import finished_set

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.reference_files import read_reference
from aiida_mtp.core.screening.reference_hull import compare

SPECIES = ('Al', 'Ni')


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def entry(composition, energy, correction=0.0, name='mp-1'):
    return {
        'composition': composition,
        'energy': energy,
        'correction': correction,
        'entry_id': name,
        '@module': 'os',
        '@class': 'system',
    }


ENTRIES = [
    entry({'Al': 1.0}, -3.7, name='mp-134'),
    entry({'Ni': 2.0}, -11.0, name='mp-23'),
    entry({'Al': 1.0, 'Ni': 1.0}, -10.0, correction=-0.5, name='mp-1487'),
    entry({'Al': 2.0, 'Ni': 2.0}, -20.0, name='mp-9'),
    entry({'Al': 3.0, 'Ni': 1.0}, -18.2, name='mp-622209'),
    entry({'Al': 1.0, 'Ti': 1.0}, -12.0, name='mp-1953'),
]


def test_entries_with_total_energies(written):
    found = read_reference(written('mp.json', ENTRIES), SPECIES)
    assert dict(zip(found.formulas, found.ids, strict=True)) == {
        'Al': 'mp-134',
        'Ni': 'mp-23',
        'AlNi': 'mp-1487',
        'Al3Ni': 'mp-622209',
    }
    energies = dict(zip(found.formulas, found.formation_energies, strict=True))
    assert energies['AlNi'] == pytest.approx((-10.5 + 3.7 + 5.5) / 2)
    assert energies['Al3Ni'] == pytest.approx((-18.2 + 3 * 3.7 + 5.5) / 4)
    assert np.allclose(found.e_above_hull, 0.0)


def test_entries_agree_with_pymatgen(written):
    from pymatgen.analysis.phase_diagram import PhaseDiagram
    from pymatgen.entries.computed_entries import ComputedEntry

    entries = [
        ComputedEntry(one['composition'], one['energy'] + one['correction'])
        for one in ENTRIES
        if 'Ti' not in one['composition']
    ]
    diagram = PhaseDiagram(entries)
    found = read_reference(written('mp.json', ENTRIES), SPECIES)
    stable = {one.composition.reduced_formula for one in diagram.stable_entries}
    assert stable == {'Al', 'Ni', 'AlNi', 'Al3Ni'}
    assert set(np.array(found.formulas)[found.e_above_hull < 1e-9]) == stable


def test_documents_with_structures_and_formation_energies(written):
    sites = [
        {'species': [{'element': symbol, 'occu': 1, 'oxidation_state': 0}]} for symbol in SPECIES
    ]
    documents = [
        {
            'material_id': 'mp-1487',
            'structure': {'sites': sites},
            'formation_energy_per_atom': -0.6,
        },
        {'material_id': 'mp-2593', 'formula_pretty': 'AlNi3', 'formation_energy_per_atom': -0.4},
    ]
    found = read_reference(written('docs.json', {'data': documents}), SPECIES)
    assert dict(zip(found.formulas, found.formation_energies, strict=True)) == {
        'AlNi': -0.6,
        'AlNi3': -0.4,
    }


@pytest.mark.parametrize(
    'text',
    [
        'name,entry_id,delta_e,stability\nNiAl,4061,-0.65,0\nNi3Al,8100,-0.42,0.0\nTiAl,1,-0.4,0\n',
        'compound;auid;enthalpy_formation_atom\nAl1Ni1;a;-0.65\nAl1Ni3;b;-0.42\n',
        '\ufeff"Material ID","Formula","Formation energy"\nmp-1,"Al(Ni)",-0.65\n,Ni.75Al.25,-.42\n',
    ],
)
def test_tables_of_databases(written, text):
    found = read_reference(written('table.csv', text), SPECIES)
    energies = dict(zip(found.formulas, found.formation_energies, strict=True))
    assert energies == {'AlNi': -0.65, 'AlNi3': -0.42}


def test_new_confirmed_and_missing(written):
    text = (
        'formula,formation_energy,id\nNiAl,-0.65,a\nAl3Ni,-0.41,b\nAl3Ni2,-0.4,c\nAl4Ni3,-0.6,d\n'
    )
    reference = read_reference(written('oqmd.csv', text), SPECIES)
    ours = finished_set()
    found = compare(ours, reference)
    verdicts = {phase.formula: phase for phase in found.phases}
    assert {name: phase.verdict for name, phase in verdicts.items()} == {
        'AlNi3': 'new',
        'AlNi': 'confirmed',
        'Al3Ni': 'missing',
        'Al4Ni3': 'missing',
    }
    assert [found.count(word) for word in ('new', 'confirmed', 'missing')] == [1, 1, 2]
    assert found.n_reference == 4
    hull = hull_of(ours)
    missing = verdicts['Al3Ni']
    assert missing.energy == pytest.approx(-0.32)
    assert missing.distance == pytest.approx(
        -0.41 - hull.hull.energies_at(np.array([[0.75, 0.25]]))[0]
    )
    assert missing.reference_id == 'b'
    assert np.isnan(verdicts['Al4Ni3'].energy)
    new = verdicts['AlNi3']
    assert np.isnan(new.reference_energy)
    assert new.distance == pytest.approx(-0.432 + 0.65 / 2)


def test_a_hull_beside_itself_is_confirmed(written):
    ours = finished_set(3)
    done = ours.take(ours.status == 'done')
    rows = [
        f'{formula},{energy!r}'
        for formula, energy in zip(
            done.formulas, hull_of(done).formation_energies.tolist(), strict=True
        )
    ]
    text = '\n'.join(['formula,formation_energy', *rows])
    found = compare(ours, read_reference(written('own.csv', text), ours.species))
    assert {phase.verdict for phase in found.phases} == {'confirmed'}
    assert len(found.phases) == 3


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('a.txt', 'x', 'is a .json (entries) or a .csv file'),
        ('a.json', '{', 'no JSON'),
        ('a.json', {'entries': 3}, 'not a list of entries'),
        ('a.json', [{'energy': 3}], 'entry 1 (nameless) has no composition with an energy'),
        ('a.json', [entry({'Al': 1}, 'low')], "entry 1 (mp-1): 'low' is no energy"),
        ('a.json', [entry({'Al': 1}, -3.0)], 'no reference energy of Ni'),
        ('a.json', [entry({'Ti': 1}, -3.0)], 'holds no phase of Al-Ni'),
        (
            'a.json',
            [entry({'Al': 1}, -3.0), {'formula': 'Ni', 'formation_energy_per_atom': 0}],
            'some energies are total ones',
        ),
        ('a.csv', '', 'is empty'),
        ('a.csv', 'x,y\n1,2\n', "no column 'formula' among x, y"),
        ('a.csv', 'formula,energy\nAl,2\n', "no column 'formation_energy'"),
        ('a.csv', 'formula,formation_energy_mev\nAl,2\n', 'in eV/atom are needed'),
        ('a.csv', 'formula,delta_e\nAlNi,x\n', "line 2: 'x' is no energy"),
        ('a.csv', 'formula,delta_e\nAlNi\n', 'line 2 has 1 cells'),
        ('a.csv', 'formula,delta_e\nnothing,-1\n', "line 2: 'nothing' is no formula"),
    ],
)
def test_what_is_wrong_is_named(written, name, content, words):
    with pytest.raises(InputError) as error:
        read_reference(written(name, content), SPECIES)
    assert words in str(error.value)
    assert name in str(error.value)
