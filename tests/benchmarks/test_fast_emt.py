"""The compiled EMT against ASE's."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

from aiida_mtp.core.dft.relax import relax
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.screening.elements import elemental_structures
from aiida_mtp.core.screening.lattices import derivative_structures
from aiida_mtp.core.structures import StructureBatch

SPECIES = ('Cu', 'Ni', 'Pt')


def alloys(parent, step):
    """Some alloys of up to four atoms, 13 Å³ each."""
    batch = derivative_structures(parent, 4, SPECIES).with_species(SPECIES)
    batch = batch.take(np.arange(0, len(batch), step))
    scale = np.cbrt(13.0 * batch.n_atoms / batch.volumes)
    return batch.replaced(
        cells=batch.cells * scale[:, None, None],
        positions=batch.positions * scale[batch.structure_of_atom, None],
    )


@pytest.fixture
def rattled():
    """Alloys out of their minima."""
    batch = alloys('fcc', 9)
    random = np.random.default_rng(0)
    strain = np.eye(3) + 0.03 * random.normal(size=(len(batch), 3, 3))
    positions = np.einsum('ai,aij->aj', batch.positions, strain[batch.structure_of_atom])
    return batch.replaced(
        cells=batch.cells @ strain,
        positions=positions + 0.05 * random.normal(size=positions.shape),
    )


def test_energies_forces_and_stresses_are_those_of_ase(rattled):
    from fast_emt import relax_with_emt

    ours = relax_with_emt(rattled, fmax=np.inf, smax=np.inf)  # one evaluation is enough
    assert (ours.columns['n_steps'] == 1).all()
    for row in range(len(rattled)):
        atoms = rattled.to_ase(row)
        atoms.calc = EMT()
        assert ours.energies[row] == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        own = rattled.atoms_of(row)
        np.testing.assert_allclose(ours.forces[own], atoms.get_forces(), atol=1e-10)
        np.testing.assert_allclose(ours.stresses[row], atoms.get_stress(), atol=1e-12)


def test_relaxed_energies_are_those_of_the_runner():
    from fast_emt import relax_with_emt

    batch = StructureBatch.concatenate([elemental_structures(SPECIES), alloys('hcp', 5)])
    settings = DftSettings(calculator='emt', fmax=0.005, smax=0.0005)
    ours = relax_with_emt(batch, settings.fmax, settings.smax)
    assert (ours.status == 'done').all()
    for row in range(len(batch)):
        theirs = relax(settings, batch.to_ase(row))
        n_atoms = batch.n_atoms[row]
        assert ours.energies[row] / n_atoms == pytest.approx(theirs.energy / n_atoms, abs=5e-4)
