"""``aiida-mtp screen replay``: the inputs of a screen once more."""

import json

import pytest
from aiida.orm import InstalledCode, ProcessNode, QueryBuilder, Str
from plugin.cli.small_screen import Graph

from aiida_mtp.cli import replay as module
from aiida_mtp.workchains.label import is_uncached


class Daemon:
    is_daemon_running = True


@pytest.fixture
def ended(code, engine):
    """A screen that has failed, with a job of each kind."""
    inputs = {'engine__code': engine, 'dft__code': code, 'dft__backend': Str('ase')}
    graph = Graph(code).start(inputs)
    stage = graph.chain('MtpLearnWorkChain', 'stage_1')
    graph.job('relax', stage, 'relax_1_0', max_wallclock_seconds=1234)
    graph.label(stage, 'dft_0_0', ['Al'])
    return graph.finish(403, 'stage_1 failed')


@pytest.fixture
def submitted(monkeypatch):
    """Catch what would be submitted."""
    caught = []

    def submit(builder):
        caught.append(builder)
        return Graph.last.start().screen

    monkeypatch.setattr('aiida.engine.submit', submit)
    monkeypatch.setattr('aiida.engine.daemon.client.get_daemon_client', Daemon)
    return caught


@pytest.fixture(autouse=True)
def _another(code):
    Graph.last = Graph(code)


def test_the_same_inputs_with_the_same_codes_and_options(ended, submitted, invoke):
    result = invoke('screen', 'replay', ended.pk, '--no-wait', '--json')
    assert result.exit_code == 0, result.output
    (builder,) = submitted
    assert builder.elements.get_list() == ['Al', 'Ni']
    assert builder.prototypes.get_dict() == {'fcc': 4}
    assert builder.engine.code.label == 'mtp-engine'
    assert builder.engine.options['max_wallclock_seconds'] == 1234
    assert 'max_wallclock_seconds' not in builder.dft.options
    assert builder.metadata.disable_cache is True
    assert builder.dft.reuse.value is False
    assert json.loads(result.output)['screens'][0] == ended.pk


def test_the_cache_may_be_used(ended, submitted, invoke):
    invoke('screen', 'replay', ended.uuid, '--no-wait', '--cache')
    assert not submitted[0].metadata.get('disable_cache')
    assert 'reuse' not in submitted[0].dft or submitted[0].dft.reuse.value


def test_other_codes(ended, submitted, invoke, code):
    other = InstalledCode(
        label='other',
        computer=code.computer,
        filepath_executable='/bin/false',
        default_calc_job_plugin='mtp.relax',
    ).store()
    result = invoke('screen', 'replay', ended.pk, '--engine', other.full_label, '--no-wait')
    assert f'aiida-mtp screen diff {ended.pk}' in result.output
    assert submitted[0].engine.code.pk == other.pk
    assert submitted[0].dft.code.label == 'mtp-dft'


@pytest.mark.parametrize(
    ('source', 'told'),
    [
        ('nothing.aiida', 'there is no such file'),
        ('999999', 'no screen, and no file'),
        ('Al3Ni', 'no screen, and no file'),
    ],
)
def test_what_is_no_screen(complaint, source, told):
    assert told in complaint('screen', 'replay', source)


def test_what_is_no_archive(complaint, tmp_path):
    path = tmp_path / 'a.aiida'
    path.write_text('no archive')
    assert 'no archive of AiiDA' in complaint('screen', 'replay', path)


@pytest.mark.parametrize('is_off', [True, False])
def test_no_cache_holds_for_all_that_a_screen_calls(code, is_off):
    graph = Graph(code)
    graph.screen.set_metadata_inputs({'metadata': {'disable_cache': is_off}})
    stage = graph.start().chain('MtpLearnWorkChain', 'stage_1', ended=False)
    assert is_uncached(stage) is is_off
    assert is_uncached(graph.screen) is is_off


def test_its_options_elsewhere_are_only_how_much_it_may_use(ended):
    (job,) = [one for one in module.called_by(ended) if one.path[-1] == 'relax_1_0']
    assert set(module._options(job.pk, same_computer=False)) == {
        'resources',
        'max_wallclock_seconds',
    }


def test_an_archive_is_imported_and_asked_for_codes(
    ended, invoke, complaint, submitted, aiida_profile, tmp_path
):
    path = tmp_path / 'a.aiida'
    for process in QueryBuilder().append(ProcessNode).all(flat=True):
        process.seal()
    assert invoke('screen', 'archive', ended.pk, '-o', path).exit_code == 0
    uuid = ended.uuid
    aiida_profile.reset_storage()  # the last test here: others have their codes in it
    told = complaint('screen', 'replay', path)
    assert 'mtp-engine@localhost cannot run here' in told
    assert 'with --engine' in told
    assert not submitted
    found = QueryBuilder().append(ProcessNode, filters={'uuid': uuid}).count()
    assert found == 1
