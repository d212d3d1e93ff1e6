"""A real profile, and the real executables of this environment."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def executables():
    """Return the folder the environment's executables are in."""
    folder = Path(sys.executable).parent
    for name in ('mtp-engine', 'mtp-dft'):
        if not (folder / name).exists():
            pytest.fail(f'{name} is not in {folder}: install the package before the tests')
    return folder


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
