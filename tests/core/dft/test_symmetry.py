"""The origin that most symmetry operations leave where it is."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from ase.spacegroup.symmetrize import check_symmetry

from aiida_mtp.core.dft.relax import in_shortest_basis
from aiida_mtp.core.dft.symmetry import keep_symmetry, symmetric_origin


def n_fixing(atoms, origin):
    """Count the operations without a translation, seen from a point."""
    moved = atoms.copy()
    moved.positions -= origin
    found = check_symmetry(moved, symprec=1e-4)
    shifts = found.translations - np.rint(found.translations)
    return int((np.abs(shifts) < 1e-4).all(axis=1).sum())


def nickel_aluminium():
    return crystal(['Al', 'Ni'], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=221, cellpar=[2.9] * 3)


def diamond():
    return bulk('Si', 'diamond', a=5.43)


def al3ni2():
    """D5_13, trigonal."""
    sites = [(0, 0, 0), (1 / 3, 2 / 3, 0.648), (1 / 3, 2 / 3, 0.149)]
    return crystal(
        ['Al', 'Al', 'Ni'], sites, spacegroup=164, cellpar=[4.04, 4.04, 4.9, 90, 90, 120]
    )


def inversion_between_atoms():
    """Two unlike rods: the only centres of inversion are between atoms."""
    return Atoms(
        'Ni2Al2',
        scaled_positions=[[0.1, 0, 0], [0.7, 0, 0], [0.3, 0.5, 0.2], [0.5, 0.5, -0.2]],
        cell=[[5, 0, 0], [0.4, 4, 0], [0.7, 0.3, 3]],
        pbc=True,
    )


@pytest.mark.parametrize(
    ('make', 'expected'),
    [(nickel_aluminium, 48), (diamond, 24), (al3ni2, 12), (inversion_between_atoms, 2)],
)
def test_most_operations_are_found_from_anywhere(make, expected):
    atoms = make()
    for shift in ([0, 0, 0], [0.1, 0.2, 0.3], [1.7, -0.4, 0.01]):
        moved = atoms.copy()
        moved.positions += shift
        assert n_fixing(moved, symmetric_origin(moved)) == expected
    assert n_fixing(moved, np.zeros(3)) < expected


def test_skewed_cells():
    atoms = al3ni2()
    skewed = atoms.copy()
    skewed.set_cell(np.array([[1, 2, 0], [0, 1, 0], [-1, 0, 1]]) @ atoms.cell.array)
    work, _ = in_shortest_basis(skewed)
    assert n_fixing(work, symmetric_origin(work)) == 12


def test_without_symmetry_the_origin_stays(alloys):
    large = int(np.argmax(alloys.n_atoms))
    np.testing.assert_array_equal(symmetric_origin(alloys.to_ase(large)), np.zeros(3))


def test_symmetry_is_made_exact_and_kept():
    atoms = al3ni2()
    atoms.positions += np.random.default_rng(0).normal(scale=5e-4, size=atoms.positions.shape)
    assert len(check_symmetry(atoms, symprec=1e-5).rotations) == 1
    keep_symmetry(atoms, 0.01)
    assert len(check_symmetry(atoms, symprec=1e-6).rotations) == 12
    assert atoms.constraints
    atoms.set_constraint()
    keep_symmetry(atoms, 0.0)
    assert not atoms.constraints
