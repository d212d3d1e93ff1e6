"""Potentials as values."""

from dataclasses import replace

import numpy as np
import pytest
from reference.models import random_model, random_structures

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.evaluate import energy_gradients, evaluate
from aiida_mtp.core.potential.model import initial_model, raised


def test_coefficients_there_and_back():
    model = random_model(8)
    theta = np.arange(model.n_parameters, dtype=float)
    other = model.with_coefficients(theta)
    np.testing.assert_array_equal(other.coefficients, theta)
    assert other.radial_coeffs[0, 1, 0, 0] == model.radial_coeffs[0, 0].size
    assert len(other.coefficients) == other.n_parameters
    np.testing.assert_raises(
        AssertionError, np.testing.assert_array_equal, model.coefficients, theta
    )


def test_energy_is_linear_in_species_and_moment_coefficients():
    model, batch = random_model(8), random_structures()
    linear = slice(model.radial_coeffs.size, None)
    np.testing.assert_allclose(
        energy_gradients(model, batch)[:, linear] @ model.coefficients[linear],
        evaluate(model, batch).energies,
        rtol=1e-10,
    )


def test_untrained_potential():
    model = initial_model(8, ['Al', 'Ni'], 5.0, min_dist=2.0)
    assert (model.min_dist, model.max_dist, model.level) == (2.0, 5.0, 8)
    # all parameters count, also the radial ones
    gradients = energy_gradients(model, random_structures())
    assert np.isfinite(gradients).all()
    assert (abs(gradients) > 1e-12).any(axis=0).all()
    # radial functions are distinct, and so are the species
    radial = model.radial_coeffs.reshape(-1, model.radial_coeffs.shape[3])
    assert np.linalg.matrix_rank(radial.T) == 8
    assert (model.radial_coeffs[0, 0] != model.radial_coeffs[0, 1]).all()


def test_same_seed_same_potential():
    a, b, c = (initial_model(8, ['Al'], 5.0, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.coefficients, b.coefficients)
    assert (a.radial_coeffs != c.radial_coeffs).any()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'level': 9}, 'even number'),
        ({'species': []}, 'none'),
        ({'species': ['Al', 'Al']}, 'once'),
        ({'cutoff': 1.0}, 'must lie between'),
        ({'cutoff': np.nan}, 'must lie between'),
        ({'cutoff': np.inf}, 'finite'),
        ({'min_dist': -1.0}, 'must lie between'),
        ({'radial_basis_size': 1}, 'at least 2'),
    ],
)
def test_senseless_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        initial_model(**({'level': 8, 'species': ['Al'], 'cutoff': 5.0} | arguments))


@pytest.mark.parametrize('name', ['radial_coeffs', 'species_coeffs', 'moment_coeffs'])
def test_arrays_must_fit_the_basis(name):
    model = random_model(8)
    with pytest.raises(ValueError, match=name):
        replace(model, **{name: getattr(model, name)[:-1]})


def test_renamed():
    assert random_model(2).renamed(['Pt', 'Cu']).species == ('Pt', 'Cu')
    with pytest.raises(InputError, match=r'2 species \(Al, Ni\), not 1: Pt'):
        random_model(2).renamed(['Pt'])


def test_raised_to_a_higher_level():
    low = initial_model(8, ('Al', 'Ni'), 5.0, radial_basis_size=6, seed=1)
    high = raised(low, 16, seed=2)
    assert (high.level, high.species, high.max_dist) == (16, low.species, low.max_dist)
    n_radial = low.tables.n_radial
    np.testing.assert_array_equal(high.radial_coeffs[:, :, :n_radial], low.radial_coeffs)
    assert high.scaling == low.scaling
    with pytest.raises(InputError, match='level 6 is below 8'):
        raised(low, 6)
