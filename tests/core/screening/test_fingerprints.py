import itertools

import amd
import numpy as np
import pytest
from ase.build import bulk, make_supercell

from aiida_mtp.core.screening.fingerprints import fingerprints
from aiida_mtp.core.screening.lattices import derivative_structures
from aiida_mtp.core.structures import StructureBatch


def nickel_aluminide():
    atoms = bulk('NiAl', 'cesiumchloride', a=2.9)
    atoms = make_supercell(atoms, [[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    atoms.rattle(0.1, seed=1)
    return atoms


def largest_difference(*atoms):
    values = fingerprints(StructureBatch.from_ase(atoms))
    return np.abs(values[1:] - values[0]).max()


def test_of_the_cell_nothing_is_left():
    atoms = nickel_aluminide()
    shifted = atoms.copy()
    shifted.positions += [0.3, 1.1, -4.0]
    rotated = atoms.copy()
    rotated.rotate(33, (1, 2, 3), rotate_cell=True)
    mirrored = atoms.copy()
    mirrored.set_cell(atoms.cell.array * [1, 1, -1], scale_atoms=True)
    other_order = atoms[::-1]
    repeated = make_supercell(atoms, [[2, 1, 0], [0, 1, 0], [0, 1, 1]])
    skewed = atoms.copy()
    skewed.set_cell(np.array([[1, 0, 0], [9, 1, 0], [3, -8, 1]]) @ atoms.cell.array)
    scaled = atoms.copy()
    scaled.set_cell(atoms.cell.array * 1.3, scale_atoms=True)
    variants = [shifted, rotated, mirrored, other_order, repeated, skewed, scaled]
    assert largest_difference(atoms, *variants) < 1e-12


def test_a_small_displacement_makes_a_small_difference():
    atoms = nickel_aluminide()
    moved = atoms.copy()
    moved.rattle(1e-3, seed=2)
    assert 1e-6 < largest_difference(atoms, moved) < 5e-3


def test_distances_of_one_element_against_the_authors_package():
    atoms = bulk('Mg', 'hcp', a=3.2, c=5.3)
    atoms.rattle(0.05, seed=3)
    unit = np.cbrt(atoms.get_volume() / len(atoms))
    expected = amd.AMD(amd.PeriodicSet(atoms.positions, atoms.cell.array), 80) / unit
    found = fingerprints(StructureBatch.from_ase([atoms]), n_neighbors=80)[0, :80]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ('parent', 'max_atoms', 'elements'),
    [
        ('fcc', 8, ['Al', 'Ni']),
        ('bcc', 7, ['Al', 'Ni']),
        ('hcp', 6, ['Al', 'Ni']),
        ('fcc', 5, ['Al', 'Ni', 'Ti']),
    ],
)
def test_orderings_of_a_lattice_all_differ(parent, max_atoms, elements):
    batch = derivative_structures(parent, max_atoms, elements)
    formulas = np.array(batch.formulas)
    alike = [
        (members.ids[a], members.ids[b])
        for formula in sorted(set(formulas))
        for members in [batch.take(formulas == formula)]
        for values in [fingerprints(members)]
        for a, b in itertools.combinations(range(len(values)), 2)
        if np.abs(values[a] - values[b]).max() < 0.01
    ]
    assert alike == []


def test_l1_1_and_d4_have_the_same_distances():
    """Why distances alone are no fingerprint."""
    batch = derivative_structures('fcc', 8, ['Al', 'Ni'])
    batch = batch.take(np.array(batch.formulas) == 'AlNi')
    values = fingerprints(batch)
    distances, turns = np.split(values, [values.shape[1] - 16], axis=1)
    twins = [
        (a, b)
        for a, b in itertools.combinations(range(len(batch)), 2)
        if np.abs(distances[a] - distances[b]).max() < 1e-9
    ]
    assert any(batch.n_atoms[a] == 2 and batch.n_atoms[b] == 8 for a, b in twins)
    assert all(np.abs(turns[a] - turns[b]).max() > 0.02 for a, b in twins)


def test_a_flat_cell_has_none():
    flat = bulk('Ni', cubic=True)
    flat.set_cell([1e3, 1e3, 1e-4], scale_atoms=True)
    values = fingerprints(StructureBatch.from_ase([bulk('Ni'), flat]))
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1]).all()


def test_no_structures():
    assert len(fingerprints(StructureBatch.empty(['Ni']))) == 0
