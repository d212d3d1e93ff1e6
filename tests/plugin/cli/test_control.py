"""A screen on a real daemon, whose DFT would take ten minutes: paused, resumed, killed."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
from plugin.cli.own_aiida import BIN, python, run

pytestmark = pytest.mark.needs_daemon

SLOW_DFT = """#!/bin/sh
sleep 600 &
echo $$ $! >> {pids}
wait
"""
LAUNCH = """
from pathlib import Path
ensure_profile('own')
codes = ensure_codes()
from aiida.orm import InstalledCode
InstalledCode(
    label='slow', computer=codes['mtp-dft'].computer, default_calc_job_plugin='mtp.dft',
    filepath_executable={script!r},
).store()
ensure_daemon()
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A profile with a daemon and a DFT code that sleeps."""
    folder = tmp_path_factory.mktemp('aiida')
    script = folder / 'mtp-dft'
    script.write_text(SLOW_DFT.format(pids=folder / 'pids'))
    script.chmod(0o755)
    try:
        python(folder, LAUNCH.format(script=str(script)))
        yield folder
    finally:
        run(folder, str(BIN / 'verdi'), '-p', 'own', 'daemon', 'stop')


@pytest.fixture
def screen(folder):
    """Call ``aiida-mtp screen``."""

    def call(*words, code=0):
        return run(
            folder, str(BIN / 'aiida-mtp'), '-p', 'own', 'screen', *map(str, words), code=code
        )

    return call


@pytest.fixture
def launched(folder, screen):
    """A screen whose DFT job runs, and the processes of that."""
    (folder / 'pids').write_text('')
    overrides = folder / 'emt.yaml'
    overrides.write_text('dft: {settings: {calculator: emt}}\nprototypes: {fcc: 2}')
    words = ['--engine', 'mtp-engine@localhost', '--dft', 'slow@localhost']
    words += ['--protocol', 'fast', '--overrides', overrides]
    told = screen('launch', 'Cu', 'Pt', *words)
    again = screen('launch', 'Cu', 'Pt', *words, code=1)
    pk = int(re.match(r'screen (\d+) of Cu-Pt', told)[1])
    assert again == f'Error: screen {pk} of the same inputs is running; --again launches another\n'
    return pk, wait_for(lambda: [int(pid) for pid in (folder / 'pids').read_text().split()])


def wait_for(question, seconds=60):
    """Return the answer as soon as there is one."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, 'it took too long'
        time.sleep(0.2)
    return answer


def runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return 'State:\tZ' not in Path(f'/proc/{pid}/status').read_text()


@pytest.mark.slow
def test_pause_resume_and_kill_the_screen_and_its_job(screen, launched):
    pk, pids = launched
    told = screen('pause').splitlines()
    assert told[0] == f'screen {pk} is paused, with all it called: 3 processes'
    assert re.fullmatch(r'still runs.*: MtpDftCalculation<\d+> \(job \d+ on localhost\)', told[1])
    assert told[2] == f'let it go on: aiida-mtp screen resume {pk}'
    assert screen('resume') == f'screen {pk} goes on: 3 processes\n'
    assert f'screen {pk} is not paused' in screen('resume', code=1)
    assert all(runs(pid) for pid in pids)
    told = screen('kill', pk).splitlines()
    assert told[0] == f'screen {pk} is killed, with all it called: 3 processes'
    assert re.fullmatch(r'stopped: MtpDftCalculation<\d+> \(job \d+ on localhost\)', told[1])
    wait_for(lambda: not any(runs(pid) for pid in pids), seconds=10)
    for word in ('pause', 'resume', 'kill'):
        assert 'it has ended: killed' in screen(word, pk, code=1)
    assert 'no screen runs' in screen('kill', code=1)


@pytest.mark.slow
def test_a_paused_screen_whose_job_is_gone_can_be_killed_but_not_without_a_daemon(
    folder, screen, launched
):
    pk, pids = launched
    screen('pause')
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    run(folder, str(BIN / 'verdi'), '-p', 'own', 'daemon', 'stop')
    for word in ('pause', 'resume', 'kill'):
        told = screen(word, code=1)
        assert 'the AiiDA daemon is stopped: start it with verdi daemon start' in told
        assert told.count('\n') == 1
    python(folder, 'ensure_profile("own"); ensure_daemon()')
    told = screen('kill').splitlines()
    assert told[0] == f'screen {pk} is killed, with all it called: 3 processes'
    assert 'it has ended: killed' in screen('kill', pk, code=1)
