import numpy as np
import pytest
from ase.build import bulk

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.funnel import REASONS, RetainSettings, hull_members, retain
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch

NO_DUPLICATES = RetainSettings(duplicates=None)


def system(make_set, *rows):
    """Al and Ni at zero energy, and rows of (composition, energy per atom, status)."""
    counts = [[1, 0], [0, 1], *(row[0] for row in rows)]
    energies = [0.0, 0.0, *(row[1] for row in rows)]
    status = ['converged', 'converged', *(row[2] for row in rows)]
    return make_set(counts, energies, status=status)


def test_what_is_within_reach_is_kept(make_set):
    batch = system(
        make_set,
        ([1, 1], -0.5, 'converged'),
        ([1, 1], -0.41, 'converged'),
        ([1, 1], -0.39, 'converged'),
        ([3, 1], -0.2, 'converged'),
    )
    verdict = retain(batch, 0.025, NO_DUPLICATES)
    assert verdict.keep.tolist() == [True, True, True, True, False, True]
    assert verdict.reasons.tolist() == [*['kept'] * 4, 'above_hull', 'kept']
    np.testing.assert_allclose(verdict.e_above_hull, [0, 0, 0, 0.09, 0.11, 0.05], atol=1e-12)
    assert verdict.counts() == {'kept': 5, 'above_hull': 1, 'duplicate': 0, 'unreliable': 0}
    assert verdict.sigma == 0.025


def test_every_row_has_one_reason_and_counts_add_up(make_set):
    random = np.random.default_rng(0)
    counts = random.integers(0, 4, (300, 2))
    counts = counts[counts.any(axis=1)]
    words = ['converged', 'max_steps', 'extrapolating', 'min_dist', 'not_finite', 'volume']
    rows = [
        (c, e, words[i % 6])
        for i, (c, e) in enumerate(
            zip(counts.tolist(), random.normal(scale=0.2, size=len(counts)), strict=True)
        )
    ]
    verdict = retain(system(make_set, *rows), 0.05)
    assert set(verdict.reasons) <= set(REASONS)
    assert sum(verdict.counts().values()) == len(rows) + 2
    assert min(verdict.counts().values()) > 0
    np.testing.assert_array_equal(verdict.keep, verdict.reasons == 'kept')
    np.testing.assert_array_equal(verdict.reasons == 'duplicate', verdict.duplicate_of != '')


def test_extrapolating_structures_neither_make_the_hull_nor_vanish(make_set):
    batch = system(
        make_set,
        ([1, 1], -0.5, 'converged'),
        ([1, 1], -5.0, 'extrapolating'),
        ([1, 1], -0.45, 'extrapolating'),
        ([1, 1], -0.1, 'extrapolating'),
        ([1, 1], -9.0, 'min_dist'),
        ([1, 1], np.nan, 'not_finite'),
        ([1, 1], np.inf, 'converged'),
    )
    verdict = retain(batch, 0.025, NO_DUPLICATES)
    assert verdict.reasons[2:].tolist() == ['kept'] * 3 + ['unreliable'] * 4
    assert verdict.e_above_hull[2] == 0


def test_an_unfinished_relaxation_is_an_upper_bound(make_set):
    batch = system(make_set, ([1, 1], -0.5, 'max_steps'), ([1, 1], -0.3, 'converged'))
    verdict = retain(batch, 0.025, NO_DUPLICATES)
    assert verdict.reasons[2:].tolist() == ['kept', 'above_hull']


def test_the_lowest_structure_of_each_element_is_always_kept(make_set):
    counts = [[1, 0], [1, 0], [0, 1], [0, 1], [1, 1]]
    status = ['extrapolating', 'converged', 'converged', 'converged', 'converged']
    batch = make_set(counts, [-3.0, 0.0, 0.0, 0.4, -0.5], status=status)
    verified = make_set([[1, 0], [0, 1]], [-2.0, -2.0])
    verdict = retain(batch, 0.001, NO_DUPLICATES, verified=verified)
    assert verdict.keep.tolist() == [True, True, True, False, False]
    assert verdict.e_above_hull[1] == pytest.approx(2.0)


def test_a_hull_of_verified_energies(make_set):
    """A potential that underestimates one structure hides its neighbours, unless DFT anchors it."""
    batch = system(make_set, ([1, 1], -0.7, 'converged'), ([2, 1], -0.45, 'converged'))
    assert retain(batch, 0.001, NO_DUPLICATES).reasons[3] == 'above_hull'
    verified = make_set([[1, 0], [0, 1], [1, 1]], [0.0, 0.0, -0.5])
    verdict = retain(batch, 0.001, NO_DUPLICATES, verified=verified)
    assert verdict.reasons[2:].tolist() == ['kept', 'kept']
    assert verdict.e_above_hull[2] == pytest.approx(-0.2)


def test_errors_of_each_structure(make_set):
    batch = system(make_set, ([1, 1], -0.5, 'converged'), *[([1, 1], -0.4, 'converged')] * 2)
    errors = np.array([0.01, 0.01, 0.01, 0.01, 0.03])
    verdict = retain(batch, errors, NO_DUPLICATES)
    assert verdict.reasons[3:].tolist() == ['above_hull', 'kept']
    assert verdict.sigma == 0.03


def test_an_error_of_zero_is_not_believed(make_set):
    batch = system(make_set, ([1, 1], -0.5, 'converged'), ([1, 1], -0.4965, 'converged'))
    assert retain(batch, 0.0, NO_DUPLICATES).keep.all()


def test_reference_energies_that_are_given(make_set):
    batch = make_set([[1, 1], [1, 1]], [-1.5, -1.2], status=['converged'] * 2)
    verdict = retain(batch, 0.01, NO_DUPLICATES, references={'Al': -1.0, 'Ni': -1.0})
    np.testing.assert_allclose(verdict.formation_energies, [-0.5, -0.2])


def test_duplicates_go_and_say_whose_they_are():
    atoms = [bulk('Al'), bulk('Ni'), *(bulk('NiAl', 'cesiumchloride', a=2.9) for _ in range(3))]
    atoms.append(bulk('Al', cubic=True))
    energies = [0.0, 0.0, -0.5, -0.5003, -0.49]
    total = [e * len(a) for e, a in zip([*energies, -1e-5], atoms, strict=True)]
    ids = ['Al', 'Ni', 'a', 'b', 'c', 'Al4']
    status = ['converged'] * 6
    batch = StructureBatch.from_ase(atoms, energies=total, ids=ids, status=status)
    verdict = retain(batch, 0.025)
    assert verdict.reasons.tolist() == ['duplicate', 'kept', 'duplicate', 'kept', 'kept', 'kept']
    assert verdict.duplicate_of.tolist() == ['Al4', '', 'b', '', '', '']
    everything = retain(batch, 0.025, NO_DUPLICATES)
    assert everything.keep.all()


def test_the_next_stage_has_the_hull_of_this_one(make_set):
    random = np.random.default_rng(1)
    counts = random.integers(0, 5, (200, 3))
    counts = np.vstack([np.eye(3, dtype=int), counts[counts.any(axis=1)]])
    status = ['converged'] * len(counts)
    batch = make_set(counts, random.normal(size=len(counts)), status=status)
    before = hull_of(batch)
    kept = batch.take(retain(batch, 0.01).keep)
    assert len(kept) < len(batch)
    assert set(batch.ids[before.stable]) <= set(kept.ids)
    after = hull_of(kept)
    np.testing.assert_allclose(np.sort(after.hull.potentials), np.sort(before.hull.potentials))


def test_an_element_that_is_only_extrapolated_to_makes_the_hull_all_the_same(make_set):
    counts, status = [[1, 0], [0, 1], [0, 2], [1, 1]], ['converged', *['extrapolating'] * 3]
    batch = make_set(counts, [0.0, 0.1, 0.3, -0.5], status=status)
    verdict = retain(batch, 0.025, NO_DUPLICATES)
    assert verdict.keep.tolist() == [True, True, False, True]
    np.testing.assert_allclose(verdict.formation_energies, [0.0, 0.0, 0.2, -0.55], atol=1e-12)
    assert hull_members(batch).tolist() == [True, True, False, False]


def test_an_element_without_a_believable_energy_is_named(make_set):
    status = ['converged', 'min_dist', 'converged']
    batch = make_set([[1, 0], [0, 1], [1, 1]], [0.0, 0.0, -0.5], status=status)
    with pytest.raises(InputError, match='no reference energy of Ni'):
        retain(batch, 0.025)
    status = ['converged', 'min_dist', 'min_dist']
    with pytest.raises(InputError, match='no reference energy of Ni: no structure with it'):
        retain(make_set([[1, 0], [0, 1], [1, 1]], [0.0, 0.0, -0.5], status=status), 0.025)


@pytest.mark.parametrize('sigma', [float('nan'), -1.0])
def test_an_error_that_is_no_error(make_set, sigma):
    with pytest.raises(InputError, match=r'set retain\.sigma'):
        retain(system(make_set), sigma)
    assert retain(system(make_set), sigma, RetainSettings(sigma=0.01)).keep.all()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'K': 4}, 'unknown retain setting K; known: k, sigma'),
        ({'k': 0}, 'retain.k must be a positive number, not 0'),
        ({'sigma': 'big'}, "retain.sigma must be a positive number, not 'big'"),
        ({'trusted': 'converged'}, "retain.trusted must be a list, not 'converged'"),
        ({'doubtful': ['done']}, 'retain: done is both trusted and doubtful'),
        ({'duplicates': {'energie': 1}}, 'unknown duplicates setting energie'),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        RetainSettings.from_mapping(values)


def test_settings_from_plain_values():
    settings = RetainSettings.from_mapping(
        {'k': 5, 'doubtful': ['min_dist'], 'duplicates': {'energy': 2e-3}}
    )
    assert settings.doubtful == ('min_dist',)
    assert settings.duplicates.energy == 2e-3
    assert RetainSettings.from_mapping({'duplicates': None}).duplicates is None
