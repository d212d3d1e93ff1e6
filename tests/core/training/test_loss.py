"""Loss and derivatives: against MLIP's own numbers, against the evaluator, against differences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.training.gram import normal_equations
from aiida_mtp.core.training.jacobian import structure_jacobian
from aiida_mtp.core.training.labels import training_data
from aiida_mtp.core.training.objective import State
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.core.training.workspace import basis_of, make_workspace

DATA = Path(__file__).parents[2] / 'data'
SETTINGS = TrainingSettings()


def problem(model, batch, settings=SETTINGS):
    batch = batch.with_species(model.species)
    return training_data(batch, model.max_dist, np.ones(len(batch)), settings)


def sums(model, batch, chosen=None, *, with_radial=True, settings=SETTINGS):
    state = State.of(model)
    return normal_equations(
        problem(model, batch, settings),
        basis_of(model),
        state.radial,
        state.linear,
        with_radial=with_radial,
        chosen=chosen,
    )


def mlip_penalty(model):
    """What MLIP-3 adds to the loss, and its gradient."""
    c = model.radial_coeffs
    n_radial = c.shape[2]
    overlaps = np.einsum('ijak,ijbk->ab', c, c)
    off = np.tril(overlaps, -1)
    norms = np.diag(overlaps) - 1.0
    flat = np.concatenate([model.species_coeffs, model.moment_coeffs])
    value = 1e-6 * ((norms**2).sum() + (off**2).sum()) + 1e-10 * (flat**2).sum()
    mixing = 4.0 * np.diag(norms) + 2.0 * (off + off.T)
    assert mixing.shape == (n_radial, n_radial)
    radial = 1e-6 * np.einsum('ab,ijbk->ijak', mixing, c)
    return value, np.concatenate([radial.ravel(), 2e-10 * flat])


def check_against_mlip(potential, structures, reference):
    model = read_potential(potential)
    batch = read_structures(structures, model.species).take(slice(0, 3))
    known = np.load(reference)
    penalty, penalty_gradient = mlip_penalty(model)
    for s in range(3):
        found = sums(model, batch, np.array([s]))
        assert found.loss == pytest.approx(known['LOSSNOPEN'][s], rel=1e-13)
        assert found.loss + penalty == pytest.approx(known['LOSS'][s], rel=1e-13)
        gradient = 2.0 * found.vector + penalty_gradient
        np.testing.assert_allclose(gradient, known['LG'][s], rtol=0, atol=1e-11)


def test_loss_and_gradient_of_mlip():
    folder = DATA / 'training'
    potential = DATA / 'mlip3' / 'p10_3.mtp'
    check_against_mlip(potential, folder / 'three.cfg', folder / 'ref_p10_3__three.npz')


def test_values_are_those_of_the_potential(model, crystals):
    batch = crystals.take([0, 1, 7]).with_species(model.species)
    structures = problem(model, batch).structures
    state, basis = State.of(model), basis_of(model)
    work = make_workspace(basis, state.radial, 200, 8)
    found = evaluate(model, batch)
    for s in range(3):
        n_rows = structures.first_row[s + 1] - structures.first_row[s]
        values, jac = np.empty(n_rows), np.empty((n_rows, model.n_parameters))
        coefficients, with_radial = (state.radial, state.linear), True
        structure_jacobian(s, structures, *coefficients, with_radial, basis, work, values, jac)
        assert values[0] == pytest.approx(found.energies[s], abs=1e-11)
        forces = -values[1:-6].reshape(-1, 3)
        np.testing.assert_allclose(forces, found.forces[batch.atoms_of(s)], atol=1e-11)
        strain = found.stresses[s] * batch.volumes[s]
        np.testing.assert_allclose(values[-6:], strain, atol=1e-10)


def test_gradient_and_gram_matrix_against_differences(model, crystals):
    batch = crystals.take([0, 1, 2])
    data = problem(model, batch).structures
    found = evaluate(model, batch)

    def residuals(theta):
        moved = model.with_coefficients(theta)
        found = evaluate(moved, batch)
        strains = found.stresses * batch.volumes[:, None]
        rows = [
            np.concatenate(
                [found.energies[[s]], -found.forces[batch.atoms_of(s)].ravel(), strains[s]]
            )
            for s in range(len(batch))
        ]
        return data.root_weights * (np.concatenate(rows) - data.targets)

    theta, h = model.coefficients, 1e-5
    steps = h * np.eye(len(theta))
    jacobian = np.array([residuals(theta + d) - residuals(theta - d) for d in steps]).T / (2 * h)
    r = residuals(theta)
    equations = sums(model, batch)
    assert equations.loss == pytest.approx(r @ r, rel=1e-12)
    size = np.abs(equations.matrix).max()
    np.testing.assert_allclose(equations.vector, jacobian.T @ r, atol=1e-6 * size, rtol=1e-6)
    np.testing.assert_allclose(equations.matrix, jacobian.T @ jacobian, atol=1e-6 * size)
    n_linear = len(State.of(model).linear)
    of_linear = sums(model, batch, with_radial=False)
    np.testing.assert_allclose(
        of_linear.matrix, equations.matrix[-n_linear:, -n_linear:], atol=1e-12 * size
    )
    assert found.energies.shape == (3,)


def test_sums_do_not_depend_on_threads(model, crystals):
    use_threads(1)
    one = sums(model, crystals)
    use_threads(None)
    for _ in range(2):
        all_threads = sums(model, crystals)
        np.testing.assert_array_equal(one.matrix, all_threads.matrix)
        np.testing.assert_array_equal(one.vector, all_threads.vector)
        np.testing.assert_array_equal(one.losses, all_threads.losses)


def test_sums_of_some_structures(model, crystals):
    chosen = np.array([3, 5, 40])
    some, alone = sums(model, crystals, chosen), sums(model, crystals.take(chosen))
    np.testing.assert_allclose(some.matrix, alone.matrix, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(some.losses[chosen], alone.losses, rtol=1e-12)


def test_missing_labels_are_not_used(model, crystals):
    batch = crystals.take(slice(0, 4))
    forces = batch.forces.copy()
    forces[batch.atoms_of(1)] = np.nan
    stresses = batch.stresses.copy()
    stresses[2] = np.nan
    energies = batch.energies.copy()
    energies[3] = np.nan
    full = sums(model, batch).losses
    found = sums(model, batch.replaced(forces=forces, stresses=stresses, energies=energies)).losses
    no_forces = sums(model, batch, settings=replace(SETTINGS, force_weight=0.0)).losses
    no_stress = sums(model, batch, settings=replace(SETTINGS, stress_weight=0.0)).losses
    assert found[0] == full[0]
    assert found[1] == no_forces[1]
    assert found[2] == no_stress[2]
    of_energy = (evaluate(model, batch).energies - batch.energies)[3] ** 2 / batch.n_atoms[3]
    assert found[3] == pytest.approx(full[3] - of_energy)
