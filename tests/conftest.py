"""Fixtures of every test."""

import fcntl
import os
import sys
from functools import partialmethod
from pathlib import Path

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope='session', autouse=True)
def breath():
    """Let processes of a test look for the end of their steps now and then, not without a pause."""
    from aiida.manage.manager import Manager

    with pytest.MonkeyPatch.context() as patch:
        slower = partialmethod(Manager.create_runner, poll_interval=0.05)
        patch.setattr(Manager, 'create_runner', slower)
        yield


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
    path = os.environ.get('AIIDA_MTP_TEST_CLUSTER')
    if not path:
        pytest.skip('no cluster; as root: export AIIDA_MTP_TEST_CLUSTER=$(.ci/cluster.sh up)')
    from cluster import Cluster

    with Path(path).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield Cluster(path)


@pytest.fixture
def codes(aiida_profile_clean, aiida_localhost, executables):  # noqa: ARG001 - empty it
    """Return the codes of the engine and of the DFT runner."""
    from aiida.orm import InstalledCode

    aiida_localhost.set_minimum_job_poll_interval(0.1)
    aiida_localhost.configure(safe_interval=0)
    made = {}
    for name, plugin in (('mtp-engine', 'mtp.relax'), ('mtp-dft', 'mtp.dft')):
        made[name] = InstalledCode(
            label=name,
            computer=aiida_localhost,
            filepath_executable=str(executables / name),
            default_calc_job_plugin=plugin,
        ).store()
    return made
