"""Strained and rattled crystals: random, but with distances of real ones."""

import numpy as np
from ase.calculators.emt import EMT

from aiida_mtp.core.structures import StructureBatch

FCC = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def rattled_crystals(n, *, seed=0, species=('Ni', 'Al', 'Cu'), a=3.8, strain=0.05, rattle=0.15):
    """Return fcc cells of four atoms, some of them doubled, of random species."""
    rng = np.random.default_rng(seed)
    types, positions, cells = [], [], []
    for _ in range(n):
        repeats = rng.integers(1, 3)
        fractions = np.concatenate([np.add(FCC, [k, 0, 0]) for k in range(repeats)]) / [
            repeats,
            1,
            1,
        ]
        cell = np.diag([repeats * a, a, a]) @ (np.eye(3) + rng.normal(size=(3, 3)) * strain)
        types.append(rng.integers(0, len(species), len(fractions)))
        positions.append(fractions @ cell + rng.normal(size=fractions.shape) * rattle)
        cells.append(cell)
    ids = [f'fcc-{i}' for i in range(n)]
    return StructureBatch.build(species, types, positions, np.array(cells), ids=ids)


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
