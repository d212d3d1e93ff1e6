"""Fixtures of every test."""

import os
from pathlib import Path

import pytest

pytest_plugins = ['aiida.tools.pytest_fixtures']

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope='session')
def shared_data():
    """Folder with published reference data; the test is skipped where there is none."""
    folder = Path(os.environ.get('AIIDA_MTP_DATA', REPOSITORY.parent / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip(f'reference data not present at {folder}; set AIIDA_MTP_DATA')
    return folder
