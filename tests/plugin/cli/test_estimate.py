"""``aiida-mtp screen launch --dry-run``: what a screen will cost."""

import json

import pytest
from aiida.orm import QueryBuilder, WorkChainNode
from plugin.cli.small_screen import batch_of

from aiida_mtp.cli import estimate as module
from aiida_mtp.core.files import write_structures
from aiida_mtp.data.structures import StructureSetData


@pytest.fixture
def dry_run(engine, code, invoke, tmp_path):
    """Ask what a small screen with EMT costs."""

    def call(*words, elements=('Al', 'Ni'), **overrides):
        path = tmp_path / 'overrides.yaml'
        given = {'prototypes': {'fcc': 3, 'bcc': 0, 'hcp': 2, 'aflow': 0}, **overrides}
        path.write_text(json.dumps({'dft': {'settings': {'calculator': 'emt'}}, **given}))
        codes = ('--engine', engine.full_label, '--dft', code.full_label)
        names = (*elements, '--protocol', 'fast', '--overrides', path)
        return invoke('screen', 'launch', *codes, *names, '--dry-run', *words)

    return call


def test_limits_without_experience(dry_run, code):  # noqa: ARG001 - the profile is new
    result = dry_run('--json')
    assert result.exit_code == 0, result.output
    cost = json.loads(result.output)
    assert cost['structures']['fcc'] == {'1': 2, '2': 2, '3': 6}
    assert cost['structures']['hcp'] == {'2': 3}
    assert cost['n_structures'] == sum(sum(n.values()) for n in cost['structures'].values())
    assert cost['counted'] is True
    assert cost['shards'] == {'stage_1': 1, 'stage_2': 1}
    assert cost['labels'] == {'expected': None, 'most': 40 + 8 * 20 + 6 * 15}
    assert cost['dft_hours'] == {'expected': None, 'most': None}
    assert cost['engine_hours']['most'] > 0
    assert any('No screen of this profile has found its hull' in line for line in cost['basis'])
    assert not QueryBuilder().append(WorkChainNode).count()
    known = StructureSetData.from_batch(batch_of(['AlNi'])).store()
    cost = json.loads(dry_run('--json', '--training-set', known.pk).output)
    assert cost['labels']['most'] == 8 * 20 + 6 * 15


def test_shards_and_structures_of_ones_own(dry_run, tmp_path):
    path = tmp_path / 'own.parquet'
    write_structures(path, batch_of(['AlNi', 'AlNi3']))
    words = ('--structures', path, '--json')
    cost = json.loads(dry_run(*words, stage_1={'shard_size': 4}).output)
    assert cost['structures']['own'] == {'2': 1, '4': 1}
    assert cost['shards']['stage_1'] == -(-cost['n_structures'] // 4)
    cost = json.loads(dry_run(*words, prototypes=None).output)
    assert cost['structures'] == {'own': {'2': 1, '4': 1}}


def test_what_is_too_much_is_counted(dry_run, monkeypatch):
    only_fcc = {'fcc': 5, 'bcc': 0, 'hcp': 0, 'aflow': 0}
    every = json.loads(dry_run('--json', prototypes=only_fcc).output)
    monkeypatch.setattr(module, 'ENUMERATED', 20)
    cost = json.loads(dry_run('--json', prototypes=only_fcc).output)
    assert cost['formula'] == {'fcc': [5]}
    assert cost['counted'] is False
    sizes, exact = cost['structures']['fcc'], every['structures']['fcc']
    assert {size: sizes[size] for size in '1234'} == {size: exact[size] for size in '1234'}
    assert exact['5'] < sizes['5'] < 1.5 * exact['5']
    assert 'Not generated but counted by symmetry' in cost['basis'][0]


def test_it_is_shown_with_what_earlier_screens_took(screen, dry_run):
    text = dry_run().output
    assert 'structures to begin with' in text
    assert 'DFT labels to learn from' in text
    assert f'as in screen {screen.pk}' in text
    cost = json.loads(dry_run('--json').output)
    # three of five candidates went to the last relaxation
    assert cost['final_relaxations']['expected'] == -(-3 * cost['n_structures'] // 5)
    assert cost['dft_hours']['expected'] is not None


def test_a_submission_is_not_made_by_showing(dry_run):
    assert dry_run('--yaml').exit_code == 0
    assert (
        not QueryBuilder()
        .append(WorkChainNode, filters={'label': 'Al-Ni', 'process_type': {'like': '%mtp.screen'}})
        .count()
    )
