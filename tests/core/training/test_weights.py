"""Weights of structures."""

import numpy as np
import pytest

from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.core.training.weights import energies_above_mixtures, frame_weights


def binary(counts, energies_per_atom, **labels):
    """Structures of these many atoms of A and B."""
    types = [[0] * a + [1] * b for a, b in counts]
    positions = [np.zeros((len(t), 3)) for t in types]
    energies = [e * len(t) for e, t in zip(energies_per_atom, types, strict=True)]
    cells = np.tile(4.0 * np.eye(3), (len(types), 1, 1))
    return StructureBatch.build(['A', 'B'], types, positions, cells, energies=energies, **labels)


def all_of(batch):
    return np.ones(len(batch), dtype=bool)


def test_energy_above_mixtures():
    batch = binary([(1, 0), (2, 0), (0, 1), (1, 1), (3, 1)], [-1.0, -0.7, -3.0, -2.5, -1.2])
    above = energies_above_mixtures(batch, all_of(batch))
    np.testing.assert_allclose(above, [0, 0.3, 0, 0, -1.2 + 1.75], atol=1e-9)


def test_no_elements_are_needed():
    batch = binary([(3, 1), (1, 1), (1, 3), (1, 1)], [-1.0, -1.5, -1.0, -0.5])
    above = energies_above_mixtures(batch, all_of(batch))
    np.testing.assert_allclose(above, [0, 0, 0, 1.0], atol=1e-9)


def test_bad_structures_are_no_ends_of_mixtures():
    batch = binary([(1, 0), (0, 1), (1, 1)], [-1.0, -1.0, -9.0])
    among = np.array([True, True, False])
    np.testing.assert_allclose(energies_above_mixtures(batch, among), [0, 0, -8.0], atol=1e-9)


def test_structures_without_energy():
    batch = binary([(1, 0), (0, 1), (1, 1)], [-1.0, np.nan, -2.0])
    above = energies_above_mixtures(batch, all_of(batch))
    np.testing.assert_allclose(above, [0, np.nan, 0], atol=1e-9)


def test_large_forces_and_stresses_weigh_less():
    forces = [[[0.0, 30.0, 40.0]], [[0.0, 0.0, 3.0]], [[np.nan] * 3]]
    stresses = np.zeros((3, 6))
    stresses[2, 4] = -0.4
    batch = binary([(1, 0), (0, 1), (1, 0)], [0, 0, 0], forces=forces, stresses=stresses)
    settings = TrainingSettings(force_limit=25.0, stress_limit=0.1)
    found = frame_weights(batch, settings)
    np.testing.assert_array_equal(found.is_bad, [True, False, True])
    np.testing.assert_allclose(found.weights, [0.25, 1.0, 1 / 16])
    np.testing.assert_allclose(found.max_force, [50.0, 3.0, 0.0])
    dropped = TrainingSettings(force_limit=25.0, stress_limit=0.1, bad_frames='drop')
    np.testing.assert_allclose(frame_weights(batch, dropped).weights, [0, 1, 0])
    unlimited = TrainingSettings(force_limit=None, stress_limit=None)
    np.testing.assert_allclose(frame_weights(batch, unlimited).weights, 1.0)


def test_low_energies_weigh_more():
    batch = binary([(1, 0), (1, 0), (1, 0), (1, 0)], [0.0, 0.1, 0.2, 5.0])
    found = frame_weights(batch, TrainingSettings(energy_window=0.2, min_window_weight=0.05))
    np.testing.assert_allclose(found.weights, [1.0, np.exp(-0.5), np.exp(-1), 0.05])
    assert not found.is_bad.any()


def test_energies_may_all_be_missing():
    batch = binary([(1, 0), (0, 1)], [np.nan, np.nan])
    assert np.isnan(energies_above_mixtures(batch, all_of(batch))).all()
    weights = frame_weights(batch, TrainingSettings(energy_window=0.2)).weights
    assert weights == pytest.approx(1.0)


def test_structures_that_are_lowest_in_another_magnetic_state_are_left_out():
    batch = binary([(1, 0), (0, 1), (1, 1)], [-1.0, -1.0, -2.0])
    both, one = '{"ferromagnetic": {}, "none": {}}', '{"none": {}}'
    batch = batch.with_columns(
        magnetic_state=['ferromagnetic', 'none', 'none'], magnetic_states=[both, both, one]
    )
    settings = TrainingSettings(magnetic_state='ferromagnetic')
    found = frame_weights(batch, settings)
    np.testing.assert_array_equal(found.weights, [1, 0, 1])  # the last has no other state
    np.testing.assert_array_equal(found.is_bad, [False, True, False])
    np.testing.assert_array_equal(frame_weights(batch, TrainingSettings()).weights, 1)
