"""Positive equations."""

import numpy as np
import pytest

from aiida_mtp.core.training.equations import solve_positive


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_solution(random):
    a, b = random.normal(size=(30, 20)), random.normal(size=20)
    np.testing.assert_allclose(solve_positive(a.T @ a, b), np.linalg.solve(a.T @ a, b), rtol=1e-9)


def test_unknowns_of_very_different_size(random):
    a, b = random.normal(size=(30, 20)), random.normal(size=20)
    scale = 10.0 ** np.linspace(-8, 8, 20)
    found = solve_positive(a.T @ a * scale[:, None] * scale, b * scale)
    np.testing.assert_allclose(found * scale, np.linalg.solve(a.T @ a, b), rtol=1e-8)


def test_singular_matrix(random):
    a, x = random.normal(size=(10, 20)), random.normal(size=20)
    matrix = a.T @ a
    found = solve_positive(matrix, matrix @ x)
    np.testing.assert_allclose(matrix @ found, matrix @ x, atol=1e-6)
    assert np.abs(found).max() < 1e3


def test_unknown_in_no_equation():
    matrix = np.zeros((3, 3))
    matrix[:2, :2] = [[2.0, 1.0], [1.0, 2.0]]
    np.testing.assert_allclose(solve_positive(matrix, np.array([3.0, 3.0, 0.0])), [1, 1, 0])


def test_nonsense_gives_nonsense():
    assert np.isnan(solve_positive(np.full((2, 2), np.nan), np.ones(2))).all()
