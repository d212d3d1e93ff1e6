"""What settings become."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aiida_mtp.core.dft.calculators import (
    check_calculator,
    expected_cost,
    k_mesh,
    make_calculator,
)
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.errors import InputError

EMT = DftSettings(calculator='emt')


def test_mesh_keeps_the_spacing():
    cell = np.diag([3.0, 3.0, 12.0]) + 0.1
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell), axis=0)
    for spacing in (0.1, 0.25, 0.4):
        mesh = np.array(k_mesh(DftSettings(k_spacing=spacing), cell))
        assert (lengths / mesh <= spacing + 1e-5).all()
        assert (lengths / (mesh - 1) > spacing)[mesh > 1].all()


def test_mesh_of_a_cube():
    """Spacing with 2π: 2π / 4 Å / 0.25 Å⁻¹ is 6.3."""
    assert k_mesh(DftSettings(k_spacing=0.25), np.eye(3) * 4) == (7, 7, 7)
    assert k_mesh(DftSettings(k_spacing=0.25), np.eye(3) * 400) == (1, 1, 1)
    assert k_mesh(DftSettings(k_spacing=0.25, smallest_mesh=3), np.eye(3) * 400) == (3, 3, 3)
    # 2π / L / spacing is a whole number up to rounding: no point more than needed
    assert k_mesh(DftSettings(k_spacing=0.25), np.eye(3) * 2 * np.pi) == (4, 4, 4)
    assert k_mesh(EMT, np.eye(3)) == (1, 1, 1)


def test_large_magnetic_cells_are_expected_to_cost_most():
    settings = DftSettings(spin='ferromagnetic')
    nickel, twice = bulk('Ni'), bulk('Ni') * (2, 1, 1)
    aluminium = Atoms('Al', cell=nickel.cell, pbc=True)
    assert expected_cost(settings, twice) > 2 * expected_cost(settings, nickel)
    assert expected_cost(settings, nickel) == 2 * expected_cost(settings, aluminium)
    lowest = DftSettings(spin='lowest')  # parallel, antiparallel, and without spin
    assert expected_cost(lowest, twice) == 2.5 * expected_cost(settings, twice)


@pytest.mark.parametrize(
    ('settings', 'species', 'message'),
    [
        (EMT, ['Al', 'Ti', 'Zr'], 'emt does not know Ti, Zr; known: Al Cu Ag Au Ni Pd Pt H C N O'),
        (EMT, ['Al', 'type0'], 'type0: not a chemical element; name the species'),
    ],
)
def test_species_that_are_not_known(settings, species, message):
    with pytest.raises(InputError, match=message):
        check_calculator(settings, species)


def test_calculator_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'gpaw', None)
    with pytest.raises(InputError, match=r'gpaw is not installed .*pip install gpaw gpaw-data'):
        check_calculator(DftSettings(), ['Al'])
    monkeypatch.setitem(sys.modules, 'hotbit', None)
    with pytest.raises(InputError, match='hotbit is not installed'):
        check_calculator(DftSettings(calculator='hotbit'), ['Al'])


def test_parameters_reach_the_calculator(tmp_path):
    atoms = bulk('Cu')
    settings = DftSettings(calculator='lj', parameters={'sigma': 2.3, 'epsilon': 0.4})
    check_calculator(settings, ['Cu'])
    calculator = make_calculator(settings, atoms, str(tmp_path))
    assert calculator.parameters['sigma'] == 2.3
    assert calculator.directory == str(tmp_path)


def test_parameters_that_are_refused():
    with pytest.raises(InputError, match='emt has no parameter magic'):
        check_calculator(DftSettings(calculator='emt', parameters={'magic': 1}), ['Cu'])
    with pytest.raises(InputError, match=r'tip3p refuses its parameters: .*magic'):
        make_calculator(DftSettings(calculator='tip3p', parameters={'magic': 1}), bulk('Cu'))
