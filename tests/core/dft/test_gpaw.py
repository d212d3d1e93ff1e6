"""Plane waves: our parameters against GPAW's own choices, where those are right."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mtp.core.dft.calculators import check_calculator, k_mesh
from aiida_mtp.core.dft.compute import Task, compute
from aiida_mtp.core.dft.gpaw_calculator import compatible_symmetry, fft_grid
from aiida_mtp.core.dft.relax import in_shortest_basis, relax, single_point
from aiida_mtp.core.dft.results import structure_hash
from aiida_mtp.core.dft.settings import SMEARINGS, DftSettings
from aiida_mtp.core.errors import InputError

gpaw = pytest.importorskip('gpaw')
pytestmark = pytest.mark.filterwarnings('ignore')

COARSE = {'cutoff': 250.0, 'k_spacing': 0.8}
SETTINGS = DftSettings(**COARSE)


def b2(a=2.9):
    return Atoms('AlLi', [[0.0] * 3, [a / 2] * 3], cell=[a] * 3, pbc=True)


def elongated():
    """Al2Li in three layers of a body-centred lattice: axes of 3.2, 3.2 and 4.8 Å."""
    a = 3.2
    cell = [[a, 0, 0], [0, a, 0], [a / 2, a / 2, 1.5 * a]]
    heights = np.arange(3) * a / 2
    positions = [[a / 2 * (i % 2), a / 2 * (i % 2), z] for i, z in enumerate(heights)]
    return Atoms('Al2Li', positions, cell=cell, pbc=True)


def plain(atoms, **changes):
    """Energy of GPAW with its own grid and without any symmetry but time reversal."""
    atoms = atoms.copy()
    atoms.calc = gpaw.GPAW(
        mode={'name': 'pw', 'ecut': SETTINGS.cutoff},
        xc='PBE',
        kpts={'size': k_mesh(SETTINGS, atoms.cell.array), 'gamma': True},
        occupations={'name': 'marzari-vanderbilt', 'width': 0.2},
        symmetry={'point_group': False},
        txt=None,
        **changes,
    )
    return atoms


def test_single_point_against_gpaws_own_grid():
    atoms = b2()
    atoms.positions[1] += [0.05, 0.02, -0.04]
    strain = np.array([[1, 0.02, 0], [0, 1, 0.01], [0, 0, 1]])
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    found, expected = single_point(SETTINGS, atoms), plain(atoms)
    assert found.energy == pytest.approx(expected.get_potential_energy(), abs=2e-3)
    np.testing.assert_allclose(found.forces, expected.get_forces(), atol=0.01)
    np.testing.assert_allclose(found.stress, expected.get_stress(), atol=5e-4)
    assert found.magnetic_moment is None


def test_symmetry_of_an_elongated_cell_is_used_and_right():
    """GPAW's symmetry with a grid of its own can be 150 meV/atom wrong; see `gpaw_calculator`."""
    atoms, _ = in_shortest_basis(elongated())
    grid = fft_grid(atoms.cell.array, SETTINGS.cutoff)
    mesh = k_mesh(SETTINGS, atoms.cell.array)
    assert len(set(grid)) > 1
    assert len(compatible_symmetry(atoms, grid, mesh)['rotations']) >= 2
    found, expected = single_point(SETTINGS, elongated()), plain(atoms)
    assert found.energy == pytest.approx(expected.get_potential_energy(), abs=3e-3)


def test_another_basis_of_the_lattice_changes_nothing():
    """Forces and stress are those of the structure as given, whatever its lattice vectors."""
    atoms = b2()
    atoms.positions[1] += [0.1, 0.0, 0.05]
    skewed = atoms.copy()
    skewed.set_cell(np.array([[1, 0, 0], [3, 1, 0], [-2, 2, 1]]) @ atoms.cell.array)
    one, other = single_point(SETTINGS, atoms), single_point(SETTINGS, skewed)
    assert one.energy == pytest.approx(other.energy, abs=1e-4)
    np.testing.assert_allclose(one.forces, other.forces, atol=2e-3)
    np.testing.assert_allclose(one.stress, other.stress, atol=2e-4)
    np.testing.assert_array_equal(other.cell, skewed.cell.array)


def test_every_smearing():
    """Each is understood; energies without smearing are those with little of it."""
    energies = {}
    for smearing in SMEARINGS:
        settings = DftSettings(**COARSE, smearing=smearing, smearing_width=0.05)
        energies[smearing] = single_point(settings, bulk('Al')).energy
    assert len(set(energies.values())) == len(SMEARINGS)
    assert max(energies.values()) - min(energies.values()) < 0.05


def test_spin():
    settings = DftSettings(**COARSE, spin='ferromagnetic')
    assert 0.3 < single_point(settings, bulk('Ni', a=3.5)).magnetic_moment < 1.2


@pytest.mark.slow
def test_relaxed_with_the_basis_of_its_own_cell():
    settings = DftSettings(**COARSE, fmax=0.05, smax=0.005)
    start = b2(3.4)
    found = relax(settings, start)
    assert found.shortfall == ''
    start.set_cell(found.cell, scale_atoms=True)
    assert abs(np.linalg.det(found.cell)) < 3.35**3
    fresh = single_point(settings, start)
    assert found.energy == pytest.approx(fresh.energy, abs=2e-3)
    assert np.abs(fresh.stress).max() < 0.006


def test_loops_that_do_not_converge_are_told_so():
    task = Task.make('static', DftSettings(**COARSE, parameters={'maxiter': 2}))
    atoms = bulk('Al')
    job = {
        'structure': structure_hash(['Al'], atoms.cell.array, atoms.positions),
        'symbols': ['Al'],
        'cell': atoms.cell.array.tolist(),
        'positions': atoms.positions.tolist(),
    }
    found = compute(task, job)
    assert found.status == 'not_converged'
    assert 'ConvergenceError' in found.message
    assert found.energy is None


def test_elements_without_data_sets():
    check_calculator(SETTINGS, ['Al', 'Li', 'Ni'])
    with pytest.raises(InputError, match=r'gpaw does not know Pu; known: those with PAW data sets'):
        check_calculator(SETTINGS, ['Al', 'Pu'])


def test_parameters_that_are_refused():
    task = DftSettings(**COARSE, parameters={'magic': 1})
    with pytest.raises(InputError, match=r'gpaw refuses its parameters: .*magic'):
        single_point(task, bulk('Al'))
