"""Forces, stresses and gradients against differences of energies and a plain implementation."""

from dataclasses import replace

import numpy as np
import pytest
from reference import mtp as reference
from reference.models import CUTOFF, random_model, random_structures

from aiida_mtp.core.potential.arguments import kernel_arguments
from aiida_mtp.core.potential.evaluate import (
    energy_gradients,
    evaluate,
    evaluate_with_gradients,
    site_energy_gradients,
)
from aiida_mtp.core.potential.kernels import evaluate_structure
from aiida_mtp.core.potential.tables import MtpTables
from aiida_mtp.core.potential.workspace import make_workspace
from aiida_mtp.core.structures import StructureBatch

STEP = 1e-4
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def difference(energy, step=STEP):
    """Central difference of fourth order of a function at 0."""
    return (8 * (energy(step) - energy(-step)) - (energy(2 * step) - energy(-2 * step))) / (
        12 * step
    )


@pytest.mark.parametrize('level', [2, 8, 12])
def test_as_written_down(level):
    model, batch = random_model(level), random_structures()
    result = evaluate(model, batch)
    for s, one in enumerate(batch):
        energy, forces, stress = reference.evaluate(model, one.types, one.positions, one.cells[0])
        assert result.energies[s] == pytest.approx(energy, rel=1e-12)
        scale = abs(forces).max() + 1e-3
        np.testing.assert_allclose(
            result.forces[batch.atoms_of(s)], forces, rtol=0, atol=1e-11 * scale
        )
        np.testing.assert_allclose(result.stresses[s], stress, rtol=0, atol=1e-11 * scale)


def test_basis_of_any_order():
    """Monomials without the lower ones, and products whose targets alternate."""
    tables = MtpTables(
        alpha_index_basic=np.array([[0, 2, 0, 1], [1, 0, 3, 0], [0, 0, 0, 0]]),
        alpha_index_times=np.array(
            [[0, 0, 2, 3], [1, 1, 1, 4], [2, 2, 1, 3], [0, 2, 3, 4], [3, 4, 1, 5], [2, 0, 1, 5]]
        ),
        alpha_moment_mapping=np.array([2, 5, 3]),
        n_moments=6,
    )
    model, batch = random_model(6), random_structures(1)
    model = replace(model, tables=tables, moment_coeffs=np.array([0.4, -0.3, 0.2]))
    energy, forces, _ = reference.evaluate(model, batch.types, batch.positions, batch.cells[0])
    result = evaluate(model, batch)
    assert result.energies[0] == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(result.forces, forces, rtol=0, atol=1e-11 * abs(forces).max())


@pytest.mark.parametrize('level', [8, 16])
def test_forces(level):
    model, batch = random_model(level), random_structures(2)
    forces = evaluate(model, batch).forces
    for atom in range(len(batch.positions)):
        for axis in range(3):

            def energy(step, atom=atom, axis=axis):
                moved = batch.positions.copy()
                moved[atom, axis] += step
                return evaluate(model, batch.replaced(positions=moved)).energies.sum()

            assert -difference(energy) == pytest.approx(forces[atom, axis], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize('level', [8, 16])
def test_stress(level):
    model, batch = random_model(level), random_structures(2)
    stresses = evaluate(model, batch).stresses
    for k, (a, b) in enumerate(VOIGT):

        def energies(step, a=a, b=b):
            strain = np.eye(3)
            strain[a, b] += step / 2
            strain[b, a] += step / 2
            return evaluate(
                model,
                batch.replaced(positions=batch.positions @ strain, cells=batch.cells @ strain),
            ).energies

        np.testing.assert_allclose(
            difference(energies) / batch.volumes, stresses[:, k], rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize('level', [6, 10])
def test_gradients_by_every_parameter(level):
    model, batch = random_model(level), random_structures()
    theta = model.coefficients
    of_structures, of_sites = energy_gradients(model, batch), site_energy_gradients(model, batch)
    scale = abs(of_sites).max()
    for k in range(len(theta)):

        def site_energies(step, k=k):
            moved = theta.copy()
            moved[k] += step
            return evaluate(model.with_coefficients(moved), batch).site_energies

        numeric = difference(site_energies)
        np.testing.assert_allclose(of_sites[:, k], numeric, rtol=1e-6, atol=1e-9 * scale)
        np.testing.assert_allclose(
            of_structures[:, k],
            np.add.reduceat(numeric, batch.first_atom[:-1]),
            rtol=1e-6,
            atol=1e-9 * scale,
        )


def test_smooth_at_the_cutoff():
    """Energy and force go to zero together when the only neighbours leave."""
    model = random_model(10, ['Al'])

    def pair(distance):
        cell = np.eye(3) * 40.0
        return StructureBatch.build(['Al'], [[0, 0]], [[[0, 0, 0], [distance, 0, 0]]], [cell])

    alone = 2 * model.species_coeffs[0]
    near, at = evaluate(model, pair(CUTOFF - 1e-5)), evaluate(model, pair(CUTOFF))
    assert at.energies[0] == alone
    assert not at.forces.any()
    assert 0 < abs(near.energies[0] - alone) < 1e-8
    assert 0 < abs(near.forces).max() < 1e-3
    assert near.min_dist[0] == pytest.approx(CUTOFF - 1e-5)
    assert at.min_dist[0] == np.inf


def test_one_structure_kernel_equals_the_batch():
    model, batch = random_model(), random_structures()
    expected, gradients = evaluate_with_gradients(model, batch)
    potential = kernel_arguments(model)
    work = make_workspace(potential, 200)
    for s, one in enumerate(batch):
        n_atoms = len(one.positions)
        forces, stress, sites = np.empty((n_atoms, 3)), np.empty(6), np.empty(n_atoms)
        gradient = np.empty((1, model.n_parameters))
        full, min_dist = evaluate_structure(
            *(one.positions, one.cells[0], one.types, potential, work),
            *(sites, forces, stress, gradient),
        )
        assert not full
        assert sites.sum() == expected.energies[s]
        assert min_dist == expected.min_dist[s]
        np.testing.assert_array_equal(forces, expected.forces[batch.atoms_of(s)])
        np.testing.assert_array_equal(stress, expected.stresses[s])
        np.testing.assert_array_equal(gradient[0], gradients[s])


def test_one_structure_kernel_asks_for_room():
    model, batch = random_model(), random_structures(1)
    potential = kernel_arguments(model)
    n, _ = evaluate_structure(
        *(batch.positions, batch.cells[0], batch.types),
        *(potential, make_workspace(potential, 3)),
        *(np.empty(4), np.empty((4, 3)), np.empty(6), np.empty((0, 0))),
    )
    assert n > 3
