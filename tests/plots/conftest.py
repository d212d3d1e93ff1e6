"""Pictures that need no screen."""

import os

import pytest

os.environ['MPLBACKEND'] = 'agg'


@pytest.fixture(autouse=True)
def _closed():
    """Close the figures of a test."""
    yield
    import matplotlib.pyplot as plt

    plt.close('all')
