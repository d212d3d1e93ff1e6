"""Random structures with labels and columns, and what it means that two sets are the same."""

import numpy as np

from aiida_mtp.core.structures import StructureBatch

ARRAYS = (
    *('types', 'positions', 'cells', 'first_atom', 'ids', 'origins', 'status'),
    *('energies', 'forces', 'stresses'),
)


def random_batch(n=7, *, seed=0, species=('Ni', 'Al', 'Cu'), max_atoms=5):
    """Structures with labels, some of them missing, and columns of every kind."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, max_atoms + 1, n)
    energies, stresses = rng.normal(size=n), rng.normal(size=(n, 6))
    forces = [rng.normal(size=(k, 3)) for k in sizes]
    if n > 2:
        energies[1], stresses[1], forces[2] = np.nan, np.nan, np.full((sizes[2], 3), np.nan)
    return StructureBatch.build(
        species,
        [rng.integers(0, len(species), k) for k in sizes],
        [rng.normal(size=(k, 3)) for k in sizes],
        np.eye(3) * 4 + rng.normal(size=(n, 3, 3)) / 3,
        ids=[f'fcc-{i:04d}' for i in range(n)],
        origins=[f'prototype α {i}' for i in range(n)],
        status=['converged'] * n,
        energies=energies,
        forces=forces,
        stresses=stresses,
        columns={
            'grade': np.where(np.arange(n) % 2, np.nan, rng.normal(size=n)),
            'rank': np.arange(n),
            'is_new': np.arange(n) % 2 == 0,
            'message': [''] * (n // 2) + ['no convergence'] * (n - n // 2),
        },
    )


def assert_same(a, b):
    """Every array equal to the last bit, NaN where NaN is."""
    assert a.species == b.species
    assert list(a.columns) == list(b.columns)
    pairs = [(getattr(a, k), getattr(b, k)) for k in ARRAYS]
    for x, y in [*pairs, *((a.columns[k], b.columns[k]) for k in a.columns)]:
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        assert list(x) == list(y) if x.dtype == object else x.tobytes() == y.tobytes()
