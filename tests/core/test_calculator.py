"""The potential in the hands of ASE and pymatgen."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from pymatgen.io.ase import AseAtomsAdaptor
from reference.crystals import rattled_crystals

from aiida_mtp.core.active.active_set import Mode
from aiida_mtp.core.active.grade import build_active_set, extrapolation_grades
from aiida_mtp.core.calculator import CloserThanTrained, MtpCalculator, predict
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.relax.batch import relax
from aiida_mtp.core.relax.settings import RelaxSettings

POTENTIAL = Path(__file__).parents[1] / 'data' / 'relax' / 'emt.almtp'
SPECIES = ('Ni', 'Al', 'Cu')


@pytest.fixture(scope='module')
def model():
    return read_potential(POTENTIAL, SPECIES)


@pytest.fixture
def crystals():
    return rattled_crystals(5, seed=2, strain=0.01, rattle=0.03)


def test_as_evaluate(model, crystals):
    expected = evaluate(model, crystals)
    calculator = MtpCalculator(model)
    for s in range(len(crystals)):
        atoms = crystals.to_ase(s)
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(expected.energies[s], abs=1e-12)
        np.testing.assert_allclose(
            atoms.get_forces(), expected.forces[crystals.atoms_of(s)], atol=1e-12
        )
        np.testing.assert_allclose(atoms.get_stress(), expected.stresses[s], atol=1e-12)
        assert atoms.get_potential_energies().sum() == pytest.approx(expected.energies[s])


@pytest.mark.parametrize('mode', list(Mode))
def test_grades(model, crystals, mode):
    active_set = build_active_set(model, rattled_crystals(60, seed=1), mode)
    grades = extrapolation_grades(model, active_set, crystals)
    found = predict(model, [crystals.to_ase(s) for s in range(5)], active_set)
    assert [one.grade for one in found] == pytest.approx(grades)
    atoms = crystals.to_ase(0)
    calculator = MtpCalculator(model, active_set)
    assert calculator.get_property('grade', atoms) == pytest.approx(grades[0])
    assert np.isnan(predict(model, [atoms])[0].grade)


def test_from_a_file(model):
    atoms = bulk('NiAl', 'cesiumchloride', a=2.9)
    atoms.calc = MtpCalculator.from_file(POTENTIAL, SPECIES)
    assert atoms.get_potential_energy() == predict(model, [atoms])[0].energy


def test_structures_of_pymatgen(model):
    atoms = bulk('NiAl', 'cesiumchloride', a=2.9)
    structure = AseAtomsAdaptor.get_structure(atoms)
    theirs, ours = predict(model, [structure, atoms])
    assert theirs.energy == pytest.approx(ours.energy, abs=1e-12)
    relaxed = structure.relax(MtpCalculator(model), fmax=1e-3, verbose=False)
    assert relaxed.volume != pytest.approx(structure.volume, rel=1e-3)


def test_relaxed_by_ase_as_by_us(model, crystals):
    settings = RelaxSettings(fmax=1e-4, smax=1e-6)
    ours = relax(model, crystals, settings).structures
    for s in range(2):
        atoms = crystals.to_ase(s)
        atoms.calc = MtpCalculator(model)
        BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4, steps=500)
        energy = atoms.get_potential_energy() / len(atoms)
        assert ours.energies_per_atom[s] <= energy + 1e-5


def test_too_close_is_warned_about(model):
    atoms = bulk('Ni', a=2.2)
    assert atoms.get_all_distances(mic=True).max() < model.min_dist
    with pytest.warns(CloserThanTrained, match=r'1\.556 Å apart: the potential has been trained'):
        found = predict(model, [atoms])
    assert np.isfinite(found[0].energy)


def test_an_unknown_species(model):
    with pytest.raises(InputError, match='species Ag not among Ni, Al, Cu'):
        predict(model, [bulk('Ag')])


def test_nothing_to_predict(model):
    assert predict(model, []) == []
