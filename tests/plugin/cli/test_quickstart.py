"""``aiida-mtp quickstart``; the whole of it runs in tests/integration."""

import io
from pathlib import Path

import pytest
from aiida.orm import InstalledCode
from rich.console import Console

from aiida_mtp.cli import cmd_quickstart as module
from aiida_mtp.core.errors import InputError


@pytest.fixture
def executable(code, tmp_path):
    """Make a code of a small script."""

    def make(script):
        path = tmp_path / 'mtp-dft'
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
        return InstalledCode(label='fake', computer=code.computer, filepath_executable=str(path))

    return make


@pytest.fixture
def page():
    return Console(file=io.StringIO(), width=120)


def test_dft_that_answers_is_believed(executable, tmp_path):
    script = f'cp "$2" {tmp_path}/asked.json; test "$1" = check'
    module.check_dft(executable(script), 'emt')
    assert '"calculator": "emt"' in (tmp_path / 'asked.json').read_text()


@pytest.mark.parametrize(
    ('script', 'told'),
    [
        ('echo "mtp-dft: error: GPAW is not installed" >&2; exit 2', 'GPAW is not installed'),
        ('exit 1', 'no answer'),
    ],
)
def test_dft_that_does_not_answer_is_told(executable, script, told):
    with pytest.raises(InputError, match=f'^DFT does not answer: .*{told}$'):
        module.check_dft(executable(script), 'gpaw')


def test_an_executable_that_is_gone_is_told(executable):
    gone = executable('exit 0')
    Path(gone.filepath_executable).unlink()
    with pytest.raises(InputError, match=r'^DFT does not answer: .*mtp-dft'):
        module.check_dft(gone, 'emt')


def test_dft_that_hangs_is_told(executable, monkeypatch):
    monkeypatch.setattr(module, 'PATIENCE', 0.1)
    with pytest.raises(InputError, match=r'^DFT does not answer: .* timed out after 0.1 seconds$'):
        module.check_dft(executable('exec sleep 10'), 'emt')


def test_the_result_is_printed_and_written(screen, page, tmp_path):
    report = tmp_path / 'report.html'
    module._show(screen, page, report, 'some-profile')
    text = page.file.getvalue()
    assert 'AlNi3' in text
    assert f'report: {report}' in text
    assert 'aiida-mtp -p some-profile trace AlNi\n' in text
    assert f'verdi -p some-profile process show {screen.pk}' in text
    assert report.exists()


def test_a_failure_is_one_line(graph, page, tmp_path):
    graph.finish(402, 'No prototypes: the engine is broken')
    told = f'^screen {graph.screen.pk} failed: .*No prototypes: the engine is broken$'
    with pytest.raises(InputError, match=told):
        module._show(graph.screen, page, tmp_path / 'report.html', 'some-profile')
    assert not (tmp_path / 'report.html').exists()


def test_interrupting_leaves_the_screen_running(graph, page, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('aiida_mtp.cli.follow.follow', interrupted)
    with pytest.raises(SystemExit) as ended:
        module._watch(graph.screen, page, 'some-profile')
    assert ended.value.code == 130
    assert f'screen status {graph.screen.pk}' in page.file.getvalue()
    assert not graph.screen.is_terminated
