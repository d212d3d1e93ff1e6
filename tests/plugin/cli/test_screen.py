"""``aiida-mtp screen``, and what it is made of."""

import json
import re

import pytest
import yaml
from aiida.common.links import LinkType
from aiida.orm import Int, Node, WorkChainNode
from plugin.cli.small_screen import Graph, batch_of
from standins.vasp_code import VaspStandIn

from aiida_mtp.cli.hull_table import hull_table
from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.cli.report import failed_labels
from aiida_mtp.cli.screens import screen_with_inputs, why_failed
from aiida_mtp.core._arrays import strings
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.screen import MtpScreenWorkChain


@pytest.fixture
def launch(engine, code, invoke):
    """Check a screen with EMT and show its inputs, but do not submit it."""

    def call(*words):
        codes = ('--engine', engine.full_label, '--dft', code.full_label)
        return invoke('screen', 'launch', *codes, '--yaml', *words)

    return call


# How a screen stands


def test_called_by_finds_every_process_with_its_path(graph):
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    label = graph.chain('MtpLabelWorkChain', 'final')
    job, _ = graph.label(stage, 'dft_0_0', ['Al'], ended=False)
    found = {one.pk: one for one in called_by(graph.screen)}
    assert set(found) == {stage.pk, label.pk, job.pk}
    assert found[job.pk].path == ('stage_1', 'dft_0_0')
    assert found[job.pk].part == 'stage_1'
    assert found[job.pk].is_job
    assert found[job.pk].is_running
    assert not found[stage.pk].is_job
    assert not found[label.pk].is_running
    assert found[label.pk].is_done


def test_status_of_a_finished_screen(screen, invoke):
    text = invoke('screen', 'status', screen.pk).output
    assert re.search(rf'screen {screen.pk} of Al-Ni: done', text)
    assert re.search(r'elements, relaxed with DFT <\d+>: done', text)
    assert re.search(r'prototypes <\d+>: done\n│   └── 5 new', text)
    assert 'initial set: level 8 trained on 3, energy error 4.0 meV/atom' in text
    assert 'initial set: level 10 trained on 5' in text
    assert 'iteration 1: 5 converged; 0 to learn' in text
    assert 'kept 5 of 5: 5 kept' in text
    assert 'stable: Al, Ni, AlNi, AlNi3' in text


def test_watched_until_it_ends(graph, invoke, monkeypatch):
    looks = []

    def sleep(_):
        looks.append(graph.screen.is_terminated)
        graph.job('prototypes', graph.screen, 'prototypes', ended=len(looks) > 1)
        if len(looks) == 2:
            graph.finish(401, 'The elements failed: no reason')

    monkeypatch.setattr('aiida_mtp.cli.status.time.sleep', sleep)
    result = invoke('screen', 'status', graph.screen.pk, '--watch')
    assert result.exit_code == 0, result.output
    assert looks == [False, False]
    assert 'The elements failed: no reason' in result.output


def test_status_of_a_screen_that_runs(graph, invoke):
    references = graph.chain('MtpLabelWorkChain', 'references')
    graph.label(references, 'dft_0_0', ['Al', 'Ni'])
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    job, _ = graph.label(stage, 'dft_0_0', ['Al', 'AlNi', 'AlNi3'], ended=False)
    text = invoke('screen', 'status').output  # the newest
    assert f'screen {graph.screen.pk} of Al-Ni: running' in text
    assert f'MtpDftCalculation<{job.pk}>: 3 structures' in text
    assert 'Screen-2, the larger potential: not yet' in text


def test_what_was_tried_again_counts_as_it_ended(graph, invoke):
    failed = graph.job('prototypes', graph.screen, 'prototypes')
    failed.set_exit_status(302)
    job = graph.job('prototypes', graph.screen, 'prototypes')
    assert f'prototypes <{job.pk}>: done' in invoke('screen', 'status').output


def test_a_failed_screen_names_the_deepest_reason(graph, invoke):
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    job, _ = graph.label(stage, 'dft_0_0', ['Al'], ended=False)
    for node, message in ((job, 'The input was refused: no such thing'), (stage, 'it failed')):
        node.set_process_state('finished')
        node.set_exit_status(210)
        node.set_exit_message(message)
    graph.finish(403, 'stage_1 failed')
    reason = f'MtpDftCalculation<{job.pk}>: The input was refused: no such thing'
    assert why_failed(graph.screen) == reason
    assert reason in invoke('screen', 'status', graph.screen.pk).output


def test_a_status_for_scripts(screen, graph, invoke, complaint):
    found = json.loads(invoke('screen', 'status', screen.pk, '--json').output)
    assert found['state'] == 'done'
    assert found['dft'] == {'done': 10, 'running': 0, 'failed': 0}
    assert (found['n_training'], found['energy_error']) == (5, 0.004)
    parts = {part['label']: part for part in found['parts']}
    assert parts['stage_1']['n_retained'] == 5
    assert parts['stage_2']['rounds'][0]['level'] == 10
    assert parts['stage_2']['rounds'][1]['relaxed'] == {'converged': 5}
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    graph.label(stage, 'dft_0_0', ['Al', 'AlNi', 'AlNi3'], ended=False)
    found = json.loads(invoke('screen', 'status', '--json').output)
    assert found['state'] == 'running'
    assert found['dft'] == {'done': 0, 'running': 3, 'failed': 0}
    assert found['parts'][3]['state'] == 'not yet'
    assert '--watch' in complaint('screen', 'status', '--json', '--watch')


def test_what_dft_could_not_do_and_what_is_left(code, tmp_path, invoke):
    limits = {'max_initial': 4, 'max_iterations': 2, 'max_labels': 3}
    graph = Graph(code).start({f'stage_1__{name}': Int(n) for name, n in limits.items()})
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    labels = StructureSetData.from_batch(batch_of(['AlNi', 'AlNi3'], 'done')).store()
    label = graph.process(
        WorkChainNode(), stage, 'label_0', 'MtpLabelWorkChain', outputs={'structures': labels}
    )
    failed = StructureSetData.from_batch(batch_of(['AlNi', 'AlNi3', 'Al3Ni'], 'failed'))
    graph.job('dft', label, 'dft_0_0', {}, {'structures': failed})
    running, _ = graph.label(stage, 'dft_1_0', ['Al', 'AlNi'], ended=False)
    (tmp_path / 'results').mkdir()
    (tmp_path / 'results' / 'one.json').write_text('{}')
    running.set_remote_workdir(str(tmp_path))
    found = json.loads(invoke('screen', 'status', graph.screen.pk, '--json').output)
    assert found['dft'] == {'done': 1, 'running': 1, 'failed': 3}
    assert (found['n_labels'], found['max_labels']) == (2, 4 + 2 * 3)
    assert found['seconds_left_now'] > 0  # one of two is through: as long again
    assert found['seconds_left_learning'] > 0
    text = invoke('screen', 'status', graph.screen.pk).output
    assert '1 done, 1 running, 3 failed' in text
    assert '2 labels of at most 10' in text


def test_screens_are_listed(screen, graph, invoke):
    found = json.loads(invoke('screen', 'list', '--json').output)
    assert {one['uuid'] for one in found} >= {screen.uuid, graph.screen.uuid}
    assert found[-1]['elements'] == ['Al', 'Ni']
    lines = invoke('screen', 'list').output.splitlines()
    assert any(re.search(rf'│ {screen.pk} +│.*Al-Ni.*hull found', line) for line in lines)
    assert any(re.search(rf'│ {graph.screen.pk} +│.*Al-Ni.*waiting', line) for line in lines)


# What it found


def test_the_report_is_printed_and_written(screen, invoke, tmp_path):
    path = tmp_path / 'report.html'
    result = invoke('screen', 'report', screen.uuid, '-o', path)
    assert result.exit_code == 0, result.output
    rows = {
        line.split('│')[1].strip(): [cell.strip() for cell in line.split('│')[3:6]]
        for line in result.output.splitlines()
        if line.startswith('│')
    }
    assert rows['AlNi'] == ['-650.0', 'stable', '-660']
    assert rows['AlNi3'] == ['-425.0', 'stable', '-430']
    assert 'Al3Ni' not in rows  # it is far above the hull
    assert 'Al3Ni2 -619' in result.output
    html = path.read_text()
    assert screen.uuid in html
    assert '<svg' in html


def test_a_report_needs_a_hull_and_a_folder(screen, graph, invoke, complaint, tmp_path):
    assert 'has no hull yet' in complaint('screen', 'report', graph.screen.pk)
    result = invoke('screen', 'report', screen.pk, '-o', tmp_path / 'no' / 'r.html')
    assert result.exit_code == 1
    assert 'No such file or directory' in result.output.splitlines()[-1]


def test_the_table_tells_what_is_stable(screen):
    table = hull_table(screen.outputs.hull.get_batch(), {'Al3Ni': (-0.4, 'a book')})
    cells = list(zip(*(column.cells for column in table.columns), strict=True))
    assert [row[0] for row in cells] == ['Al', 'AlNi', 'AlNi3', 'Ni']
    assert {row[3] for row in cells} == {'stable'}
    assert table.caption.endswith('Al3Ni -400')


def test_the_table_shows_a_crystal_once(screen):
    batch = screen.outputs.hull.get_batch()
    copies = batch.replaced(ids=strings([f'copy-{key}' for key in batch.ids]))
    table = hull_table(StructureBatch.concatenate([batch, copies]))
    assert list(table.columns[0].cells) == ['Al', 'AlNi', 'AlNi3', 'Ni']
    assert not any(name.startswith('copy') for name in table.columns[1].cells)
    assert table.caption == '4 more are the same crystals as these'


def test_what_could_not_be_labelled_is_known(graph):
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    for label, status in (('label_0', 'done'), ('label_1', 'failed')):
        found = StructureSetData.from_batch(batch_of(['AlNi', 'AlNi3'], status)).store()
        chain = WorkChainNode()
        graph.process(chain, stage, label, 'MtpLabelWorkChain', outputs={'structures': found})
    assert list(failed_labels(called_by(graph.screen)).status) == ['failed'] * 2


def test_structures_of_a_screen_go_out(screen, graph, invoke, complaint, tmp_path):
    for what, n in (('hull', 5), ('stable', 4), ('references', 2), ('candidates', 5)):
        path = tmp_path / f'{what}.parquet'
        assert invoke('screen', 'export', screen.pk, '--what', what, '-o', path).exit_code == 0
        assert len(read_structures(path)) == n
    path = tmp_path / 'hull.jsonl'
    assert 'wrote 5 structures' in invoke('screen', 'export', screen.pk, '-o', path).output
    assert invoke('screen', 'export', '--what', 'training', '-o', tmp_path / 'x.cfg').exit_code == 0
    assert 'has no hull set yet' in complaint('screen', 'export', graph.screen.pk, '-o', path)
    assert 'known:' in complaint('screen', 'export', screen.pk, '-o', tmp_path / 'hull.txt')
    assert "'-o'" in complaint('screen', 'export', screen.pk)


# Launching


def test_all_inputs_are_shown(launch, tmp_path):
    overrides = tmp_path / 'overrides.yaml'
    overrides.write_text('prototypes: {fcc: 3}\ndft: {settings: {calculator: emt}}\n')
    result = launch('Cu', 'Pt', '--protocol', 'fast', '--overrides', overrides)
    assert result.exit_code == 0, result.output
    assert re.search(r'prototypes:\n(  .*\n)*  fcc: 3', result.output)


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['Al', 'Xx'], 'elements: Xx'),
        (['Al', 'Al'], 'names one twice'),
        (['Al', '--backend', 'abacus'], "no DFT backend 'abacus'"),
        (['Al', '--protocol', 'hasty'], "'hasty' is not one of"),
        (['Al', '--dft', 'nothing@localhost'], 'no Code found with LABEL<nothing@localhost>'),
        (['Al', '--engine', 'mtp-dft@localhost'], 'while "mtp.relax" is required'),
        (['Al', '--dft', 'mtp-engine@localhost'], 'mtp.relax, which no DFT backend runs'),
    ],
)
def test_mistakes_are_told_in_one_line(launch, words, told):
    result = launch(*words)
    assert result.exit_code in {1, 2}
    assert len(result.output.splitlines()) == 1, result.output
    assert told in result.output


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('{fcc: ', 'no YAML'),
        ('- fcc', 'must hold keys and values'),
        ('prototypez: {fcc: 3}', "override 'prototypez' unknown"),
        ('dft: {settings: {cutoff: -5.0}}', 'DFT setting cutoff=-5.0'),
        ('engine: {max_jobs: 0}', 'max_jobs is 0, it must be at least 1'),
        ('dft: {max_jobs: many}', 'max_jobs'),
    ],
)
def test_bad_overrides(launch, tmp_path, text, told):
    path = tmp_path / 'overrides.yaml'
    path.write_text(text)
    result = launch('Al', 'Ni', '--overrides', path)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1, result.output
    assert told in result.output


def test_a_code_of_vasp_brings_its_own_settings(launch, code, tmp_path):
    vasp = VaspStandIn(code.computer, tmp_path, {'Al': 240.3, 'Ni': 269.5}).code
    path = tmp_path / 'overrides.yaml'
    path.write_text('dft: {settings: {potential_family: TEST, incar: {nelm: 80}}}\n')
    result = launch('Al', 'Ni', '--dft', vasp.full_label, '--overrides', path)
    assert result.exit_code == 0, result.output
    settings = yaml.safe_load(result.output)['dft']['settings']
    assert settings['potential_family'] == 'TEST'
    assert 'calculator' not in settings
    for dft, told in (
        ('settings: {spin: ferromagnetic}', 'potential_family is missing'),
        ('settings: {potential_family: PBE.54}', 'AiiDA has no such family'),
        ('settings: {potential_family: TEST, calculator: gpaw}', 'unknown VASP setting calculator'),
    ):
        path.write_text(f'dft: {{{dft}}}\n')
        result = launch('Al', 'Ni', '--dft', vasp.full_label, '--overrides', path)
        assert result.exit_code == 1
        assert told in result.output
        assert len(result.output.splitlines()) == 1


def test_structures_of_ones_own(launch, tmp_path):
    path = tmp_path / 'own.parquet'
    write_structures(path, StructureBatch.empty(('Al', 'Ni')))
    result = launch('Al', 'Ni', '--structures', path)
    assert result.output == f'Error: {path}: holds no structures\n'
    write_structures(path, batch_of(['AlNi']))
    assert launch('Al', 'Ni', '--structures', path).exit_code == 0
    foreign = launch('Al', 'Ti', '--structures', path)
    assert foreign.exit_code == 1
    assert 'Ni' in foreign.output


# The screen of the same inputs is found again


def test_a_screen_of_the_same_inputs_is_found(engine, code):
    def builder(**prototypes):
        return MtpScreenWorkChain.get_builder_from_protocol(
            ['Al', 'Ni'], engine, code, protocol='fast', overrides={'prototypes': prototypes}
        )

    given = builder(fcc=3)
    node = WorkChainNode(process_type='aiida.workflows:mtp.screen')
    for label, value in flattened(given).items():
        node.base.links.add_incoming(value.store(), LinkType.INPUT_WORK, label)
    node.base.links.add_incoming(Int(1).store(), LinkType.INPUT_WORK, 'a_default')
    node.set_process_state('running')
    node.store()
    assert screen_with_inputs(builder(fcc=3)).pk == node.pk
    assert screen_with_inputs(builder(fcc=2)) is None
    node.set_process_state('finished')
    node.set_exit_status(401)
    assert screen_with_inputs(builder(fcc=3)) is None  # a failed one is worth another try


def flattened(inputs, prefix=''):
    found = {}
    for name, value in inputs.items():
        if isinstance(value, Node):
            found[prefix + name] = value
        elif hasattr(value, 'items') and name != 'metadata':
            found |= flattened(value, f'{prefix}{name}__')
    return found
