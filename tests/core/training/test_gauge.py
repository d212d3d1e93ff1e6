"""Other coefficients, same energies."""

import numpy as np
import pytest

from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.training.gauge import in_standard_gauge


@pytest.mark.parametrize('min_dist', [1.8, 1.5, 2.1])
def test_energies_stay(model, crystals, min_dist):
    changed = in_standard_gauge(model, min_dist)
    assert changed.min_dist == min_dist
    before, after = evaluate(model, crystals), evaluate(changed, crystals)
    np.testing.assert_allclose(after.energies, before.energies, rtol=1e-9)
    np.testing.assert_allclose(after.forces, before.forces, atol=1e-8)
    sizes = (changed.radial_coeffs**2).sum(axis=(0, 1, 3)) / len(model.species) ** 2
    np.testing.assert_allclose(sizes, 1.0)


def test_second_time_changes_nothing(model):
    once = in_standard_gauge(model, 1.7)
    twice = in_standard_gauge(once, 1.7)
    np.testing.assert_allclose(twice.coefficients, once.coefficients, rtol=1e-9, atol=1e-12)


def test_functions_that_are_zero_stay(model):
    radial = model.radial_coeffs.copy()
    radial[:, :, 1] = 0.0
    start = model.with_coefficients(
        np.concatenate([radial.ravel(), model.coefficients[radial.size :]])
    )
    changed = in_standard_gauge(start, 1.7)
    assert np.isfinite(changed.coefficients).all()
    assert not changed.radial_coeffs[:, :, 1].any()
