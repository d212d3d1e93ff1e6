import numpy as np
import pytest
from replay import ask

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.funnel import RetainSettings, retain
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.knowledge import STEPS, lowers_hull
from aiida_mtp.core.screening.verification import (
    VerificationSettings,
    audit_report,
    audit_rows,
    prospects,
)

SIGMA = 8e-3  # eV/atom


def system(make_set, seed, n=400):
    """A binary with compounds of −50 meV/atom, and many structures above the hull."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 7, (n, 2))
    counts = np.concatenate([np.eye(2, dtype=int), counts])
    x = counts[:, 1] / counts.sum(axis=1)
    energies = -0.2 * x * (1 - x) + np.abs(random.normal(scale=0.06, size=len(x)))
    energies[:2] = 0.0
    return make_set(counts, energies)


def drawn(make_set, seed):
    """Return a system, errors of its predictions, and gains after labels."""
    truth = system(make_set, seed)
    random = np.random.default_rng(100 + seed)
    errors = SIGMA * random.standard_t(6, size=len(truth))
    gains = 2e-3 * np.abs(random.standard_t(6, size=len(truth)))
    errors[:2] = 0.0
    return truth, errors, gains


def played(make_set, seed, settings=None):
    """Play a screen of this system; return truth, predictions and what was asked."""
    truth, errors, gains = drawn(make_set, seed)
    found = ask(truth, errors, gains, SIGMA, settings)
    return truth, truth.energies_per_atom + errors, *found[:4]


def compounds(truth):
    stable = hull_of(truth).stable
    return stable[np.count_nonzero(truth.compositions[stable], axis=1) > 1]


def test_hulls_are_found_and_misses_are_as_many_as_were_expected(make_set):
    missed, bounds, relaxations, retained, lost = [], [], 0, 0, 0
    for seed in range(8):
        settings = VerificationSettings(expected_missed=0.05, afresh=False)
        truth, predicted, found, _, relaxed, _ = played(make_set, seed, settings)
        assert found.expected_missed <= 0.05
        stable = compounds(truth)
        missed.append(int(np.sum(~relaxed[stable])))
        bounds.append(found.bound)
        relaxations += int(relaxed.sum())
        batch = truth.replaced(
            energies=predicted * truth.n_atoms, status=strings(['converged'] * len(truth))
        )
        verdict = retain(batch, SIGMA * 1.22, RetainSettings(duplicates=None))
        retained += int(verdict.keep.sum())
        lost += int(np.sum(~verdict.keep[stable]))
    assert sum(missed) <= 2
    assert np.mean(np.array(missed) <= np.array(bounds)) >= 0.75
    assert sum(missed) <= lost  # the fixed reach loses more …
    assert relaxations < 0.7 * retained  # … with more relaxations


def test_without_errors_little_is_asked(make_set):
    truth = system(make_set, 0)
    none = np.zeros(len(truth))
    found, labels, relaxed, *_ = ask(truth, none, none, SIGMA, VerificationSettings(audit=20))
    assert relaxed[compounds(truth)].all()
    assert labels.sum() < 100
    assert relaxed.sum() < 30
    assert found.errors[2].scale < 0.3 * SIGMA


def test_steps_add_up_and_every_candidate_has_one(make_set):
    truth, *_, found, labels, relaxed, audited = played(make_set, 3)
    counts = found.counts()
    assert sum(counts.values()) == len(truth)
    assert set(found.steps) <= set(STEPS)
    assert counts['relaxed'] == relaxed.sum() + 2  # and the elements
    assert counts['labelled'] == (labels & ~relaxed).sum()
    assert (found.probabilities[found.steps == 'relaxed'] == 0).all()
    assert audited.sum() == 20  # one in twenty, fewer than asked for


def candidates(make_set, status=None):
    """Two elements and three compounds of one composition."""
    counts = [[1, 0], [0, 1], [1, 1], [1, 1], [1, 1]]
    batch = make_set(counts, np.zeros(5), status=status or ['relaxed'] * 2 + ['predicted'] * 3)
    return batch.with_columns(
        formation_energy=[0.0, 0.0, -0.30, -0.28, -0.10], stage=[2, 2, 2, 2, 2]
    )


def answers(batch, rows, energies, status='done'):
    taken = batch.take(rows)
    return taken.replaced(
        energies=np.array(energies) * taken.n_atoms, status=strings([status] * len(rows))
    )


@pytest.fixture
def elements(make_set):
    return make_set([[1, 0], [0, 1]], [0.0, 0.0], status=['done'] * 2, ids=['Al', 'Ni'])


def test_the_lowest_prediction_is_labelled_first_then_relaxed(make_set, elements):
    batch, settings = candidates(make_set), VerificationSettings(batch=1)
    first = prospects(batch, elements, {2: SIGMA}, settings=settings)
    assert first.to_label.tolist() == [2]
    labels = answers(batch, [2], [-0.295])
    second = prospects(batch, elements, {2: SIGMA}, labels=labels, settings=settings)
    assert second.to_relax.tolist() == [2]
    assert second.steps[2] == 'labelled'
    assert second.distances[2] == pytest.approx(0.0, abs=1e-9)
    relaxed = answers(batch, [2], [-0.296])
    third = prospects(
        batch, elements, {2: SIGMA}, labels=labels, relaxed=relaxed, settings=settings
    )
    assert third.steps[2] == 'relaxed'
    assert third.probabilities[2] == 0
    assert third.probabilities[3] > third.probabilities[4] > 0


def test_energies_are_compared_across_a_shift_of_both_scales(make_set, elements):
    batch = candidates(make_set)
    shifted = elements.replaced(energies=np.array([-3.7, -5.5]))
    labels = answers(batch, [2], [(-3.7 - 5.5) / 2 - 0.3])
    found = prospects(batch, shifted, {2: SIGMA}, labels=labels)
    assert found.distances[2] == pytest.approx(0.0, abs=1e-9)


def test_the_more_is_answered_the_more_is_asked_at_once(make_set):
    truth = system(make_set, 1)
    status = strings(['relaxed'] * 2 + ['predicted'] * (len(truth) - 2))
    batch = truth.replaced(status=status).with_columns(
        formation_energy=truth.energies_per_atom, stage=np.full(len(truth), 2)
    )
    references = answers(truth, [0, 1], [0.0, 0.0])
    errors = 0.05 * np.random.default_rng(0).normal(size=len(truth))
    for n_answers, most in ((0, 10), (20, 10), (100, 25)):
        rows = np.arange(2, 2 + n_answers)
        labels = answers(truth, rows, truth.energies_per_atom[rows] + errors[rows])
        found = prospects(
            batch, references, {2: 0.05}, labels=labels, settings=VerificationSettings(batch=10)
        )
        assert len(found.to_label) + len(found.to_relax) == most


def test_each_stage_has_errors_of_its_own(make_set):
    truth = system(make_set, 1)
    n = len(truth)
    stage = np.where(np.arange(n) % 2, 2, 1)
    stage[:2] = 2
    status = strings(['relaxed'] * 2 + ['predicted'] * (n - 2))
    errors = np.random.default_rng(1).normal(size=n) * np.where(stage == 1, 0.03, 0.003)
    batch = truth.replaced(status=status).with_columns(
        formation_energy=truth.energies_per_atom + errors, stage=stage
    )
    references = answers(truth, [0, 1], [0.0, 0.0])
    labels = answers(truth, np.arange(2, 202), truth.energies_per_atom[2:202])
    found = prospects(batch, references, {1: 0.01, 2: 0.01}, labels=labels)
    assert found.errors[1].scale == pytest.approx(0.03, rel=0.2)
    assert found.errors[2].scale == pytest.approx(0.003, rel=0.2)


def test_what_cannot_be_asked_is_left_and_counted(make_set, elements):
    batch = candidates(make_set, ['relaxed', 'relaxed', 'unreliable', 'duplicate', 'predicted'])
    found = prospects(batch, elements, {2: SIGMA})
    assert found.counts()['unreliable'] == found.counts()['duplicate'] == 1
    assert np.isnan(found.distances[2:4]).all()
    assert found.to_label.tolist() == [4]
    failed = answers(batch, [4], [np.nan], 'failed')
    found = prospects(batch, elements, {2: SIGMA}, labels=failed)
    assert found.is_enough
    assert found.steps[4] == 'failed'
    assert found.expected_missed > 0.4  # it is on the hull as far as anybody knows


def test_an_extrapolated_energy_makes_no_hull_but_is_looked_at(make_set, elements):
    status = ['relaxed', 'relaxed', 'extrapolating', 'predicted', 'predicted']
    found = prospects(candidates(make_set, status), elements, {2: SIGMA})
    assert found.distances[2] < 0 == pytest.approx(found.distances[3], abs=1e-9)
    assert found.to_label[0] == 2


def test_a_tolerance_lets_near_misses_go(make_set, elements):
    batch = candidates(make_set)
    strict, lax = (
        prospects(batch, elements, {2: SIGMA}, settings=VerificationSettings(tolerance=tolerance))
        for tolerance in (0.0, 0.02)
    )
    assert lax.expected_missed < strict.expected_missed


def test_the_hull_is_lowered_by_what_lies_below_it_alone(make_set, elements):
    def relaxed(energy, status='done'):
        return make_set([[1, 1], [1, 3]], [energy, 0.5], status=[status] * 2)

    assert not lowers_hull(relaxed(0.2), None, elements)
    assert lowers_hull(relaxed(-0.2), None, elements)
    assert not lowers_hull(relaxed(-0.2, 'failed'), None, elements)
    assert not lowers_hull(relaxed(-0.2005), relaxed(-0.2), elements)  # not worth a word
    assert lowers_hull(relaxed(-0.202), relaxed(-0.2), elements)


def test_the_audit_is_random_reproducible_and_bounds_the_rest(make_set):
    *_, found, _, _, audited = played(make_set, 5)
    rows = audit_rows(found.steps, 10, seed=1)
    assert rows.tolist() == audit_rows(found.steps, 10, seed=1).tolist()
    assert rows.tolist() != audit_rows(found.steps, 10, seed=2).tolist()
    assert set(found.steps[rows]) == {'predicted'}
    report = audit_report(found, audited)
    assert report['n_rest'] == found.counts()['predicted']
    assert 0 < report['n_audited'] <= 20
    assert report['n_found'] == 0
    share = 1 - 0.05 ** (1 / report['n_audited'])
    assert report['bound'] == pytest.approx(share * report['n_rest'])
    nothing = audit_report(found, np.zeros_like(audited))
    assert nothing['bound'] == nothing['n_rest']


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'rule': 'all'}, 'rule'),
        ({'expected_missed': 0.0}, 'at least 1e-6'),
        ({'batch': 0}, 'at least 1'),
        ({'batch': 1.5}, 'not an integer'),
        ({'bach': 1}, 'unknown final setting bach'),
        ({'tolerance': 2.0}, 'between 0 and 1'),
    ],
)
def test_settings_that_make_no_sense(values, message):
    with pytest.raises(InputError, match=message):
        VerificationSettings.from_mapping(values)


def test_a_round_is_never_for_one_or_two_of_many(make_set):
    seen = []
    for batch in (50, 2):
        settings = VerificationSettings(batch=batch, audit=0)
        found = ask(*drawn(make_set, 0), SIGMA, settings)
        seen.append((found.labels.sum() + found.relaxed.sum()) / found.rounds)
    assert seen[0] > 8
    assert seen[0] > 2 * seen[1]  # the user's word goes first


def predicted_by(truth, stage):
    """All but the elements, the first two, as predicted without an error; and the elements."""
    status = strings(['predicted'] * len(truth))
    status[:2] = 'relaxed'
    predicted = truth.replaced(status=status).with_columns(
        formation_energy=truth.energies_per_atom, stage=stage
    )
    return predicted, truth.take([0, 1]).replaced(status=strings(['done'] * 2))


def test_with_one_that_is_needed_others_are_asked_about(make_set):
    """What the answers about one or two leave is as likely to be just too much again."""
    truth = system(make_set, 0)
    predicted, elements = predicted_by(truth, np.full(len(truth), 2))

    def asked(limit, batch=50):
        settings = VerificationSettings(expected_missed=limit, batch=batch)
        return prospects(predicted, elements, {2: SIGMA}, settings=settings)

    everything = asked(1e-6)
    total = everything.expected_missed
    assert len(asked(1.001 * total).to_label) == 0
    assert len(asked(0.999 * total, batch=2).to_label) == 2
    first = asked(0.999 * total).to_label
    assert first.tolist() == everything.to_label[:8].tolist()


def test_before_another_look_it_goes_on_to_what_that_leaves_open(make_set):
    truth = system(make_set, 0)
    predicted, elements = predicted_by(truth, np.full(len(truth), 2))

    def asked(limit, **others):
        settings = VerificationSettings(expected_missed=limit, batch=1000, **others)
        return prospects(predicted, elements, {2: SIGMA}, settings=settings)

    total = asked(1e-6).expected_missed
    number = {share: len(asked(share * total).to_label) for share in (0.1, 0.19, 0.21)}
    assert number[0.21] > number[0.1] > number[0.19] > 0  # five times 0.1 is half of all
    at_once = len(asked(0.1 * total, afresh=False).to_label)
    assert number[0.1] < at_once


def test_the_last_potential_predicts_only_the_likeliest_again(make_set, monkeypatch):
    truth = system(make_set, 0)
    stage = np.where(np.arange(len(truth)) % 2, 1, 2)
    predicted, elements = predicted_by(truth, stage)
    everything = prospects(predicted, elements, {1: 5 * SIGMA, 2: SIGMA})
    monkeypatch.setattr('aiida_mtp.core.screening.verification.MANY', 7)
    monkeypatch.setattr('aiida_mtp.core.screening.verification.FEW', 0.05)
    found = prospects(predicted, elements, {1: 5 * SIGMA, 2: SIGMA})
    number = int(0.05 * len(truth))
    of_last = found.contenders[stage[found.contenders] == 2]
    assert len(of_last) == number < np.sum(stage[everything.contenders] == 2)
    likely = np.sort(found.probabilities[stage == 2])[::-1]
    assert found.probabilities[of_last].tolist() == likely[:number].tolist()
    of_first = found.contenders[stage[found.contenders] == 1]
    assert set(of_first) == set(everything.contenders[stage[everything.contenders] == 1])
    assert len(of_first) > number
