"""``aiida-mtp screen diff``."""

import json

import pytest
from aiida.common.links import LinkType
from aiida.orm import Dict, Int
from plugin.cli.small_screen import Graph


@pytest.fixture(scope='module')
def other(code):
    """A screen with a smaller first potential that has found AlNi less stable, and no AlNi3."""
    graph = Graph(code).start({'stage_1__level': Int(6), 'prototypes': Dict({'fcc': 4, 'bcc': 2})})
    phases = {'Al': 0.0, 'Ni': 0.0, 'AlNi': -0.5, 'Al3Ni2': -0.4}
    stable = Dict(
        {'phases': [{'formula': f, 'formation_energy': energy} for f, energy in phases.items()]}
    )
    graph.function('stable_phases', graph.screen, {}, {'result': stable})
    stable.base.links.add_incoming(graph.screen, LinkType.RETURN, 'stable')
    return graph.finish()


def test_what_differs(screen, other, invoke):
    result = invoke('screen', 'diff', screen.pk, other.uuid, '--json')
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found['screens'] == [screen.pk, other.pk]
    assert found['inputs'] == {'prototypes.bcc': [None, 2], 'stage_1.level': [8, 6]}
    assert found['numbers']['candidates'] == [5, None]
    assert found['numbers']['stage_1: training set'] == [3, None]
    assert found['numbers']['stage_1: energy error, meV/atom'] == [4.0, None]
    assert set(found['phases']) == {'AlNi', 'AlNi3', 'Al3Ni2'}
    assert found['phases']['Al3Ni2'] == [None, -0.4]
    assert found['n_common'] == 2


def test_it_is_shown(screen, other, invoke):
    text = invoke('screen', 'diff', screen.pk, other.pk).output
    assert f'screen {other.pk}' in text
    assert 'stage_1.level' in text
    assert '-500.0' in text
    assert '2 more are the same in both' in text


def test_a_screen_and_itself(screen, invoke):
    found = json.loads(invoke('screen', 'diff', screen.pk, screen.pk, '--json').output)
    assert not found['inputs']
    assert not found['phases']
    assert found['n_common'] == 4
    assert 'none' in invoke('screen', 'diff', screen.pk, screen.pk).output


def test_what_is_no_screen(screen, complaint):
    assert 'see aiida-mtp screen list' in complaint(
        'screen', 'diff', screen.pk, screen.called[0].pk
    )
