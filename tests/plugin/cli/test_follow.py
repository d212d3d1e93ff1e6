"""Watching a screen, and knowing when nobody works on it."""

import io

import pytest
from rich.console import Console

from aiida_mtp.cli import follow as module
from aiida_mtp.cli.follow import follow, progress, refuse_to_wait
from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.core.errors import InputError


class Daemon:
    """A daemon that runs, or does not."""

    def __init__(self, *, is_running):
        self.is_daemon_running = is_running


@pytest.fixture
def daemon(monkeypatch):
    """Pretend there is a daemon; tests of these commands need no real one."""

    def pretend(*, is_running):
        monkeypatch.setattr(
            'aiida.engine.daemon.client.get_daemon_client', lambda: Daemon(is_running=is_running)
        )

    pretend(is_running=True)
    return pretend


@pytest.fixture
def page():
    return Console(file=io.StringIO(), width=120)


def test_progress_counts_dft_and_training(graph, tmp_path):
    references = graph.chain('MtpLabelWorkChain', 'references')
    graph.label(references, 'dft_0_0', ['Al', 'Ni'])
    graph.stage('stage_1', ['Al', 'AlNi'], {'nothing': ['AlNi', 'AlNi3', 'Al3Ni']}, 8)
    assert progress(called_by(graph.screen)) == 'between two jobs · training set 3 · 2 DFT results'
    stage = graph.chain('MtpLearnWorkChain', 'stage_2', ended=False)
    job, _ = graph.label(stage, 'dft_0_0', ['Al', 'AlNi'], ended=False)
    now = progress(called_by(graph.screen))
    assert now == 'Screen-2: DFT 2 · training set 3 · 2 DFT results'
    (tmp_path / 'results').mkdir()
    (tmp_path / 'results' / 'one.json').write_text('{}')
    job.set_remote_workdir(str(tmp_path))
    assert progress(called_by(graph.screen)).startswith('Screen-2: DFT 1 of 2 · ')


def test_it_prints_reports_and_ends_with_the_screen(graph, daemon, page):  # noqa: ARG001
    stage = graph.chain('MtpLearnWorkChain', 'stage_1')
    text = f'[{stage.pk}|MtpLearnWorkChain|run_labels]: iteration 1: 20 go to DFT'
    stage.logger.log(23, text)  # AiiDA's level REPORT
    graph.finish()
    follow(graph.screen, page)
    lines = page.file.getvalue().splitlines()
    assert len([line for line in lines if 'iteration 1: 20 go to DFT' in line]) == 1
    assert any('Screen-1    iteration 1' in line for line in lines)


def test_it_waits_until_the_screen_ends(graph, daemon, page, monkeypatch):  # noqa: ARG001
    rounds = []

    def sleep(_):
        rounds.append(graph.screen.is_terminated)
        if len(rounds) == 3:
            graph.finish()

    monkeypatch.setattr(module.time, 'sleep', sleep)
    follow(graph.screen, page)
    assert rounds == [False] * 3
    assert 'between two jobs' in page.file.getvalue()  # not a terminal: it is printed


def test_a_daemon_that_stopped_is_told(graph, daemon, page):
    daemon(is_running=False)
    with pytest.raises(InputError, match='the AiiDA daemon has stopped'):
        follow(graph.screen, page)


def test_a_paused_job_is_told_with_its_reason(graph, daemon):  # noqa: ARG001
    stage = graph.chain('MtpLearnWorkChain', 'stage_1', ended=False)
    job, _ = graph.label(stage, 'dft_0_0', ['Al'], ended=False)
    refuse_to_wait(called_by(graph.screen))
    job.pause()
    job.logger.error('Traceback\nOSError: [Errno 28] No space left on device')
    told = rf'MtpDftCalculation<{job.pk}> is paused: OSError: .* No space left .* play {job.pk}$'
    with pytest.raises(InputError, match=told):
        refuse_to_wait(called_by(graph.screen))
