"""Structures whose energies are all that matters."""

import numpy as np
import pytest

from aiida_mtp.core.structures import StructureBatch

ELEMENTS = ('Al', 'Ni', 'Ti', 'Cu', 'Pd', 'Ag')


@pytest.fixture(scope='session')
def make_set():
    """Return a function that makes a batch from compositions and energies per atom."""

    def make(counts, energies_per_atom, species=None, **rows):
        counts = np.asarray(counts)
        species = species or ELEMENTS[: counts.shape[1]]
        return StructureBatch.build(
            species,
            [np.repeat(np.arange(len(species)), row) for row in counts],
            [np.arange(3.0 * row.sum()).reshape(-1, 3) for row in counts],
            [np.eye(3) * 2.5 * row.sum() ** (1 / 3) for row in counts],
            energies=np.asarray(energies_per_atom) * counts.sum(axis=1),
            **rows,
        )

    return make
