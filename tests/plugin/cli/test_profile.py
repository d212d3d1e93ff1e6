"""The profile of the quickstart, made for real where AiiDA has never been used."""

import json
import sqlite3
from pathlib import Path

import pytest
from plugin.cli.own_aiida import BIN, python, run


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('aiida')
    python(folder, 'ensure_profile("first"); ensure_codes()')
    return folder


def config(folder):
    return json.loads((folder / '.aiida' / 'config.json').read_text())


def test_it_needs_no_server(folder):
    profile = config(folder)['profiles']['first']
    assert profile['storage']['backend'] == 'core.sqlite_dos'
    assert profile['process_control']['backend'] == 'core.zeromq'
    assert profile['options']['caching.default_enabled'] is True
    assert config(folder)['default_profile'] == 'first'


def test_the_database_can_be_read_while_it_is_written(folder):
    storage = config(folder)['profiles']['first']['storage']['config']['filepath']
    connection = sqlite3.connect(Path(storage) / 'database.sqlite')
    assert connection.execute('PRAGMA journal_mode').fetchone() == ('wal',)
    connection.close()


def test_codes_are_those_of_this_environment_and_made_once(folder):
    code = (
        'ensure_profile("first"); codes = ensure_codes(); again = ensure_codes()\n'
        'print([(c.full_label, str(c.filepath_executable)) for c in codes.values()])\n'
        'print([c.pk for c in codes.values()] == [c.pk for c in again.values()])\n'
        'c = codes["mtp-dft"].computer\n'
        'print(c.transport_type, c.scheduler_type, c.get_minimum_job_poll_interval())\n'
        'print(c.get_configuration())'
    )
    codes, same, computer, settings = python(folder, code).splitlines()
    assert codes == str(
        [(f'{name}@localhost', str(BIN / name)) for name in ('mtp-engine', 'mtp-dft')]
    )
    assert same == 'True'
    assert computer == 'core.local core.direct 1.0'
    assert "'safe_interval': 0.0" in settings


def test_codes_of_another_environment_get_another_name(folder):
    code = (
        'import pathlib, sys; ensure_profile("first")\n'
        'there = pathlib.Path("bin"); there.mkdir(exist_ok=True)\n'
        'for name in CODES: (there / name).touch()\n'
        'sys.executable = str(there.resolve() / "python")\n'
        'print([c.full_label for c in ensure_codes().values()])'
    )
    assert python(folder, code).strip() == "['mtp-engine-2@localhost', 'mtp-dft-2@localhost']"


def test_another_default_profile_stays_the_default(folder):
    python(folder, 'ensure_profile("second")')
    assert set(config(folder)['profiles']) == {'first', 'second'}
    assert config(folder)['default_profile'] == 'first'


@pytest.mark.needs_daemon
def test_the_daemon_is_started_once_and_restarted_for_another_version(folder):
    code = (
        'ensure_profile("first")\n'
        'from aiida.engine.daemon.client import get_daemon_client\n'
        'pids = []\n'
        'for version in ("1", "1", "2"):\n'
        '    import aiida_mtp.cli.profile as module\n'
        '    module.__version__ = version\n'
        '    ensure_daemon()\n'
        '    pids.append(get_daemon_client().get_daemon_pid())\n'
        'print(*pids)'
    )
    try:
        first, second, third = python(folder, code).split()
        assert first == second != third
    finally:
        run(folder, str(BIN / 'verdi'), '-p', 'first', 'daemon', 'stop')
