import subprocess
import sys

import numpy as np
import pytest
from ase.build import bulk, make_supercell

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.duplicates import (
    DuplicateSettings,
    differences_in_shape,
    find_duplicates,
    most_alike,
)
from aiida_mtp.core.structures import StructureBatch


def batch_of(*pairs):
    """Make a batch from structures, each with its energy per atom."""
    return StructureBatch.from_ase(
        [atoms for atoms, _ in pairs], energies=[energy * len(atoms) for atoms, energy in pairs]
    )


def cubic(a=2.9):
    return bulk('NiAl', 'cesiumchloride', a=a)


def layered():
    return make_supercell(bulk('NiAl', 'zincblende', a=4.6), np.eye(3, dtype=int))


def test_the_lowest_stands_for_its_copies():
    repeated = make_supercell(cubic(2.899), [[2, 0, 0], [0, 1, 1], [0, 0, 1]])
    batch = batch_of((cubic(), -1.0), (repeated, -1.0004), (layered(), -1.0), (cubic(), -0.9996))
    assert find_duplicates(batch).tolist() == [1, 1, 2, 1]


@pytest.mark.parametrize('other', [(cubic(2.92), -1.0), (cubic(), -0.998), (layered(), -1.0)])
def test_volume_energy_and_geometry_each_tell_structures_apart(other):
    assert find_duplicates(batch_of((cubic(), -1.0), other)).tolist() == [0, 1]


def test_compositions_are_never_mixed():
    batch = batch_of((bulk('Ni', a=3.6), -1.0), (bulk('Al', a=3.6), -1.0))
    assert find_duplicates(batch).tolist() == [0, 1]


def test_chains_are_not_followed():
    energies = -1.0 + 0.0009 * np.arange(4)
    batch = batch_of(*((cubic(), energy) for energy in energies))
    assert find_duplicates(batch).tolist() == [0, 0, 2, 2]


def test_of_equals_the_first_stays():
    batch = batch_of(*((cubic(), -1.0) for _ in range(3)))
    assert find_duplicates(batch).tolist() == [0, 0, 0]


def test_a_structure_without_energy_is_no_duplicate():
    batch = batch_of((cubic(), -1.0), (cubic(), np.nan), (cubic(), np.nan))
    assert find_duplicates(batch).tolist() == [0, 1, 2]


def test_shapes_differ_in_whatever_cell_and_at_whatever_volume():
    shaken = make_supercell(cubic(), [[2, 0, 0], [0, 1, 0], [0, 0, 1]])
    shaken.rattle(0.02, seed=1)
    nickel = (bulk('Ni', a=3.6), -1.0)
    batch = batch_of((cubic(2.9), -1.0), nickel, (cubic(), -1.0), (layered(), -1.0))
    others = batch_of((cubic(3.1), -2.0), nickel, (shaken, -1.0), (cubic(), -1.0))
    found = differences_in_shape(batch, others)
    assert found[:2] == pytest.approx(0.0, abs=1e-9)
    assert 1e-3 < found[2] < 0.1
    assert found[3] > 0.15
    with pytest.raises(InputError, match='of the same compositions'):
        differences_in_shape(batch.take([0, 1]), others.take([1, 0]))
    assert differences_in_shape(batch.take([]), others.take([])).shape == (0,)


def test_the_most_alike_is_found():
    batch = batch_of((cubic(2.9), -1.0), (bulk('Ni', a=3.6), -1.0), (layered(), -1.0))
    others = batch_of((layered(), -2.0), (cubic(3.1), -2.0), (layered(), -1.0))
    rows, apart = most_alike(batch, others)
    assert rows.tolist() == [1, -1, 0]
    assert apart == pytest.approx([0.0, np.inf, 0.0], abs=1e-9)
    assert [len(found) for found in most_alike(batch, others.take([]))] == [3, 3]
    assert np.isinf(most_alike(batch, StructureBatch.empty())[1]).all()
    assert [len(found) for found in most_alike(batch.take([]), others)] == [0, 0]


def test_confirmation_by_pymatgen_near_the_hull():
    """A tolerance that is far too wide is set right, near the hull only."""
    batch = batch_of((cubic(), -1.0), (layered(), -1.0), (cubic(), -1.0))
    careless = DuplicateSettings(volume=9.0, distance=9.0)
    assert find_duplicates(batch, careless).tolist() == [0, 0, 0]
    checked = DuplicateSettings(volume=9.0, distance=9.0, confirm_below=0.01)
    assert find_duplicates(batch, checked, np.zeros(3)).tolist() == [0, 1, 0]
    assert find_duplicates(batch, checked, np.ones(3)).tolist() == [0, 0, 0]
    with pytest.raises(InputError, match='confirm_below needs distances'):
        find_duplicates(batch, checked)


def test_real_relaxed_structures(shared_data):
    """Among 1 079 relaxed orderings pymatgen finds one pair to be the same, within 1 meV/atom."""
    from ase.io import read

    atoms = read(shared_data / 'cuagau' / 'CuAgAu_relaxed.extxyz', ':')
    batch = StructureBatch.from_ase(atoms, energies=[a.get_potential_energy() for a in atoms])
    found = find_duplicates(batch)
    pairs = [(row, other) for row, other in enumerate(found) if row != other]
    assert pairs == [(707, 392)]


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (
            {'energie': 1},
            'unknown duplicates setting energie; known: energy, volume, distance',
        ),
        ({'energy': -1}, 'duplicates.energy must be a number of at least 0, not -1'),
        ({'volume': 'small'}, "duplicates.volume must be a number of at least 0, not 'small'"),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        DuplicateSettings.from_mapping(values)


def test_numba_is_not_loaded():
    """The daemon imports these modules."""
    modules = 'duplicates, elements, fingerprints, funnel, hull, perturbation, spec'
    imports = f'import sys; from aiida_mtp.core.screening import {modules}'
    check = 'assert not {"numba", "icet", "pymatgen"} & set(sys.modules)'
    subprocess.run([sys.executable, '-c', f'{imports}; {check}'], check=True)
