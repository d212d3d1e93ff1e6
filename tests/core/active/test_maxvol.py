"""Maximum volume: against a brute-force search, MLIP's own active sets, and its definition."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_mtp.core.active.maxvol import (
    EMPTY,
    THRESHOLD,
    Volume,
    invert,
    maximise_volume,
    swap_rows,
)


def blocks_of(B, size):
    return lambda: ((first, B[first : first + size]) for first in range(0, len(B), size))


def log_det(matrix):
    return np.linalg.slogdet(matrix)[1]


@pytest.mark.parametrize('size', [1000, 7, 1])
def test_no_entry_exceeds_the_threshold_in_the_end(size):
    B = np.random.default_rng(1).normal(size=(90, 12))
    volume = maximise_volume(Volume.start(12), blocks_of(B, size))
    assert np.abs(B @ np.linalg.inv(volume.matrix)).max() <= THRESHOLD + 1e-12
    np.testing.assert_array_equal(volume.matrix, B[volume.holders])
    assert len(set(volume.holders)) == 12
    np.testing.assert_allclose(volume.inverse @ volume.matrix, np.eye(12), atol=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 30), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_swap_enlarges_the_determinant_by_its_gain(seed, n, m, size):
    B = np.random.default_rng(seed).normal(size=(m, n))
    start = Volume.start(n)
    sizes = [log_det(start.matrix)]
    for n_swaps in range(1, 40):
        volume = maximise_volume(start, blocks_of(B, size), max_swaps=n_swaps)
        assert volume.n_swaps <= n_swaps
        sizes.append(log_det(volume.matrix))
        assert volume.log_gain == pytest.approx(sizes[-1] - sizes[0], abs=1e-9)
        if volume.n_swaps < n_swaps:
            break
    assert (np.diff(sizes)[: volume.n_swaps] >= np.log(THRESHOLD) - 1e-12).all()


def test_close_to_the_best_of_all_submatrices():
    B = np.random.default_rng(5).normal(size=(12, 3))
    best = max(log_det(B[list(rows)]) for rows in combinations(range(12), 3))
    volume = maximise_volume(Volume.start(3), blocks_of(B, 12))
    assert log_det(volume.matrix) > best - 3 * np.log(3) / 2  # Goreinov et al.: n^(n/2)


def test_directions_nobody_spans_keep_their_start_rows():
    B = np.zeros((8, 4))
    B[:, :2] = np.random.default_rng(2).normal(size=(8, 2))
    volume = maximise_volume(Volume.start(4), blocks_of(B, 3))
    empty = volume.holders == EMPTY
    assert empty.sum() == 2
    np.testing.assert_array_equal(volume.matrix[empty, 2:].sum(axis=0), [1e-6, 1e-6])


def test_rows_that_are_not_finite_are_passed_over():
    B = np.random.default_rng(3).normal(size=(20, 4))
    B[3, 1], B[7, 0], B[9] = np.nan, np.inf, [np.inf, -np.inf, 0, 0]
    volume = maximise_volume(Volume.start(4), blocks_of(B, 6))
    assert not set(volume.holders) & {3, 7, 9}
    assert np.isfinite(volume.inverse).all()


def test_copies_never_hold_two_rows():
    B = np.repeat(np.random.default_rng(4).normal(size=(15, 5)), 3, axis=0)
    volume = maximise_volume(Volume.start(5), blocks_of(B, 11))
    assert len(set(volume.holders // 3)) == 5


def test_one_sweep_is_the_rank_one_update():
    rng = np.random.default_rng(6)
    A, B = rng.normal(size=(5, 5)), rng.normal(size=(9, 5))
    c = B @ np.linalg.inv(A)
    i, j = np.unravel_index(np.abs(c).argmax(), c.shape)
    swaps, gains = np.empty((1, 2), dtype=np.int64), np.empty(1)
    assert swap_rows(c, 1.0, swaps, gains, np.empty(len(c))) == 1
    assert swaps.tolist() == [[i, j]]
    A[j] = B[i]
    np.testing.assert_allclose(c, B @ np.linalg.inv(A), atol=1e-12)


def test_inverse_of_a_badly_scaled_matrix():
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(30, 30)) * 10.0 ** rng.integers(-6, 4, size=(30, 1))
    matrix *= 10.0 ** rng.integers(-3, 3, size=30)
    np.testing.assert_allclose(invert(matrix) @ matrix, np.eye(30), atol=1e-8)
    row = rng.normal(size=30) @ matrix
    np.testing.assert_allclose(row @ invert(matrix) @ matrix, row, rtol=1e-9)


def test_rows_too_large_for_an_inverse_are_passed_over():
    rng = np.random.default_rng(8)
    B = rng.normal(size=(60, 10)) * 10.0 ** rng.integers(-2, 2, size=(60, 1))
    B[::7] = rng.normal(size=10) * 1e16 + rng.normal(size=(9, 10))  # all parallel
    volume = maximise_volume(Volume.start(10), blocks_of(B, 25))
    np.testing.assert_allclose(volume.inverse @ volume.matrix, np.eye(10), atol=0.1)
    assert (volume.holders % 7 > 0).sum() >= 8


def test_as_large_as_the_active_set_mlip_finds(shared_data):
    """The volume over its 500 training structures, for parameters in full precision."""
    reference = np.load(shared_data / 'mlip3' / 'ref_p10_3__train500.npz')
    B = reference['G'] / reference['nat'][:, None]
    volume = maximise_volume(Volume.start(B.shape[1]), blocks_of(B, 128))
    content = (shared_data / 'mlip3' / 'as10_cfg.almtp').read_bytes()
    start = content.index(b'#', content.index(b'#MVS_v1.1\n') + 1) + 1
    theirs = np.frombuffer(content, np.float64, B.shape[1] ** 2, start).reshape(B.shape[1], -1)
    assert (volume.holders == EMPTY).sum() == 30
    # two local maxima: within 1 % per row, either way
    assert log_det(volume.matrix) > log_det(theirs) - 0.01 * len(theirs)
    assert np.abs(B @ volume.inverse).max() < THRESHOLD + 1e-6
