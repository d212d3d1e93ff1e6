"""Labelled crystals for the tests of training."""

import numpy as np
import pytest
from reference.crystals import emt_labelled, rattled_crystals

from aiida_mtp.core.potential.model import initial_model


@pytest.fixture(scope='session')
def crystals():
    """Sixty labelled cells of four or eight atoms of Ni and Al."""
    return emt_labelled(rattled_crystals(60, seed=3, species=('Ni', 'Al'), rattle=0.1))


@pytest.fixture(scope='session')
def others():
    """Further cells of the same kind."""
    return emt_labelled(rattled_crystals(60, seed=4, species=('Ni', 'Al'), rattle=0.1))


@pytest.fixture(scope='session')
def model():
    """A small potential with random coefficients, and labels of no use."""
    start = initial_model(8, ('Al', 'Ni'), 4.5, min_dist=1.8, radial_basis_size=6, seed=2)
    rng = np.random.default_rng(0)
    return start.with_coefficients(start.coefficients + 0.1 * rng.normal(size=start.n_parameters))
