"""Neighbour lists against a search of every image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import neighbors as reference

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.neighbors import (
    MAX_IMAGES,
    count_images,
    find_neighbors,
    invert_cell,
    make_shell,
    neighbor_list,
)
from aiida_mtp.core.structures import StructureBatch


def one(positions, cell):
    return StructureBatch.build(['A'], [[0] * len(positions)], [positions], [cell])


def rows(pairs):
    """Pairs in an order of their own, rounded well above rounding errors."""
    return sorted((i, j, *(np.round(vector, 6) + 0.0)) for i, j, vector in pairs)


def found(batch, cutoff):
    pairs = neighbor_list(batch, cutoff)
    centres = np.repeat(np.arange(len(batch.positions)), np.diff(pairs.first))
    return rows(zip(centres, pairs.index, pairs.r_ij, strict=True))


def skewed(rng, strength):
    """A cell equivalent to a brick, but with vectors that lean over by several of the others."""
    cell = np.diag(rng.uniform(2.0, 4.0, 3))
    for _ in range(strength):
        a, b = rng.choice(3, 2, replace=False)
        cell[a] += rng.integers(-2, 3) * cell[b]
    return cell


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), strength=st.integers(0, 3), n=st.integers(1, 4))
def test_all_cells_as_by_brute_force(seed, strength, n):
    rng = np.random.default_rng(seed)
    cell = skewed(rng, strength) + rng.normal(scale=0.1, size=(3, 3))
    positions = rng.uniform(-9, 9, (n, 3))  # most of them outside the cell
    cutoff = rng.uniform(1.5, 5.0)
    expected = reference.neighbors(positions, cell, cutoff)
    lengths = [np.linalg.norm(vector) for *_, vector in expected]
    assert len(expected) == len(found(one(positions, cell), cutoff))
    got = found(one(positions, cell), cutoff)
    np.testing.assert_allclose(np.array(got), np.array(rows(expected)), atol=2e-6)
    assert all(length < cutoff for length in lengths)


def test_face_centred_shells():
    cell = 2.0 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])  # lattice constant 4
    shell = np.sqrt([2, 4, 6, 8]) * 2
    for cutoff, count in zip(shell + 1e-6, (12, 18, 42, 54), strict=True):
        assert len(neighbor_list(one(np.zeros((1, 3)), cell), cutoff).index) == count


def test_the_cutoff_itself_is_outside():
    batch = one(np.zeros((1, 3)), np.eye(3) * 3.0)
    assert len(neighbor_list(batch, 3.0).index) == 0
    assert len(neighbor_list(batch, np.nextafter(3.0, 4.0)).index) == 6


def test_rows_of_many_structures_count_in_the_batch():
    rng = np.random.default_rng(0)
    parts = [one(rng.uniform(0, 4, (n, 3)), skewed(rng, 2)) for n in (1, 3, 2)]
    batch = StructureBatch.concatenate(parts)
    pairs = neighbor_list(batch, 4.0)
    assert len(pairs.first) == 7
    for s, part in enumerate(parts):
        own, atoms = neighbor_list(part, 4.0), batch.atoms_of(s)
        taken = slice(pairs.first[atoms.start], pairs.first[atoms.stop])
        np.testing.assert_array_equal(pairs.index[taken] - atoms.start, own.index)
        np.testing.assert_array_equal(pairs.r_ij[taken], own.r_ij)


def test_the_same_on_any_number_of_threads():
    rng = np.random.default_rng(1)
    batch = StructureBatch.concatenate([one(rng.uniform(0, 4, (3, 3)), skewed(rng, 1))] * 9)
    try:
        use_threads(1)
        serial = neighbor_list(batch, 5.0)
    finally:
        use_threads(None)
    parallel = neighbor_list(batch, 5.0)
    assert serial.r_ij.tobytes() == parallel.r_ij.tobytes()
    assert serial.index.tobytes() == parallel.index.tobytes()


def test_a_full_shell_still_counts():
    cell, inverse = np.eye(3) * 3.0, np.empty((3, 3))
    invert_cell(cell, inverse)
    shell = make_shell(4)
    assert find_neighbors(0, np.zeros((1, 3)), cell, inverse, 3.1, shell) == 6
    assert (shell.r == 3.0).all()


def test_inverse_and_determinant():
    cell = np.random.default_rng(2).normal(size=(3, 3))
    inverse = np.empty((3, 3))
    assert invert_cell(cell, inverse) == pytest.approx(np.linalg.det(cell), rel=1e-12)
    np.testing.assert_allclose(inverse, np.linalg.inv(cell), rtol=1e-10)


@pytest.mark.parametrize(
    ('position', 'cell'),
    [
        (0.0, np.diag([3.0, 3.0, 1e-9])),
        (0.0, np.diag([3.0, 3.0, 0.0])),
        (0.0, np.full((3, 3), np.nan)),
        (np.nan, np.eye(3) * 3.0),
        (np.inf, np.eye(3) * 3.0),
    ],
)
def test_senseless_structures_are_named_at_once(position, cell):
    good = one(np.zeros((1, 3)), np.eye(3) * 3.0)
    bad = StructureBatch.build(
        ['A'], [[0, 0]], [[[0, 0, 0], [position, 1.0, 1.0]]], [cell], ids=['broken']
    )
    with pytest.raises(InputError, match='broken'):
        neighbor_list(StructureBatch.concatenate([good, bad, good]), 4.0)


def test_number_of_images_is_an_upper_bound():
    inverse = np.diag([1 / 3.0, 1 / 3.0, 100.0])
    m = (int(4.0 / 3 + 0.5), int(400.5))
    assert (2 * m[0] + 1) ** 2 * (2 * m[1] + 1) <= count_images(inverse, 4.0) <= MAX_IMAGES
    inverse[2, 2] = 1e6
    assert count_images(inverse, 4.0) > MAX_IMAGES
