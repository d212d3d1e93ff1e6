"""``aiida-mtp set`` and ``aiida-mtp potential``."""

import json
import re

import numpy as np
import pytest
from aiida.orm import QueryBuilder, load_node
from ase.build import bulk
from ase.io import write
from plugin.cli.small_screen import batch_of

from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData


@pytest.fixture
def structures(code):  # noqa: ARG001 - a database
    return StructureSetData.from_batch(batch_of(['Al', 'AlNi'])).store()


@pytest.fixture
def potential(code):  # noqa: ARG001 - a database
    return MtpPotentialData.from_mtp(initial_model(6, ['Al', 'Ni'], 5.0, min_dist=2.0)).store()


def test_sets_are_listed_with_what_they_hold(structures, invoke):
    result = invoke('set', 'list')
    assert result.exit_code == 0
    line = next(x for x in result.output.splitlines() if f' {structures.pk} ' in x)
    assert [word.strip() for word in line.split('│')[1:-1]] == [
        *(str(structures.pk), 'Al-Ni', '2', '2', '2 done', 'imported'),
    ]


def test_for_scripts(structures, potential, invoke):
    found = json.loads(invoke('set', 'list', '--json').output)
    own = next(one for one in found if one['pk'] == structures.pk)
    assert (own['structures'], own['status']) == (2, {'done': 2})
    found = json.loads(invoke('set', 'show', structures.pk, '--json').output)
    assert [one['id'] for one in found['structures']] == ['toy-Al', 'toy-AlNi']
    assert found['structures'][1]['energy_per_atom'] == -5.25
    found = json.loads(invoke('potential', 'list', '--json').output)
    own = next(one for one in found if one['pk'] == potential.pk)
    assert (own['level'], own['species'], own['made_by']) == (6, ['Al', 'Ni'], 'imported')
    shown = json.loads(invoke('potential', 'show', potential.pk, '--json').output)
    assert shown == own


def test_a_set_is_shown(structures, invoke):
    text = invoke('set', 'show', structures.uuid).output
    assert re.search(r'toy-AlNi .* AlNi .* 2 .* -5\.2500', text)


def test_brackets_in_names_are_no_markup(code, invoke):  # noqa: ARG001 - a database
    batch = batch_of(['Al', 'AlNi'])
    names = np.array(['[/]', '[link=file:///etc/passwd]x'], dtype=object)
    node = StructureSetData.from_batch(batch.replaced(ids=names)).store()
    result = invoke('set', 'show', node.pk)
    assert result.exit_code == 0
    assert all(name in result.output for name in names)


@pytest.mark.parametrize('suffix', ['parquet', 'extxyz', 'cfg', 'json', 'jsonl'])
def test_a_set_goes_out_and_comes_back(structures, invoke, tmp_path, suffix):
    path = tmp_path / f'set.{suffix}'
    assert invoke('set', 'export', structures.pk, '-o', path).exit_code == 0
    words = ('--species', 'Al', '--species', 'Ni') if suffix == 'cfg' else ()
    result = invoke('set', 'import', path, *words)
    assert result.exit_code == 0, result.output
    node = load_node(re.search(r'uuid (\S+):', result.output)[1])
    back, given = node.get_batch(), structures.get_batch()
    assert back.formulas == ['Al', 'AlNi']
    np.testing.assert_allclose(back.energies, given.energies)
    np.testing.assert_allclose(back.volumes, given.volumes, rtol=1e-5)


def test_one_structure_of_a_set(structures, invoke, complaint, tmp_path):
    path = tmp_path / 'one.cif'
    assert invoke('set', 'export', structures.pk, '-o', path, '--id', 'toy-AlNi').exit_code == 0
    assert read_structures(path).formulas == ['AlNi']
    told = complaint('set', 'export', structures.pk, '-o', path, '--id', 'toy-Ni')
    assert told.startswith("no structure with id 'toy-Ni'; see aiida-mtp set show")


def test_potentials_are_listed_and_shown(potential, invoke):
    line = next(x for x in invoke('potential', 'list').output.splitlines() if 'Al-Ni' in x)
    cells = [word.strip() for word in line.split('│')[1:-1]]
    assert cells[:4] == [str(potential.pk), 'Al-Ni', '6', '5 Å']
    text = invoke('potential', 'show', potential.pk).output
    assert text.startswith(f'potential {potential.pk}, uuid {potential.uuid}, imported\n')
    assert re.search(r'level +6\n', text)


def test_a_potential_goes_out_and_comes_back(potential, invoke, complaint, tmp_path):
    path = tmp_path / 'al_ni.mtp'
    told = invoke('potential', 'export', potential.pk, '-o', path)
    assert told.exit_code == 0
    assert 'atom types 1 Al, 2 Ni' in told.output
    assert f'pair_style mlip load_from={path}\n' in told.output
    assert read_potential(path).species == ('Al', 'Ni')
    result = invoke('potential', 'import', path)
    node = load_node(re.search(r'uuid (\S+)', result.output)[1])
    np.testing.assert_array_equal(node.get_model().coefficients, potential.get_model().coefficients)
    assert 'no active set' in complaint(
        'potential', 'export', potential.pk, '-o', tmp_path / 'a.almtp'
    )
    assert not (tmp_path / 'a.almtp').exists()


def test_bad_files_leave_nothing_behind(complaint, tmp_path):
    before = QueryBuilder().append(StructureSetData).count()
    empty = tmp_path / 'empty.parquet'
    write_structures(empty, StructureBatch.empty(('Al',)))
    assert complaint('set', 'import', empty) == f'{empty}: holds no structures'
    corrupt = tmp_path / 'corrupt.parquet'
    corrupt.write_bytes(b'PAR1 and no more')
    assert str(corrupt) in complaint('set', 'import', corrupt)
    bad = tmp_path / 'bad.mtp'
    bad.write_text('MTP\nversion = 1.1.0\n')
    assert str(bad) in complaint('potential', 'import', bad)
    assert QueryBuilder().append(StructureSetData).count() == before


def test_nowhere_to_write(structures, complaint, tmp_path):
    path = tmp_path / 'no' / 'folder' / 'x.cfg'
    assert 'No such file or directory' in complaint('set', 'export', structures.pk, '-o', path)


def test_an_unreadable_suffix(complaint, tmp_path):
    atoms = tmp_path / 'al.traj'
    write(atoms, bulk('Al'))
    assert str(atoms) in complaint('set', 'import', atoms)
