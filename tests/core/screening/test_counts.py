"""Counting derivative structures agrees with enumerating them."""

import numpy as np
import pytest

from aiida_mtp.core.screening.counts import count_derivatives
from aiida_mtp.core.screening.lattices import derivative_structures


@pytest.mark.parametrize(
    ('parent', 'elements', 'cells', 'sites'),
    [('fcc', 'AlNi', 7, 1), ('bcc', 'AlNi', 7, 1), ('hcp', 'AlNi', 3, 2), ('fcc', 'AlNiTi', 5, 1)],
)
def test_as_enumerated(parent, elements, cells, sites):
    elements = [elements[i : i + 2] for i in range(0, len(elements), 2)]
    batch = derivative_structures(parent, cells * sites, elements)
    primitive = np.count_nonzero(batch.n_atoms == cells * sites)
    counted = count_derivatives(parent, cells, len(elements))
    alone = np.count_nonzero(batch.n_atoms == sites)  # for a prime number of cells, what has a
    kinds = len(superlattices_up_to_symmetry(parent, cells))  # smaller cell has the smallest
    assert counted == primitive + kinds * alone


def superlattices_up_to_symmetry(parent, cells):
    """Count the orderings of one element: one for each kind of superlattice."""
    return range(count_derivatives(parent, cells, 1))


def test_the_published_counts_of_superlattices():
    # Hart & Forcade 2008, Table I: fcc, cells of 1 to 8 atoms
    assert [count_derivatives('fcc', n, 1) for n in range(1, 9)] == [1, 2, 3, 7, 5, 10, 7, 20]
