"""Coordinates of cell and positions: the gradient against finite differences of an energy."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from aiida_mtp.core.relax.coordinates import (
    determinant,
    enthalpy_gradient,
    largest_move,
    place_atoms,
)

CELL = np.array([[3.6, 0.3, 0.0], [-0.4, 3.7, 0.2], [0.1, 0.5, 3.9]])
X = np.array([[0.1, 0.0, 0.0], [1.8, 1.9, 0.2], [1.7, 0.1, 2.0], [0.0, 2.0, 1.9]])


def distorted(seed=0, amplitude=0.05):
    q = np.concatenate([X.ravel(), np.eye(3).ravel()])
    return q + np.random.default_rng(seed).normal(size=q.size) * amplitude


def placed(q):
    positions, cell = np.empty((6, 3)), np.empty((3, 3))
    place_atoms(q, 4, CELL, positions, cell)
    return positions[:4], cell


def enthalpy(q, pressure):
    positions, cell = placed(q)
    atoms = Atoms('NiAlCuNi', positions=positions, cell=cell, pbc=True)
    atoms.calc = EMT()
    return atoms.get_potential_energy() + pressure * atoms.get_volume(), atoms


def test_positions_and_cell_are_deformed_alike():
    q = distorted()
    positions, cell = placed(q)
    F = q[12:].reshape(3, 3)
    np.testing.assert_allclose(positions, q[:12].reshape(4, 3) @ F, atol=1e-14)
    np.testing.assert_allclose(cell, CELL @ F, atol=1e-14)
    assert determinant(cell) == pytest.approx(np.linalg.det(cell), rel=1e-13)


@pytest.mark.parametrize('pressure', [0.0, 0.3])
def test_gradient_is_that_of_the_enthalpy(pressure):
    q = distorted()
    _, atoms = enthalpy(q, pressure)
    g = np.empty(q.size + 5)
    stress = atoms.get_stress()
    enthalpy_gradient(q, 4, atoms.get_forces(), stress, atoms.get_volume(), pressure, g)
    h = 1e-5
    numerical = [
        (enthalpy(q + h * e, pressure)[0] - enthalpy(q - h * e, pressure)[0]) / (2 * h)
        for e in np.eye(q.size)
    ]
    np.testing.assert_allclose(g[: q.size], numerical, atol=2e-7)


def test_a_step_is_measured_by_its_farthest_atom_or_its_strain():
    q = np.concatenate([X.ravel(), 2 * np.eye(3).ravel()])
    step = np.zeros(21)
    step[4] = -0.1
    assert largest_move(q, step, 4) == pytest.approx(0.2)
    step[13] = 0.1
    assert largest_move(q, step, 4) == pytest.approx(0.25)
