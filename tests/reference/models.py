"""Potentials and structures with random numbers in them."""

import numpy as np

from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch

CUTOFF = 4.5


def random_model(level=10, species=('Al', 'Ni'), *, seed=0):
    """A potential in which every coefficient counts."""
    model = initial_model(level, species, CUTOFF, min_dist=1.5, radial_basis_size=5, seed=seed)
    random = np.random.default_rng(seed).normal(scale=0.3, size=model.n_parameters)
    return model.with_coefficients(model.coefficients + random)


def random_structures(n=3, species=('Al', 'Ni'), *, seed=0, spacing=2.6):
    """Rattled simple cubic cells of two atoms along each of two directions, sheared."""
    rng = np.random.default_rng(seed)
    sites = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]) * spacing
    cell = np.diag([2, 2, 1]) * spacing
    shear = np.eye(3) + rng.normal(scale=0.05, size=(n, 3, 3))
    positions = (sites + rng.normal(scale=0.15, size=(n, 4, 3))) @ shear
    types = rng.integers(0, len(species), (n, 4))
    return StructureBatch.build(species, types, positions, cell @ shear)
