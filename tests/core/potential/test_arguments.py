"""The way the kernels go: as short as the algebra allows, and in an order that works."""

import numpy as np
import pytest

from aiida_mtp.core.potential.arguments import kernel_arguments, make_plan
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.potential.tables import make_tables


@pytest.mark.parametrize(('level', 'n_sums'), [(8, 10), (16, 84), (20, 165), (24, 286)])
def test_sums_over_neighbours(level, n_sums):
    """Those with u_z² and more follow from the others."""
    tables = make_tables(level)
    plan = make_plan(tables)
    used = np.unique(plan.basic_of)
    sums = used[used < tables.n_moments]
    assert len(sums) == n_sums
    assert (tables.alpha_index_basic[sums, 3] <= 1).all()


@pytest.mark.parametrize('level', [2, 8, 20])
def test_everything_is_there_before_it_is_used(level):
    tables = make_tables(level)
    plan = make_plan(tables)
    known = set(plan.basic_of.ravel().tolist()) | {tables.n_moments}
    for g, node in enumerate(plan.forward.nodes):
        rows = slice(plan.forward.first[g], plan.forward.first[g + 1])
        assert set(plan.forward.sources[rows].ravel().tolist()) <= known
        known.add(int(node))
    assert set(range(tables.n_moments)) <= known
    reached = set()
    for g, node in enumerate(plan.backward.nodes):
        rows = slice(plan.backward.first[g], plan.backward.first[g + 1])
        assert set(plan.backward.sources[rows, 0].tolist()) <= reached
        reached.add(int(node))
    assert reached == set(range(tables.n_moments))


def test_the_plan_is_made_once_and_seeds_follow_the_coefficients():
    model = initial_model(10, ('Al', 'Ni'), 5.0)
    other = model.with_coefficients(2.0 * model.coefficients)
    a, b = kernel_arguments(model), kernel_arguments(other)
    assert a.plan is b.plan
    np.testing.assert_array_equal(2.0 * a.seeds, b.seeds)
