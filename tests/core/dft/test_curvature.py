"""The curvature a relaxation with ASE starts from: that of springs, in its coordinates."""

import numpy as np
import pytest
from ase.filters import FrechetCellFilter

from aiida_mtp.core.dft import relax as module
from aiida_mtp.core.dft.curvature import spring_curvature
from aiida_mtp.core.dft.relax import relax
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.neighbors import make_shell
from aiida_mtp.core.relax.hessian import spring_hessian


def energy_of_springs(before, after):
    """That of displaced atoms in a deformed cell, by the coordinates of the engine."""
    cell, n = before.cell.array, len(before)
    hessian = np.zeros((3 * n + 9,) * 2)
    spring_hessian(before.positions, cell, np.linalg.inv(cell), 20.0, make_shell(500), hessian)
    F = np.linalg.solve(cell, after.cell.array)
    x = after.positions @ np.linalg.inv(F) - before.positions
    q = np.concatenate([x.ravel(), (F - np.eye(3)).ravel()])
    return 0.5 * q @ hessian @ q


@pytest.mark.parametrize('index', [0, 3, 5])
def test_any_change_of_cell_and_atoms_costs_the_springs_what_it_costs_the_optimiser(alloys, index):
    before = alloys.to_ase(index)
    after = before.copy()
    cell_and_atoms = FrechetCellFilter(after)
    curvature = spring_curvature(cell_and_atoms)
    change = 1e-5 * np.random.default_rng(index).normal(size=len(curvature))
    cell_and_atoms.set_positions(cell_and_atoms.get_positions() + change.reshape(-1, 3))
    assert 0.5 * change @ curvature @ change == pytest.approx(
        energy_of_springs(before, after), rel=1e-3
    )


def test_springs_save_half_of_the_steps(alloys, monkeypatch):
    """Compared with one stiffness for everything, lower than that of ASE."""
    settings = DftSettings(calculator='emt')

    def total():
        found = [relax(settings, alloys.to_ase(index)) for index in range(len(alloys))]
        assert not any(f.shortfall for f in found)
        return sum(f.n_steps for f in found), [f.energy for f in found]

    n_steps, energies = total()
    monkeypatch.setattr(
        module, 'spring_curvature', lambda f: 20.0 * np.eye(3 * len(f.get_positions()))
    )
    n_without, expected = total()
    assert n_steps <= 0.55 * n_without
    np.testing.assert_allclose(energies, expected, atol=2e-3)
