"""Magnetic states a calculation is begun from, and which of them counts."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mtp.core.dft import compute as compute_module
from aiida_mtp.core.dft.compute import Task, compute
from aiida_mtp.core.dft.magnetism import (
    MOMENTS,
    antiparallel_signs,
    best_state,
    starting_moments,
)
from aiida_mtp.core.dft.relax import Labels
from aiida_mtp.core.dft.results import collect_results, structure_hash
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.dft.symmetry import keep_symmetry
from aiida_mtp.core.structures import StructureBatch

IRON = bulk('Fe', cubic=True)


def starts(spin, atoms, fraction=0.0):
    return starting_moments(spin, atoms, MOMENTS, fraction)


def test_parallel():
    atoms = Atoms('AlNiAl2', bulk('Al', cubic=True).positions, cell=[4, 4, 4], pbc=True)
    assert starts('none', atoms) == {'none': [0.0] * 4}
    assert starts('ferromagnetic', atoms) == {'ferromagnetic': [0.0, 0.8, 0.0, 0.0]}
    assert starts('ferromagnetic', atoms, 0.25) == {'ferromagnetic': [0.0, 0.8, 0.0, 0.0]}
    assert starts('ferromagnetic', atoms, 0.3) == {'none': [0.0] * 4}
    own = starting_moments('ferromagnetic', atoms, {'Al': 1})
    assert own == {'ferromagnetic': [1.0, 0.0, 1.0, 1.0]}


def test_without_magnetic_atoms_there_is_one_state():
    for spin in ('none', 'ferromagnetic', 'antiferromagnetic', 'lowest'):
        assert starts(spin, bulk('Al')) == {'none': [0.0]}


def test_all_states_of_a_cell_that_allows_them():
    assert list(starts('lowest', IRON)) == ['ferromagnetic', 'antiferromagnetic', 'none']
    assert starts('antiferromagnetic', IRON) == {'antiferromagnetic': [2.5, -2.5]}
    assert list(starts('lowest', bulk('Fe'))) == ['ferromagnetic', 'none']
    assert list(starts('antiferromagnetic', bulk('Fe'))) == ['ferromagnetic']


def test_neighbours_are_antiparallel():
    """All eight neighbours in bcc; in fcc, which is frustrated, layers in turn."""
    signs = antiparallel_signs(IRON * (2, 1, 1), np.arange(4))
    np.testing.assert_array_equal(signs, [1, -1, 1, -1])
    nickel = bulk('Ni', cubic=True)
    signs = antiparallel_signs(nickel, np.arange(4))
    assert signs.sum() == 0
    layers = [set(zip(nickel.positions[:, axis], signs, strict=True)) for axis in range(3)]
    assert min(len(layer) for layer in layers) == 2  # one sign in each layer along one axis


def test_cells_too_large_have_no_antiparallel_order():
    assert antiparallel_signs(IRON * (3, 3, 1), np.arange(18)) is None


def test_the_order_is_that_of_the_magnetic_atoms_alone():
    atoms = bulk('NiAl', 'cesiumchloride', a=2.9) * (2, 1, 1)
    assert starts('antiferromagnetic', atoms) == {'antiferromagnetic': [0.8, 0.0, -0.8, 0.0]}


def found(energy, status='done'):
    return {'status': status, 'energy': energy}


def test_the_lowest_counts_and_of_equal_ones_the_first():
    assert best_state({'ferromagnetic': found(-8.0), 'none': found(-8.1)}, 2) == 'none'
    assert best_state({'none': found(-8.001), 'ferromagnetic': found(-8.0)}, 2) == 'ferromagnetic'
    unconverged = found(-9.0, 'not_converged')
    assert best_state({'ferromagnetic': unconverged, 'none': found(-8.0)}, 2) == 'none'
    assert best_state({'ferromagnetic': unconverged}, 2) == 'ferromagnetic'
    failed = {'status': 'failed', 'message': 'gone'}
    assert best_state({'ferromagnetic': failed, 'none': failed}, 2) == 'ferromagnetic'


def test_symmetry_that_is_kept_tells_up_from_down():
    """Fe in a cell of CsCl is cubic with parallel moments; tetragonal in layers of turned ones."""
    layers = IRON * (1, 1, 2)
    parallel, turned = layers.copy(), layers.copy()
    parallel.set_initial_magnetic_moments([2.5] * 4)
    turned.set_initial_magnetic_moments([2.5, 2.5, -2.5, -2.5])
    for atoms in (parallel, turned):
        keep_symmetry(atoms, 0.01)
    n_parallel, n_turned = (len(atoms.constraints[0].rotations) for atoms in (parallel, turned))
    assert n_turned < n_parallel
    np.testing.assert_allclose(turned.positions, layers.positions, atol=1e-12)
    assert list(turned.symbols) == ['Fe'] * 4


ENERGIES = {5.0: -8.0, 0.0: -7.0}  # by the sum of the initial moments; antiparallel is zero too


def toy(settings, atoms, directory):  # noqa: ARG001 - as of a single point
    """A magnet whose states have known energies, and one that fails."""
    moments = atoms.get_initial_magnetic_moments()
    if moments.any() and not moments.sum():
        raise ArithmeticError('it sloshes')
    return Labels(
        energy=ENERGIES[float(moments.sum())],
        forces=np.zeros((2, 3)),
        stress=np.zeros(6),
        moments=moments if moments.any() else None,
        magnetic_moment=float(moments.sum()) if moments.any() else None,
        positions=atoms.positions,
        cell=atoms.cell.array,
    )


def test_all_states_are_kept_and_the_lowest_is_the_label(tmp_path, monkeypatch):
    monkeypatch.setattr(compute_module, 'single_point', toy)
    task = Task.make('static', DftSettings(spin='lowest'))
    job = {
        'structure': structure_hash(['Fe', 'Fe'], IRON.cell.array, IRON.positions),
        'symbols': ['Fe', 'Fe'],
        'cell': IRON.cell.array.tolist(),
        'positions': IRON.positions.tolist(),
    }
    result = compute(task, job)
    assert result.energy == -8.0
    assert result.magnetic_state == 'ferromagnetic'
    assert result.absolute_moment == 5.0
    assert result.magnetic_states == {
        'ferromagnetic': {
            'status': 'done',
            'energy': -8.0,
            'magnetic_moment': 5.0,
            'absolute_moment': 5.0,
        },
        'antiferromagnetic': {'status': 'failed', 'message': 'ArithmeticError: it sloshes'},
        'none': {'status': 'done', 'energy': -7.0},
    }
    result.write(tmp_path, 'static')
    batch = collect_results(StructureBatch.from_ase([IRON]), tmp_path, 'static')
    assert batch.columns['magnetic_state'][0] == 'ferromagnetic'
    assert 'it sloshes' in batch.columns['magnetic_states'][0]


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_iron_is_ferromagnetic():
    pytest.importorskip('gpaw')
    settings = DftSettings(cutoff=300.0, k_spacing=0.6, spin='lowest', smearing_width=0.1)
    atoms = bulk('Fe', cubic=True)
    job = {
        'structure': 'iron',
        'symbols': ['Fe', 'Fe'],
        'cell': atoms.cell.array.tolist(),
        'positions': atoms.positions.tolist(),
    }
    result = compute(Task.make('static', settings), job)
    assert result.status == 'done', result.message
    assert result.magnetic_state == 'ferromagnetic'
    assert 3.5 < result.magnetic_moment < 5.5
    states = result.magnetic_states
    assert states['antiferromagnetic']['magnetic_moment'] == pytest.approx(0.0, abs=0.05)
    assert states['antiferromagnetic']['absolute_moment'] > 1.0
    assert result.energy + 0.3 < states['antiferromagnetic']['energy'] < states['none']['energy']
