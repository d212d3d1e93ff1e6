"""An AiiDA profile that needs no server: SQLite, the built-in broker, a daemon on this machine."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp import __version__
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, Computer

PROFILE = 'aiida-mtp'
CODES = {'mtp-engine': 'mtp.relax', 'mtp-dft': 'mtp.dft'}
WORKERS = 1
CACHED = ('aiida.calculations:mtp.*', 'aiida_mtp.calculations.*')
OPTIONS: dict[str, Any] = {
    'runner.poll.interval': 1,
    'transport.task_retry_initial_interval': 2,
    'daemon.timeout': 20,  # stopping under load fails at the default of two seconds
    'daemon.default_workers': WORKERS,
    'caching.enabled_for': list(CACHED),
}


def ensure_profile(name: str = PROFILE) -> bool:
    """Load the profile of this name; make it first if there is none. Return whether it is new."""
    from aiida.manage.configuration import get_config, load_profile
    from aiida.manage.configuration.settings import AiiDAConfigDir

    config = get_config(create=True)
    is_new = name not in config.profile_names
    if is_new:
        _create_profile(config, name)
    load_profile(name, allow_switch=True)
    if is_new:
        _make_patient(Path(AiiDAConfigDir.get()))
    return is_new


def _create_profile(config: Any, name: str) -> None:
    from aiida.manage.configuration import create_profile
    from aiida.plugins import BrokerFactory

    default = config.default_profile_name
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
    # an existing default profile stays the default
    config.set_default_profile(default or name, overwrite=True)
    config.store()


def _make_patient(folder: Path) -> None:
    """Let readers and writers of the database work side by side."""
    from aiida.manage import get_manager

    storage = get_manager().get_profile_storage()
    database = Path(str(storage.filepath_database))  # type: ignore[attr-defined]
    if database.is_file() and folder in database.parents:
        connection = sqlite3.connect(database)
        connection.execute('PRAGMA journal_mode=WAL')
        connection.close()


def ensure_computer() -> Computer:
    """Return this machine as a computer, set up at the first call."""
    from aiida.common.exceptions import NotExistent
    from aiida.manage.configuration import get_config, get_profile
    from aiida.orm import Computer, load_computer

    try:
        return load_computer('localhost')
    except NotExistent:
        profile = get_profile()
        scratch = Path(get_config().dirpath) / 'scratch' / (profile.name if profile else PROFILE)
        computer = Computer(
            label='localhost',
            hostname='localhost',
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
    from aiida.orm import InstalledCode, QueryBuilder

    computer = ensure_computer()
    codes: dict[str, AbstractCode] = {}
    for name, plugin in CODES.items():
        path = Path(sys.executable).parent / name
        if not path.is_file():
            raise InputError(f'{path} is not there; install the package: pip install aiida-mtp')
        known = QueryBuilder().append(
            InstalledCode, filters={'label': {'like': f'{name}%'}}, project='*'
        )
        same = [code for code in known.all(flat=True) if str(code.filepath_executable) == str(path)]
        if same:
            codes[name] = same[0]
            continue
        number = known.count()
        codes[name] = InstalledCode(
            label=name if not number else f'{name}-{number + 1}',
            computer=computer,
            filepath_executable=str(path),
            default_calc_job_plugin=plugin,
            prepend_text='export OMP_NUM_THREADS=1',
        ).store()
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
    try:
        if client.is_daemon_running:
            if marker.is_file() and marker.read_text(encoding='utf-8') == identity:
                return
            client.stop_daemon(wait=True)
        client.start_daemon(number_workers=WORKERS)
    except DaemonException as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f'the AiiDA daemon does not start: {reason}; see verdi daemon status'
        ) from None
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(identity, encoding='utf-8')


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
