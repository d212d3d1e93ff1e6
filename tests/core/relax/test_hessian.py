"""The starting curvature against its definition, its learning against the textbook formulas."""

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from aiida_mtp.core.neighbors import make_shell
from aiida_mtp.core.relax import hessian as module
from aiida_mtp.core.relax.hessian import (
    correct_scale,
    invert_in_place,
    learn_curvature,
    multiply,
    spring_hessian,
)


def springs(atoms, cutoff=6.0):
    hessian = np.full((3 * len(atoms) + 12,) * 2, np.nan)
    cell = atoms.cell.array
    spring_hessian(atoms.positions, cell, np.linalg.inv(cell), cutoff, make_shell(300), hessian)
    size = 3 * len(atoms) + 9
    return hessian[:size, :size]


def skewed_cell():
    atoms = bulk('Cu', cubic=True)
    atoms.set_cell(atoms.cell.array @ [[1, 0.4, 0], [0, 1.1, 0.2], [0.1, 0, 0.9]], scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def test_springs_are_the_second_derivative_of_their_energy():
    atoms = skewed_cell()
    hessian = springs(atoms)
    i, j, r = neighbor_list('ijD', atoms, 6.0)
    n = len(atoms)
    near = module.NEAR * (atoms.get_volume() / n) ** (1 / 3)
    x = np.linalg.norm(r, axis=1) / near
    k = module.STIFFNESS * np.minimum(1, np.exp(-module.DECAY * (x - 1)))
    k *= np.where(x < module.REACH, (1 - (x / module.REACH) ** 2) ** 2, 0)

    def energy(q):
        dx, dF = q[: 3 * n].reshape(n, 3), q[3 * n :].reshape(3, 3)
        d = dx[j] - dx[i] + r @ dF
        along = (d * r).sum(axis=1) / np.linalg.norm(r, axis=1)
        t = module.TRANSVERSE
        bonds = 0.25 * (k * ((1 - t) * along**2 + t * (d**2).sum(axis=1))).sum()
        anchor = 0.5 * module.ANCHOR * module.STIFFNESS
        return bonds + anchor * ((dx**2).sum() + n * near**2 * (dF**2).sum())

    q = np.random.default_rng(0).normal(size=3 * n + 9)
    assert 0.5 * q @ hessian @ q == pytest.approx(energy(q), rel=1e-12)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    assert np.linalg.eigvalsh(hessian).min() > 0


def test_springs_are_as_stiff_as_a_metal():
    """The bulk modulus of the model is near that of copper, 140 GPa = 0.87 eV/Å³."""
    atoms = bulk('Cu', cubic=True)
    hessian = springs(atoms)
    strain = np.concatenate([np.zeros(12), np.eye(3).ravel()])
    modulus = strain @ hessian @ strain / atoms.get_volume() / 9
    assert 0.6 < modulus < 1.2


def test_a_lone_atom_has_a_finite_curvature():
    atoms = bulk('Cu', a=30.0)
    hessian = springs(atoms)
    assert np.linalg.eigvalsh(hessian).min() > 0


def test_inverse_leaves_the_rest_of_the_array_alone():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(20, 20))
    matrix = np.full((25, 25), 7.0)
    matrix[:20, :20] = root @ root.T + np.eye(20)
    expected = np.linalg.inv(matrix[:20, :20])
    invert_in_place(matrix, 20, np.empty(25))
    np.testing.assert_allclose(matrix[:20, :20], expected, atol=1e-11)
    assert (matrix[20:] == 7).all()
    assert (matrix[:, 20:] == 7).all()


def learning(curvature, seed=2, size=6):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    inverse = root @ root.T + np.eye(size)
    step = rng.normal(size=size)
    foretold = np.linalg.solve(inverse, step)
    change = rng.normal(size=size)
    change += (curvature - change @ step) / (step @ step) * step
    return inverse, step, change, foretold


def test_bfgs_as_in_the_textbook():
    inverse, s, y, foretold = learning(curvature=3.0)
    rho = 1 / (s @ y)
    left = np.eye(6) - rho * np.outer(s, y)
    expected = left @ inverse @ left.T + rho * np.outer(s, s)
    learn_curvature(inverse, s, y.copy(), foretold, 6, np.empty(6))
    np.testing.assert_allclose(inverse, expected, atol=1e-10)
    np.testing.assert_allclose(inverse @ y, s, atol=1e-10)  # the secant condition


@pytest.mark.parametrize('curvature', [-5.0, 0.0, 1e-3])
def test_stays_positive_definite_whatever_the_curvature(curvature):
    inverse, s, y, foretold = learning(curvature)
    learn_curvature(inverse, s, y, foretold, 6, np.empty(6))
    assert np.linalg.eigvalsh(inverse).min() > 0
    assert s @ np.linalg.solve(inverse, s) == pytest.approx(0.2 * (s @ foretold), rel=1e-8)


def test_scale_is_corrected_within_limits():
    inverse, s, y, foretold = learning(curvature=3.0)
    before = inverse.copy()
    correct_scale(inverse, s, y, foretold, 6, np.empty(6))
    factor = inverse[0, 0] / before[0, 0]
    assert factor == pytest.approx(np.clip(3.0 / (y @ before @ y), 0.1, 10))
    np.testing.assert_allclose(inverse @ foretold, s, atol=1e-10)
    negative = before.copy()
    correct_scale(negative, s, -y, foretold, 6, np.empty(6))
    np.testing.assert_array_equal(negative, before)


def test_product():
    matrix = np.arange(16.0).reshape(4, 4)
    product = np.zeros(4)
    multiply(matrix, np.arange(4.0), 3, product)
    np.testing.assert_array_equal(product, [*(matrix[:3, :3] @ np.arange(3.0)), 0])
