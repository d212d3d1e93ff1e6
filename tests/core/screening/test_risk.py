import numpy as np
import pytest
from scipy import stats

from aiida_mtp.core.screening.risk import (
    composition_shift,
    fewest,
    fit_errors,
    share_bound,
)

SIGMA = 0.01  # eV/atom


def test_the_width_is_learnt_from_errors_and_before_them_it_is_the_expected():
    random = np.random.default_rng(0)
    few, many = (fit_errors(random.normal(scale=3 * SIGMA, size=n), SIGMA) for n in (5, 500))
    assert fit_errors(np.array([]), SIGMA).scale == pytest.approx(SIGMA, rel=0.7)
    assert many.scale == pytest.approx(3 * SIGMA, rel=0.06)
    assert abs(few.scale - 3 * SIGMA) > abs(many.scale - 3 * SIGMA)
    assert few.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize('degrees', [4.0, 60.0])
def test_probabilities_are_those_of_the_distribution_errors_come_from(degrees):
    errors = SIGMA * stats.t.rvs(degrees, size=3000, random_state=1)
    margins = np.linspace(-0.05, 0.05, 301)
    probabilities = fit_errors(errors, SIGMA).exceed(margins)
    expected = stats.t.sf(margins / SIGMA, degrees)
    np.testing.assert_allclose(probabilities, expected, atol=0.012)
    assert (np.diff(probabilities) <= 0).all()


def test_little_knowledge_leaves_fat_tails():
    errors = np.random.default_rng(2).normal(scale=SIGMA, size=1000)
    margin = np.array([5 * SIGMA])
    few, many = (fit_errors(errors[:n], SIGMA).exceed(margin)[0] for n in (4, 1000))
    assert few > 10 * many


def test_the_width_that_grows_is_that_of_each_place():
    """Nearly all that were met are of small errors; the few others tell of their like."""
    random = np.random.default_rng(5)
    places = np.concatenate([random.uniform(0.0, 0.3, 1000), random.uniform(0.8, 1.0, 50)])
    errors = SIGMA * 6.0**places * random.normal(size=len(places))
    model = fit_errors(errors, SIGMA, places)
    assert model.growth == pytest.approx(6.0, rel=0.4)
    where = np.array([0.1, 0.9])
    margins = 2.0 * SIGMA * 6.0**where
    expected = stats.norm.sf(2.0)
    assert model.exceed(margins, where) == pytest.approx([expected] * 2, rel=0.4)
    one_width = fit_errors(errors, SIGMA).exceed(margins)
    assert one_width[1] < 0.3 * expected
    counts = model.weights @ model.expect(np.repeat(margins, 500), np.repeat(where, 500))
    assert counts == pytest.approx(500 * model.exceed(margins, where).sum(), rel=0.02)
    assert fewest([(model, np.repeat(margins, 500), np.repeat(where, 500))]) > counts


def test_a_margin_that_is_unknown_is_not_exceeded():
    model = fit_errors(np.array([]), SIGMA)
    assert model.exceed(np.array([np.nan, -1.0])).round(2).tolist() == [0.0, 1.0]
    assert model.exceed(np.array([])).tolist() == []
    assert model.expect(np.array([np.nan])).sum() == 0


def test_the_number_that_is_not_exceeded_is_that_of_a_simulation():
    random = np.random.default_rng(3)
    model = fit_errors(random.normal(scale=SIGMA, size=2000), SIGMA)
    margins = np.full(1000, 2.5 * SIGMA)
    found = (random.normal(scale=SIGMA, size=(4000, 1000)) > margins).sum(axis=1)
    bound = fewest([(model, margins)])
    assert abs(bound - np.quantile(found, 0.95)) <= 2  # the width is known to 2 %
    assert fewest([(model, margins[:0])]) == 0
    assert fewest([(model, margins)], others=5.0) > bound
    assert fewest([(model, margins[:500]), (model, margins[500:])]) == pytest.approx(bound, abs=1)


@pytest.mark.parametrize('expected', [0.02, 0.3, 3.0, 5000.0])
def test_of_rare_events_alone_the_number_is_the_quantile_of_poisson(expected):
    assert fewest([], others=expected) == stats.poisson.ppf(0.95, expected)


def test_a_shift_linear_in_composition_is_found_and_outliers_do_not_turn_it():
    random = np.random.default_rng(4)
    fractions = random.dirichlet(np.ones(3), 400)
    shift = np.array([0.02, -0.01, 0.005])
    errors = fractions @ shift + random.normal(scale=SIGMA, size=400)
    errors[:10] = 3.0
    found, left = composition_shift(errors, fractions, SIGMA)
    np.testing.assert_allclose(found, shift, atol=4e-3)
    np.testing.assert_allclose(left[10:], (errors - fractions @ shift)[10:], atol=4e-3)
    assert np.abs(composition_shift(np.array([]), fractions[:0], SIGMA)[0]).max() < 1e-9
    once, _ = composition_shift(errors[10:11], fractions[10:11], SIGMA)
    assert np.abs(once).max() < abs(errors[10])


def test_what_is_left_of_few_errors_is_as_large_as_those_to_come():
    random = np.random.default_rng(3)
    left, fitted, unseen = [], [], []
    for _ in range(2000):
        fractions = random.dirichlet(np.ones(3), size=6)
        errors = fractions @ random.normal(scale=SIGMA, size=3) + random.normal(scale=SIGMA, size=6)
        shift, others = composition_shift(errors[:5], fractions[:5], SIGMA)
        left.extend(others)
        fitted.extend(errors[:5] - fractions[:5] @ shift)
        unseen.append(errors[5] - fractions[5] @ shift)
    assert np.std(left) == pytest.approx(np.std(unseen), rel=0.05)
    assert np.std(fitted) < 0.8 * np.std(unseen)


def test_a_sample_bounds_a_share_as_clopper_and_pearson_have_it():
    assert share_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert stats.binom.cdf(3, 60, share_bound(3, 60)) == pytest.approx(0.05)
    assert share_bound(7, 7) == 1.0
