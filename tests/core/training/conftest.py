"""Labelled crystals for the tests of training."""

import numpy as np
import pytest
from ase.calculators.emt import EMT
from reference.crystals import rattled_crystals

from aiida_mtp.core.potential.model import initial_model


def emt_labelled(batch):
    """Label structures of Al, Ni and Cu with effective medium theory."""
    energies, forces, stresses = [], [], []
    for index in range(len(batch)):
        atoms = batch.to_ase(index)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress())
    return batch.replaced(
        energies=np.array(energies), forces=np.concatenate(forces), stresses=np.array(stresses)
    )


@pytest.fixture(scope='session')
def crystals():
    """Sixty labelled cells of four or eight atoms of Ni and Al."""
    return emt_labelled(rattled_crystals(60, seed=3, species=('Ni', 'Al'), rattle=0.1))


@pytest.fixture(scope='session')
def others():
    """Further cells of the same kind."""
    return emt_labelled(rattled_crystals(60, seed=4, species=('Ni', 'Al'), rattle=0.1))


@pytest.fixture(scope='session')
def model():
    """A small potential with random coefficients, and labels of no use."""
    start = initial_model(8, ('Al', 'Ni'), 4.5, min_dist=1.8, radial_basis_size=6, seed=2)
    rng = np.random.default_rng(0)
    return start.with_coefficients(start.coefficients + 0.1 * rng.normal(size=start.n_parameters))
