"""What must not change an energy, and structures that have none."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.models import random_model, random_structures

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.evaluate import energy_gradients, evaluate, evaluate_with_gradients
from aiida_mtp.core.structures import StructureBatch

MODEL = random_model()
EXACT = {'rtol': 1e-10, 'atol': 1e-10}


def tensor(stress):
    """6 numbers in ASE's order as a matrix."""
    return stress[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_rotation_and_reflection(seed):
    batch = random_structures(2, seed=seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turned = batch.replaced(positions=batch.positions @ turn.T, cells=batch.cells @ turn.T)
    a, b = evaluate(MODEL, batch), evaluate(MODEL, turned)
    np.testing.assert_allclose(b.energies, a.energies, **EXACT)
    np.testing.assert_allclose(b.forces, a.forces @ turn.T, **EXACT)
    np.testing.assert_allclose(tensor(b.stresses), turn @ tensor(a.stresses) @ turn.T, **EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_translation_and_atoms_outside_their_cell(seed):
    rng = np.random.default_rng(seed)
    batch = random_structures(2, seed=seed)
    turns = rng.integers(-3, 4, batch.positions.shape)
    shift = rng.uniform(-5, 5, 3)
    moved = np.concatenate(
        [
            one.positions + shift + turns[batch.atoms_of(s)] @ one.cells[0]
            for s, one in enumerate(batch)
        ]
    )
    a, b = evaluate(MODEL, batch), evaluate(MODEL, batch.replaced(positions=moved))
    np.testing.assert_allclose(b.energies, a.energies, **EXACT)
    np.testing.assert_allclose(b.forces, a.forces, **EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_permutation(seed):
    one = random_structures(1, seed=seed)
    order = np.random.default_rng(seed).permutation(4)
    other = one.replaced(positions=one.positions[order], types=one.types[order])
    a, b = evaluate(MODEL, one), evaluate(MODEL, other)
    np.testing.assert_allclose(b.energies, a.energies, **EXACT)
    np.testing.assert_allclose(b.forces, a.forces[order], **EXACT)
    np.testing.assert_allclose(b.site_energies, a.site_energies[order], **EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 5))
def test_other_vectors_of_the_same_lattice(seed, n):
    """Strongly skewed cells of the same crystal have the same energy, forces and stress."""
    rng = np.random.default_rng(seed)
    one = random_structures(1, seed=seed)
    cell = one.cells[0].copy()
    for _ in range(n):
        a, b = rng.choice(3, 2, replace=False)
        cell[a] += rng.integers(-2, 3) * cell[b]
    a, b = evaluate(MODEL, one), evaluate(MODEL, one.replaced(cells=cell[None]))
    np.testing.assert_allclose(b.energies, a.energies, **EXACT)
    np.testing.assert_allclose(b.forces, a.forces, **EXACT)
    np.testing.assert_allclose(b.stresses, a.stresses, **EXACT)


@pytest.mark.parametrize('repeat', [(2, 1, 1), (1, 3, 1), (2, 1, 2)])
def test_supercell(repeat):
    one = random_structures(1)
    shifts = np.array(list(np.ndindex(repeat))) @ one.cells[0]
    large = StructureBatch.build(
        one.species,
        [np.tile(one.types, len(shifts))],
        [(one.positions[None] + shifts[:, None]).reshape(-1, 3)],
        one.cells * np.array(repeat)[:, None],
    )
    a, b = evaluate(MODEL, one), evaluate(MODEL, large)
    np.testing.assert_allclose(b.energies, a.energies * len(shifts), **EXACT)
    np.testing.assert_allclose(b.forces, np.tile(a.forces, (len(shifts), 1)), **EXACT)
    np.testing.assert_allclose(b.stresses, a.stresses, **EXACT)
    np.testing.assert_allclose(
        energy_gradients(MODEL, large), energy_gradients(MODEL, one) * len(shifts), rtol=1e-9
    )


def test_left_handed_cell():
    one = random_structures(1)
    other = one.replaced(cells=one.cells[:, [1, 0, 2]])
    a, b = evaluate(MODEL, one), evaluate(MODEL, other)
    np.testing.assert_allclose(b.energies, a.energies, **EXACT)
    np.testing.assert_allclose(b.stresses, a.stresses, **EXACT)


def test_species_are_matched_by_name():
    batch = random_structures(2)
    other = batch.with_species(['Cu', 'Ni', 'Al'])
    assert evaluate(MODEL, batch).energies.tobytes() == evaluate(MODEL, other).energies.tobytes()
    with pytest.raises(InputError, match='Pt'):
        evaluate(MODEL, batch.renamed(['Al', 'Pt']))


def test_same_bytes_on_any_number_of_threads():
    batch = random_structures(50)
    try:
        use_threads(1)
        serial, of_serial = evaluate_with_gradients(MODEL, batch)
    finally:
        use_threads(None)
    assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
    parallel, of_parallel = evaluate_with_gradients(MODEL, batch)
    assert of_serial.tobytes() == of_parallel.tobytes()
    for name in ('energies', 'forces', 'stresses', 'site_energies', 'min_dist'):
        assert getattr(serial, name).tobytes() == getattr(parallel, name).tobytes()


def test_result_does_not_depend_on_the_company():
    """A structure is evaluated the same alone, in a batch, and beside one of many neighbours."""
    batch = random_structures(20)
    dense = StructureBatch.build(['Al', 'Ni'], [[0]], [np.zeros((1, 3))], [np.eye(3) * 1.2])
    among = evaluate(MODEL, StructureBatch.concatenate([batch, dense]))
    assert among.energies[:20].tobytes() == evaluate(MODEL, batch).energies.tobytes()
    assert among.energies[20] == evaluate(MODEL, dense).energies[0]
    assert np.isfinite(among.energies[20])
    assert among.min_dist[20] == pytest.approx(1.2)


def test_empty_batch():
    result, gradients = evaluate_with_gradients(MODEL, StructureBatch.empty(['Al', 'Ni']))
    assert result.energies.shape == (0,)
    assert result.forces.shape == (0, 3)
    assert gradients.shape == (0, MODEL.n_parameters)


CELL = np.eye(3) * 3.0
PAIR = np.array([[0.0, 0.0, 0.0], [1.5, 1.5, 1.5]])


@pytest.mark.parametrize(
    ('positions', 'cell'),
    [
        pytest.param(PAIR * [1, np.nan, 1], CELL, id='nan position'),
        pytest.param(np.where(PAIR > 1, np.inf, PAIR), CELL, id='infinite position'),
        pytest.param(PAIR, CELL * np.nan, id='nan cell'),
        pytest.param(PAIR, np.array([[3.0, 0, 0], [3, 0, 0], [0, 0, 3]]), id='no volume'),
        pytest.param(PAIR, np.diag([3, 3, 1e-9]), id='flat'),
        pytest.param(PAIR, np.diag([3, 1e-9, 1e-9]), id='flat twice'),
        pytest.param(PAIR * 0, CELL, id='coincident atoms'),
    ],
)
def test_senseless_structures_are_nan_and_harm_no_other(positions, cell):
    good = random_structures(1)
    bad = StructureBatch.build(['Al', 'Ni'], [[0, 1]], [positions], [cell])
    batch = StructureBatch.concatenate([good, bad, good])
    result, gradients = evaluate_with_gradients(MODEL, batch)
    expected, expected_gradients = evaluate_with_gradients(MODEL, good)
    assert np.isnan(result.energies[1])
    assert np.isnan(result.forces[batch.atoms_of(1)]).all()
    assert np.isnan(result.stresses[1]).all()
    assert np.isnan(gradients[1]).any()
    for s in (0, 2):
        assert result.energies[s] == expected.energies[0]
        np.testing.assert_array_equal(result.forces[batch.atoms_of(s)], expected.forces)
        np.testing.assert_array_equal(gradients[s], expected_gradients[0])
