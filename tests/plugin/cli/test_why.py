"""What became of a structure."""

import json
from dataclasses import replace

import pytest

from aiida_mtp.cli.why import Final, Judgement, lines_of, why
from aiida_mtp.core.errors import InputError


def test_a_stable_phase(screen, invoke):
    fate = why(screen, 'Ni3Al')
    assert fate.structure_id == 'toy-AlNi3'
    assert [one.stage for one in fate.judgements] == ['stage_1', 'stage_2']
    assert all(one.is_kept for one in fate.judgements)
    assert fate.final.e_above_hull == pytest.approx(0.0, abs=1e-12)
    text = invoke('why', 'AlNi3').output
    assert f'AlNi3  toy-AlNi3, in screen {screen.pk}' in text
    assert 'Screen-1    kept' in text
    assert 'converged, largest grade 1.50' in text
    assert 'limit 16.0: 4 times its error of 4.0 meV/atom' in text
    assert 'final DFT   formation energy -425.0 meV/atom, 0.0 above the hull' in text


def test_for_scripts(invoke):
    found = json.loads(invoke('why', 'AlNi', '--json').output)
    assert found['structure_id'] == 'toy-AlNi'
    assert found['judgements'][0]['reason'] == 'kept'
    assert found['final']['status'] == 'done'


@pytest.fixture
def judgement():
    return Judgement(
        stage='stage_1',
        status='extrapolating',
        grade=12.0,
        formation_energy=-0.1,
        e_above_hull=0.25,
        sigma=0.01,
        reach=0.04,
        reason='above_hull',
        duplicate_of='',
        n_configurations=3,
        potential=7,
    )


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({}, 'dropped: further above the hull than the limit'),
        ({'reason': 'duplicate', 'duplicate_of': 'x'}, 'the same crystal as x'),
        ({'reason': 'unreliable', 'status': 'min_dist'}, 'its relaxation ended with min_dist'),
    ],
)
def test_reasons_in_words(screen, judgement, changes, told):
    fate = replace(why(screen, 'AlNi'), judgements=(replace(judgement, **changes),), final=None)
    text = '\n'.join(lines_of(fate))
    assert told in text
    assert '3 configurations learnt from' in text
    assert text.endswith('final DFT   not asked')


def test_dft_that_failed(screen):
    final = Final('failed', 'it sloshes', float('nan'), float('nan'))
    assert lines_of(replace(why(screen, 'AlNi'), final=final))[-1].endswith('failed: it sloshes')


def test_no_such_candidate(screen, invoke):
    with pytest.raises(InputError, match=r'Al7Ni: no candidate of screen \d+ has this'):
        why(screen, 'Al7Ni')
    assert 'no candidate' in invoke('why', 'Al7Ni').output


def test_nothing_is_judged_yet(graph):
    with pytest.raises(InputError, match='has judged nothing yet'):
        why(graph.screen, 'AlNi')
