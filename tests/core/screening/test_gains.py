import numpy as np
import pytest
from scipy import stats

from aiida_mtp.core.screening.gains import GAIN, harmonic_gains, judge_gains


def test_springs_gain_what_they_hold(make_set):
    batch = make_set([[1, 1], [2, 0]], [-0.1, -0.2])
    forces = np.zeros_like(batch.forces)
    forces[1] = [0.3, 0.0, 0.4]  # of the first structure
    stresses = np.zeros((2, 6))
    stresses[1, 0], stresses[1, 5] = 0.02, 0.01
    gains = harmonic_gains(batch.replaced(forces=forces, stresses=stresses))
    of_cell = batch.volumes[1] * (0.02**2 + 2 * 0.01**2)
    assert gains == pytest.approx([0.5 * 0.25 / 2.5 / 2, 0.5 * of_cell / 2])
    assert harmonic_gains(batch).tolist() == [0.0, 0.0]  # neither forces nor stresses


@pytest.fixture(scope='module')
def met():
    """Harmonic gains of 300 structures and what they gained: some fell into other minima."""
    random = np.random.default_rng(0)
    harmonic = np.exp(random.normal(np.log(2e-3), 1.0, 300))
    gained = 1.6 * harmonic * (1 + 0.2 * random.normal(size=300)) + 2e-4
    gained[:5] += 0.03
    return harmonic, gained


def test_gains_are_learnt_from_those_that_were_met(met):
    harmonic, gained = met
    known = np.where(np.arange(300) < 200, gained, np.nan)
    gains = judge_gains(known, harmonic)
    assert gains.expected[200:] == pytest.approx(gained[200:], rel=0.8, abs=1e-3)
    assert np.std((gains.expected - gained)[200:]) < 0.3 * np.std(gained[200:])
    assert gains.errors.growth > 2  # what gains much is less sure


def test_a_structure_at_rest_is_nearer_to_its_end_than_one_with_large_forces(met):
    harmonic, gained = met
    gains = judge_gains(gained, harmonic)
    margins = np.full(300, 3e-3)
    doubts = gains.errors.exceed(margins, gains.places)
    assert stats.spearmanr(doubts, harmonic).statistic > 0.99
    assert doubts[np.argmax(harmonic)] > 10 * doubts[np.argmin(harmonic)]


def test_before_any_relaxation_springs_are_believed():
    gains = judge_gains(np.array([np.nan, np.nan]), np.array([0.0, 2e-3]))
    assert gains.expected.tolist() == [0.0, 2e-3]
    assert gains.errors.scale == pytest.approx(GAIN, rel=0.7)


def test_without_forces_all_gain_the_same():
    gained = np.array([1e-3, 2e-3, 6e-3, np.nan])
    gains = judge_gains(gained, np.zeros(4))
    assert gains.expected == pytest.approx([2e-3] * 4)
