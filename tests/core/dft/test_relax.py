"""Single points and relaxations against plain ASE."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup.symmetrize import check_symmetry

from aiida_mtp.core.dft import relax as module
from aiida_mtp.core.dft.relax import in_shortest_basis, relax, single_point
from aiida_mtp.core.dft.settings import DftSettings

SETTINGS = DftSettings(calculator='emt', fmax=0.002, smax=1e-4)


def test_single_point_is_of_exactly_what_was_given(alloys):
    for index in range(len(alloys)):
        atoms = alloys.to_ase(index)
        found = single_point(SETTINGS, atoms)
        np.testing.assert_array_equal(found.positions, atoms.positions)
        np.testing.assert_array_equal(found.cell, atoms.cell.array)
        atoms.calc = EMT()
        assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=1e-10)
        np.testing.assert_allclose(found.stress, atoms.get_stress(), atol=1e-12)
        assert found.magnetic_moment is None


def test_shortest_basis_is_of_the_same_lattice(alloys):
    for index in range(len(alloys)):
        atoms = alloys.to_ase(index)
        work, change = in_shortest_basis(atoms)
        np.testing.assert_allclose(change @ atoms.cell.array, work.cell.array, atol=1e-10)
        assert round(np.linalg.det(change)) == 1
        np.testing.assert_array_equal(work.positions, atoms.positions)
        assert max(work.cell.lengths()) < max(atoms.cell.lengths())


def relaxed_by_ase(atoms):
    """Relax with ASE alone, tightly."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None, alpha=15).run(fmax=1e-3, steps=300)
    return atoms


@pytest.mark.parametrize('index', [1, 4])
def test_relaxation_finds_what_ase_finds(alloys, index):
    atoms = alloys.to_ase(index)
    found = relax(SETTINGS, atoms)
    assert found.shortfall == ''
    assert 0 < found.n_steps < 60
    expected = relaxed_by_ase(atoms)
    assert found.energy == pytest.approx(expected.get_potential_energy(), abs=1e-4 * len(atoms))
    assert np.linalg.det(found.cell) == pytest.approx(expected.cell.volume, rel=1e-3)
    np.testing.assert_allclose(np.linalg.inv(found.cell).T @ found.cell.T, np.eye(3), atol=1e-9)
    lengths = np.linalg.norm(found.cell, axis=1)  # in the basis that was given
    np.testing.assert_allclose(lengths, expected.cell.lengths(), rtol=5e-3)


def test_labels_belong_to_the_relaxed_structure(alloys):
    atoms = alloys.to_ase(5)
    found = relax(SETTINGS, atoms)
    atoms.set_cell(found.cell)
    atoms.positions = found.positions
    atoms.calc = EMT()
    assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=1e-9)
    np.testing.assert_allclose(found.stress, atoms.get_stress(), atol=1e-10)
    assert np.linalg.norm(found.forces, axis=1).max() <= SETTINGS.fmax
    assert np.abs(found.stress).max() <= SETTINGS.smax


def test_lattice_constant_of_copper():
    found = relax(SETTINGS, bulk('Cu', 'fcc', a=3.9))
    assert (4 * abs(np.linalg.det(found.cell))) ** (1 / 3) == pytest.approx(3.589, abs=2e-3)


def nearly_l12(noise):
    atoms = bulk('Au', 'fcc', a=3.9, cubic=True)
    atoms.symbols[1:] = 'Cu'
    atoms.rattle(noise, seed=1)
    return atoms


@pytest.mark.parametrize(('tolerance', 'is_kept'), [(0.01, True), (0.0, False)])
def test_symmetry(tolerance, is_kept):
    settings = DftSettings(calculator='emt', fmax=0.05, smax=0.05, symmetry_tolerance=tolerance)
    atoms = nearly_l12(noise=1e-3)
    found = relax(settings, atoms)
    atoms.set_cell(found.cell)
    atoms.positions = found.positions
    assert (check_symmetry(atoms, symprec=1e-6).number == 221) is is_kept
    np.testing.assert_allclose(found.positions, nearly_l12(0).positions, atol=0.2)


def test_too_few_steps_are_told(alloys):
    settings = DftSettings(calculator='emt', fmax=1e-6, smax=1e-8, max_steps=3)
    found = relax(settings, alloys.to_ase(3))
    assert found.n_steps == 3
    assert 'largest force' in found.shortfall
    assert found.shortfall.endswith('after 3 steps')


class Basis(EMT):
    """A calculator with a fixed basis: what it was made for looks better than it is."""

    made = 0

    def __init__(self, volume):
        super().__init__()
        self.volume = volume
        Basis.made += 1

    def calculate(self, atoms=None, *args, **kwargs):
        super().calculate(atoms, *args, **kwargs)
        excess = atoms.cell.volume / self.volume - 1
        self.results['energy'] += 3.0 * excess**2
        self.results['stress'][:3] += 6.0 * excess / self.volume


def test_continued_until_the_basis_is_that_of_the_cell(monkeypatch):
    """With the basis of the start a relaxation ends too early; fresh ones take it to the end."""

    monkeypatch.setattr(module, 'make_calculator', lambda _, atoms, __: Basis(atoms.cell.volume))
    atoms = bulk('Cu', 'fcc', a=3.8)
    target = 3.589**3 / 4
    volumes = {}
    for restarts in (0, 8):
        Basis.made = 0
        settings = DftSettings(calculator='emt', fmax=0.01, smax=2e-4, restarts=restarts)
        found = relax(settings, atoms)
        volumes[restarts] = np.linalg.det(found.cell)
        assert Basis.made <= restarts + 2
        assert bool(found.shortfall) is (restarts == 0)
        fresh = single_point(settings, bulk('Cu', 'fcc', a=(4 * abs(volumes[restarts])) ** (1 / 3)))
        assert found.energy == pytest.approx(fresh.energy, abs=1e-6)
    assert abs(abs(volumes[0]) - target) > 0.2
    assert abs(volumes[8]) == pytest.approx(target, rel=2e-3)


def test_numbers_that_are_not_finite_are_an_error(monkeypatch):
    class Broken(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results['energy'] = np.nan

    monkeypatch.setattr(module, 'make_calculator', lambda *_: Broken())
    with pytest.raises(ArithmeticError, match='not finite'):
        single_point(SETTINGS, bulk('Cu'))
