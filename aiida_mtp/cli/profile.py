"""An AiiDA profile that needs no server: SQLite, the built-in broker, a daemon on this machine."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp import __version__
from aiida_mtp.cli.codes import ensure_code
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, Computer

PROFILE = 'aiida-mtp'
LOCALHOST = 'localhost'
CODES = {'mtp-engine': 'mtp.relax', 'mtp-dft': 'mtp.dft'}
WORKERS = 1
OPTIONS: dict[str, Any] = {
    'caching.default_enabled': True,
    'daemon.default_workers': WORKERS,
    'daemon.timeout': 20,  # stopping under load fails at the default of two seconds
    'runner.poll.interval': 2,
    'transport.task_retry_initial_interval': 2,
}


def ensure_profile(name: str = PROFILE) -> None:
    """Load the profile of this name; make it first if there is none.

    What an interrupted call left undone is done by the next.
    """
    from aiida.manage.configuration import get_config, load_profile

    config = get_config(create=True)
    if name not in config.profile_names:
        _create_profile(config, name)
    if not config.default_profile_name:
        config.set_default_profile(name)
        config.store()
    load_profile(name, allow_switch=True)
    _let_read_while_written()


def _create_profile(config: Any, name: str) -> None:
    from aiida.manage.configuration import create_profile
    from aiida.plugins import BrokerFactory

    broker: Any = BrokerFactory('core.zeromq')
    create_profile(
        config,
        name=name,
        email='aiida@localhost',
        storage_backend='core.sqlite_dos',
        storage_config={},
        broker_backend='core.zeromq',
        broker_config=broker.get_default_config(),
    )
    for option, value in OPTIONS.items():
        config.set_option(option, value, scope=name)
    config.store()


def _let_read_while_written() -> None:
    """Switch SQLite to its write-ahead log: this command reads while the daemon writes."""
    from aiida.manage import get_manager

    storage: Any = get_manager().get_profile_storage()
    path = getattr(storage, 'filepath_database', None)
    if path is None:  # a profile of another kind
        return
    connection = sqlite3.connect(path)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.close()


def ensure_computer() -> Computer:
    """Return this machine as a computer, set up at the first call."""
    from aiida.common.exceptions import NotExistent
    from aiida.manage.configuration import get_config, get_profile
    from aiida.orm import Computer, load_computer

    try:
        return load_computer(LOCALHOST)
    except NotExistent:
        profile = get_profile()
        scratch = Path(get_config().dirpath) / 'scratch' / (profile.name if profile else PROFILE)
        computer = Computer(
            label=LOCALHOST,
            hostname=LOCALHOST,
            description='This machine',
            transport_type='core.local',
            scheduler_type='core.direct',
            workdir=str(scratch),
        ).store()
        computer.configure(safe_interval=0.0, use_login_shell=False)
        computer.set_minimum_job_poll_interval(1.0)
        computer.set_default_mpiprocs_per_machine(1)
        return computer


def ensure_codes() -> dict[str, AbstractCode]:
    """Return the executables of this environment as codes.

    Raises
    ------
    InputError
        If one is not installed beside this Python.
    """
    computer = ensure_computer()
    codes: dict[str, AbstractCode] = {}
    for name, plugin in CODES.items():
        path = Path(sys.executable).parent / name
        if not path.is_file():
            raise InputError(f'{path} is not there; install the package: pip install aiida-mtp')
        codes[name] = ensure_code(computer, name, str(path), plugin)
    return codes


def ensure_daemon() -> None:
    """Start the daemon; restart one that runs another version of this package.

    Raises
    ------
    InputError
        If it does not start.
    """
    from aiida.engine.daemon.client import DaemonException, get_daemon_client
    from aiida.manage.configuration import get_config

    client = get_daemon_client()
    marker = Path(get_config().dirpath) / 'daemon' / f'{client.profile.name}.aiida-mtp'
    identity = f'{__version__} {sys.executable} {_newest_source()}'
    if client.is_daemon_running:
        if marker.is_file() and marker.read_text(encoding='utf-8') == identity:
            return
        try:
            client.stop_daemon(wait=True)
        except DaemonException as error:
            raise InputError(f'the AiiDA daemon does not stop: {_last_line(str(error))}') from None
    _start_daemon(client.profile.name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(identity, encoding='utf-8')


def _start_daemon(profile: str) -> None:
    """Start the daemon by the command of this environment, also where that is not activated."""
    folder = Path(sys.executable).parent
    path = f'{folder}{os.pathsep}{os.environ.get("PATH", "")}'
    answer = subprocess.run(  # noqa: S603 - AiiDA's own executable
        [str(folder / 'verdi'), '-p', profile, 'daemon', 'start', str(WORKERS)],
        env={**os.environ, 'PATH': path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        reason = _last_line(answer.stderr or answer.stdout)
        raise InputError(f'the AiiDA daemon does not start: {reason}; see verdi daemon status')


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ['no reason given'])[-1]


def _newest_source() -> int:
    """Return when the package last changed: an editable installation has one version for long."""
    import aiida_mtp

    folder = Path(aiida_mtp.__file__).parent
    return max(int(path.stat().st_mtime) for path in folder.rglob('*.py'))


def ensure_ready(name: str = PROFILE) -> dict[str, AbstractCode]:
    """Return the codes of a profile that is ready for a screen."""
    ensure_profile(name)
    codes = ensure_codes()
    ensure_daemon()
    return codes
