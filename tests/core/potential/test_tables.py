"""The generated bases."""

from dataclasses import replace

import numpy as np
import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import site_energy_gradients
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.potential.tables import level_of, make_tables
from aiida_mtp.core.structures import StructureBatch

# level: radial functions, basic moments, scalars, products in MLIP's table
COUNTS = {
    2: (1, 1, 1, 0),
    4: (1, 1, 2, 1),
    6: (2, 5, 5, 5),
    8: (2, 11, 9, 14),
    10: (3, 25, 16, 42),
    12: (3, 46, 29, 117),
    14: (4, 81, 52, 348),
    16: (4, 130, 92, 969),
    18: (5, 201, 163, 2634),
    20: (5, 295, 288, 6349),
    22: (6, 421, 500, 15431),
    24: (6, 581, 864, 36170),
    26: (6, 706, 1464, 82520),
    28: (6, 866, 2445, 180069),
}
HIGH = [pytest.param(level, marks=pytest.mark.slow) for level in (22, 24, 26, 28)]


@pytest.mark.parametrize('level', [*range(2, 21, 2), *HIGH])
def test_counts(level):
    tables = make_tables(level)
    radial, basic, scalar, times = COUNTS[level]
    assert (tables.n_radial, len(tables.alpha_index_basic), tables.n_scalar) == (
        radial,
        basic,
        scalar,
    )
    assert len(tables.alpha_index_times) <= times
    assert level_of(basic, scalar) == level


@pytest.mark.parametrize('level', [2, 6, 12, 16])
def test_every_moment_is_used(level):
    tables = make_tables(level)
    used = np.zeros(tables.n_moments, bool)
    used[tables.alpha_moment_mapping] = True
    used[tables.alpha_index_times[:, :2]] = True
    assert used[len(tables.alpha_index_basic) :].all()
    assert len(set(tables.alpha_moment_mapping)) == tables.n_scalar


@pytest.mark.parametrize('level', [8, 10, 16, 20])
def test_basis_spans_that_of_mlip(shared_data, level):
    """Each of our basis functions is a combination of MLIP's, and the other way round."""
    theirs = read_potential(shared_data / 'mlip3' / f'p{level:02d}_3.mtp')
    ours = replace(theirs, tables=make_tables(level))
    batch = read_structures(shared_data / 'mlip3' / 'small60.cfg')
    n = ours.tables.n_scalar
    assert theirs.tables.n_scalar == n
    functions = []
    for model in (ours, theirs):
        values = site_energy_gradients(model, batch)[:, -n:]
        functions.append(values / np.linalg.norm(values, axis=0))
    for a, b in (functions, functions[::-1]):
        residual = a @ np.linalg.lstsq(a, b, rcond=1e-14)[0] - b
        assert abs(residual).max() < 1e-9


@pytest.mark.parametrize('level', [8, 14])
def test_basis_functions_are_independent(level):
    """On random neighbourhoods no basis function is a combination of the others."""
    model = initial_model(level, ['A'], 6.0, min_dist=1.0)
    n = model.tables.n_scalar
    rng = np.random.default_rng(3)
    batch = StructureBatch.build(
        ['A'], [[0] * 4] * n, rng.uniform(0, 5, (n, 4, 3)), [np.eye(3) * 5.0] * n
    )
    values = site_energy_gradients(model, batch)[:, -n:]
    values /= np.linalg.norm(values, axis=0)
    assert np.linalg.matrix_rank(values, tol=1e-10) == n


@pytest.mark.parametrize('level', [0, 1, 7, 30, -2])
def test_unknown_level(level):
    with pytest.raises(InputError, match=f'not {level}'):
        make_tables(level)


def test_unknown_counts_have_no_level():
    assert level_of(11, 10) == 0
    assert level_of(12, 9) == 0


@pytest.mark.parametrize(
    ('name', 'row', 'message'),
    [
        ('alpha_index_times', (99, 0, 1, 17), 'does not exist'),
        ('alpha_index_times', (-1, 0, 1, 17), 'does not exist'),
        ('alpha_index_times', (0, 0, 1, 3), 'does not exist'),
        ('alpha_index_times', (17, 0, 1, 11), 'before it is complete'),
        ('alpha_index_times', (0, 0, 1, 17), 'every moment'),
        ('alpha_index_basic', (0, -1, 0, 0), 'outside'),
        ('alpha_index_basic', (0, 0, 0, 1000), 'outside'),
        ('alpha_index_basic', (0, 1, 0, 0), 'twice'),
        ('alpha_moment_mapping', 99, 'does not exist'),
        ('alpha_moment_mapping', -1, 'does not exist'),
    ],
)
def test_damaged_tables_are_refused(name, row, message):
    tables = make_tables(8)
    damaged = getattr(tables, name).copy()
    damaged[0] = row
    with pytest.raises(ValueError, match=message):
        replace(tables, **{name: damaged})


@pytest.mark.parametrize('n_moments', [3, 10**12])
def test_wrong_number_of_moments_is_refused(n_moments):
    with pytest.raises(ValueError, match='does not fit'):
        replace(make_tables(8), n_moments=n_moments)
