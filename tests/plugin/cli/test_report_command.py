"""What ``aiida-mtp screen report`` says to people and to scripts."""

import json

import pytest


@pytest.fixture
def reference(tmp_path):
    """A hull of others: AlNi is confirmed, AlNi3 is new, Al3Ni is missing."""
    path = tmp_path / 'oqmd.csv'
    path.write_text('name,entry_id,delta_e\nNiAl,4061,-0.65\nAl3Ni,8100,-0.41\nTiAl,1,-0.4\n')
    return path


def test_for_scripts(screen, invoke):
    result = invoke('screen', 'report', screen.pk, '--json')
    found = json.loads(result.stdout)
    assert found['elements'] == ['Al', 'Ni']
    stable = {phase['formula']: phase for phase in found['phases'] if phase['stable']}
    assert set(stable) == {'Al', 'Ni', 'AlNi', 'AlNi3'}
    assert stable['AlNi']['formation_energy'] == pytest.approx(-0.65)
    assert stable['AlNi']['margin'] > 0
    assert stable['Al']['margin'] is None
    assert stable['AlNi']['space_group'] == 'Pm-3m (221)'
    (other,) = (phase for phase in found['phases'] if not phase['stable'])
    assert other['decomposition'] == pytest.approx({'Al': 0.5, 'AlNi': 0.5})
    assert found['counts']['candidates'] == 5
    assert [stage['reasons']['kept'] for stage in found['counts']['stages']] == [5, 5]
    assert found['seconds']['final'] == 15.0
    assert found['risk'] is found['comparison'] is None
    assert found['provenance']['screen'] == f'uuid {screen.uuid}'


def test_beside_a_reference(screen, invoke, reference, tmp_path):
    result = invoke('screen', 'report', screen.pk, '--reference', reference)
    assert result.exit_code == 0, result.output
    assert 'beside oqmd.csv' in result.output
    lines = {line.split()[1]: line for line in result.output.splitlines() if '│' in line}
    assert 'confirmed' in lines['AlNi']
    assert 'new' in lines['AlNi3']
    assert 'missing' in lines['Al3Ni']
    assert '8100' in lines['Al3Ni']
    path = tmp_path / 'report.html'
    words = ('--reference', reference, '--json', '-o', path)
    found = json.loads(invoke('screen', 'report', screen.pk, *words).stdout)
    verdicts = {one['formula']: one['verdict'] for one in found['comparison']['phases']}
    assert verdicts == {'AlNi': 'confirmed', 'AlNi3': 'new', 'Al3Ni': 'missing'}
    assert '1 new, 1 confirmed, 1 missing' in path.read_text(encoding='utf-8')


def test_a_reference_that_is_none(screen, complaint, tmp_path):
    path = tmp_path / 'other.csv'
    path.write_text('formula,delta_e\nTiAl,-0.4\n')
    words = complaint('screen', 'report', screen.pk, '--reference', path)
    assert words == f'{path}: holds no phase of Al-Ni'
