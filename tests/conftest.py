"""Fixtures of every test."""

import fcntl
import os
import sqlite3
import sys
from functools import partialmethod
from pathlib import Path

import pytest
from aiida.manage.manager import Manager, get_manager
from aiida.storage.psql_dos.orm.utils import ModelWrapper
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

pytest_plugins = ['aiida.tools.pytest_fixtures']

REPOSITORY = Path(__file__).parents[1]


def pytest_configure():
    """Let nothing wait that a test has no use for."""
    event.listen(Engine, 'connect', survive_no_power_cut)
    event.listen(Session, 'before_commit', remember_what_stays)
    # look for the end of steps now and then, not without a pause
    Manager.create_runner = partialmethod(Manager.create_runner, poll_interval=0.1)


def pytest_collection_modifyitems(items):
    """Let slow files come first, those of the cluster before all: workers end at the same time."""
    rank = dict.fromkeys((item.path for item in items), 2)
    for item in items:
        for marker, place in (('slow', 1), ('needs_cluster', 0)):
            if item.get_closest_marker(marker):
                rank[item.path] = min(rank[item.path], place)
    items.sort(key=lambda item: rank[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Schedule by files, and let one worker alone use the cluster."""
    from scheduling import OneForTheCluster

    return OneForTheCluster(config, log) if config.getoption('dist') == 'loadfile' else None


def survive_no_power_cut(connection, _):
    """Tell SQLite not to wait for the disk: a profile of tests is gone with them."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute('PRAGMA synchronous = OFF')


def remember_what_stays(session):
    """Tell a session not to read all nodes again after each commit: AiiDA does, what can change."""
    session.expire_on_commit = False


@pytest.fixture(scope='session')
def shared_data():
    """Folder with published reference data; the test is skipped where there is none."""
    folder = Path(os.environ.get('AIIDA_MTP_DATA', REPOSITORY.parent / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip(f'reference data not present at {folder}; set AIIDA_MTP_DATA')
    return folder


@pytest.fixture(scope='session')
def executables():
    """Return the folder the environment's executables are in."""
    folder = Path(sys.executable).parent
    for name in ('mtp-engine', 'mtp-dft'):
        if not (folder / name).exists():
            pytest.fail(f'{name} is not in {folder}: install the package before the tests')
    return folder


@pytest.fixture
def cluster():
    """The services of ``.ci/cluster.sh``, for one test at a time; skips where they are not up."""
    from cluster import NO_CLUSTER, Cluster

    path = os.environ.get('AIIDA_MTP_TEST_CLUSTER')
    if not path:
        pytest.skip(NO_CLUSTER)
    with Path(path).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield Cluster(path)


@pytest.fixture
def alone(aiida_profile_clean, monkeypatch):  # noqa: ARG001 - loaded
    """Have a profile that only this process changes, and in which nothing is to be continued.

    So AiiDA need not read all it knows again and again, nor write how far its processes are.
    """
    monkeypatch.setattr(ModelWrapper, '_ensure_model_uptodate', lambda *_, **__: None)
    monkeypatch.setattr(get_manager().get_runner(), '_persister', None)


@pytest.fixture
def codes(alone, aiida_localhost, executables):  # noqa: ARG001 - its profile
    """Return the codes of the engine and of the DFT runner."""
    from aiida.orm import InstalledCode

    aiida_localhost.set_minimum_job_poll_interval(0.3)
    aiida_localhost.configure(safe_interval=0.0, use_login_shell=False)
    made = {}
    for name, plugin in (('mtp-engine', 'mtp.relax'), ('mtp-dft', 'mtp.dft')):
        made[name] = InstalledCode(
            label=name,
            computer=aiida_localhost,
            filepath_executable=str(executables / name),
            default_calc_job_plugin=plugin,
        ).store()
    return made
