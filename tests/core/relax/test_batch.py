"""Relaxation: against ASE, symmetric, thread-independent, and ending with the right reason."""

import math
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from reference.crystals import FCC, rattled_crystals

from aiida_mtp.core.active.active_set import Mode
from aiida_mtp.core.active.grade import build_active_set, extrapolation_grades
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.relax import batch as module
from aiida_mtp.core.relax.batch import relax
from aiida_mtp.core.relax.settings import RelaxSettings
from aiida_mtp.core.structures import StructureBatch

POTENTIAL = Path(__file__).parents[2] / 'data' / 'relax' / 'emt.almtp'
SPECIES = ('Ni', 'Al', 'Cu')
ARRAYS = ('positions', 'cells', 'energies', 'forces', 'stresses', 'status')
TIGHT = RelaxSettings(fmax=1e-5, smax=1e-6)


@pytest.fixture(scope='module')
def model():
    return read_potential(POTENTIAL, SPECIES)


@pytest.fixture(scope='module')
def crystals():
    return rattled_crystals(10, seed=3, strain=0.015, rattle=0.05)


@pytest.fixture(scope='module')
def active_set(model):
    """Knows fcc near its equilibrium."""
    return build_active_set(model, rattled_crystals(300, seed=1, strain=0.03, rattle=0.08))


class OurCalculator(Calculator):
    implemented_properties = ('energy', 'forces', 'stress')

    def __init__(self, model):
        super().__init__()
        self.model = model

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        batch = StructureBatch.from_ase([atoms], SPECIES)
        found = relax(self.model, batch, RelaxSettings(max_steps=1), n_threads=1).structures
        self.results = {
            'energy': found.energies[0],
            'forces': found.forces,
            'stress': found.stresses[0],
        }


def relaxed_by_ase(model, batch, row):
    atoms = batch.to_ase(row)
    atoms.calc = OurCalculator(model)
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-3, steps=300)
    return atoms


def assert_same(a, b):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ('grade', 'n_steps'):
        np.testing.assert_array_equal(a.columns[name], b.columns[name])


def test_as_ase(model, crystals):
    found = relax(model, crystals, TIGHT).structures
    assert set(found.status) == {'converged'}
    for row in range(2):
        atoms = relaxed_by_ase(model, crystals, row)
        expected = atoms.get_potential_energy() / len(atoms)
        assert found.energies_per_atom[row] == pytest.approx(expected, abs=2e-6)
        assert found.volumes[row] == pytest.approx(atoms.get_volume(), rel=1e-3)


def test_what_converged_is_at_rest(model, crystals):
    settings = RelaxSettings(fmax=1e-3, smax=1e-4)
    found = relax(model, crystals, settings).structures
    there = evaluate(model, found)
    np.testing.assert_allclose(found.energies, there.energies, rtol=1e-12)
    np.testing.assert_allclose(found.forces, there.forces, atol=1e-12)
    np.testing.assert_allclose(found.stresses, there.stresses, atol=1e-12)
    assert np.linalg.norm(found.forces, axis=1).max() <= 1e-3
    assert np.abs(found.stresses).max() <= 1e-4
    assert found.columns['n_steps'].mean() < 25
    assert np.isnan(found.columns['grade']).all()
    assert found.ids.tolist() == crystals.ids.tolist()


def test_pressure(model, crystals):
    pressure = 0.05
    settings = RelaxSettings(fmax=1e-5, smax=1e-6, pressure=pressure)
    found = relax(model, crystals.take([0]), settings).structures
    np.testing.assert_allclose(found.stresses[0], [-pressure] * 3 + [0] * 3, atol=1e-6)
    assert found.volumes[0] < relax(model, crystals.take([0])).structures.volumes[0]


@pytest.mark.parametrize(
    'matrix', [[[1, 3, 0], [0, 1, 0], [2, 0, 1]], [[1, 0, 0], [-4, 1, 0], [3, -2, 1]]]
)
def test_skewed_cells(model, crystals, matrix):
    straight = crystals.take([0, 1])
    skewed = straight.replaced(cells=np.array(matrix) @ straight.cells)
    a, b = (relax(model, batch, TIGHT).structures for batch in (straight, skewed))
    np.testing.assert_allclose(a.energies, b.energies, atol=1e-8)
    np.testing.assert_allclose(np.array(matrix) @ a.cells, b.cells, atol=1e-4)


def test_turned_and_moved(model, crystals):
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    batch = crystals.take([2, 3])
    turned = batch.replaced(positions=batch.positions @ rotation + 7, cells=batch.cells @ rotation)
    a, b = (relax(model, one, TIGHT).structures for one in (batch, turned))
    np.testing.assert_array_equal(a.columns['n_steps'], b.columns['n_steps'])
    np.testing.assert_allclose(a.cells @ rotation, b.cells, atol=1e-6)
    np.testing.assert_allclose(a.energies, b.energies, atol=1e-9)


def test_symmetry_stays(model):
    """Ni3Al, too large and with its atoms shifted, stays cubic to rounding."""
    cell = np.eye(3) * 4.2
    batch = StructureBatch.build(SPECIES, [[1, 0, 0, 0]], [FCC @ cell + 0.1], [cell])
    found = relax(model, batch, TIGHT).structures
    assert found.status[0] == 'converged'
    a = found.cells[0, 0, 0]
    np.testing.assert_allclose(found.cells[0], np.eye(3) * a, atol=1e-10)
    fractions = found.positions @ np.linalg.inv(found.cells[0])
    np.testing.assert_allclose(fractions - fractions[0], FCC, atol=1e-10)


def with_row(batch, row, **values):
    """The batch with other positions or another cell in one row."""
    positions, cells = batch.positions.copy(), batch.cells.copy()
    if 'cell' in values:
        cells[row] = values['cell']
    if 'positions' in values:
        positions[batch.atoms_of(row)] = values['positions']
    return batch.replaced(positions=positions, cells=cells)


def scaled(batch, factor):
    return batch.replaced(positions=batch.positions * factor, cells=batch.cells * factor)


def test_every_reason(model, crystals, active_set):
    assert relax(model, crystals).structures.status[0] == 'converged'
    assert relax(model, crystals, RelaxSettings(max_steps=2)).structures.status[0] == 'max_steps'
    for factor, name in ((0.9, 'max_volume'), (1.1, 'min_volume')):
        settings = RelaxSettings(**{name: 1 + (factor < 1) * 0.02 - (factor > 1) * 0.02})
        assert relax(model, scaled(crystals, factor), settings).structures.status[0] == 'volume'
    far = relax(model, scaled(crystals, 1.3), active_set=active_set).structures
    assert far.status[0] == 'extrapolating'
    unknown = crystals.renamed(['Ni', 'Al', 'Ag'])
    has_ag = unknown.compositions[:, 2] > 0
    statuses = relax(model, unknown).structures.status
    assert set(statuses[has_ag]) == {'unknown_species'}
    assert set(statuses[~has_ag]) == {'converged'}


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'positions': np.nan}, 'not_finite'),
        ({'cell': np.full((3, 3), np.inf)}, 'not_finite'),
        ({'positions': 0.3}, 'min_dist'),
        ({'cell': np.zeros((3, 3))}, 'volume'),
        ({'cell': np.diag([1e-9, 1, 1])}, 'volume'),
    ],
)
def test_a_hopeless_structure_does_not_stop_the_others(model, crystals, active_set, change, reason):
    batch = with_row(crystals.take([0, 1, 2]), 1, **change)
    found = relax(model, batch, active_set=active_set)
    assert found.structures.status[1] == reason
    one = found.structures.take([1])
    assert np.isnan([one.energies[0], one.stresses[0, 0], one.forces[0, 0]]).all()
    np.testing.assert_array_equal(one.positions, batch.take([1]).positions)
    others = relax(model, crystals.take([0, 2]), active_set=active_set)
    assert_same(found.structures.take([0, 2]), others.structures)
    assert batch.ids[1] not in set(found.candidates.origins)


def test_any_number_of_threads(model, active_set, monkeypatch):
    monkeypatch.setattr(module, 'STRUCTURES_PER_CALL', 3)
    batch = rattled_crystals(20, seed=5, strain=0.08, rattle=0.2)
    one, three = (relax(model, batch, active_set=active_set, n_threads=n) for n in (1, 3))
    assert len(set(one.structures.status)) > 1
    assert_same(one.structures, three.structures)
    assert one.candidates.ids.tolist() == three.candidates.ids.tolist()
    np.testing.assert_array_equal(one.candidates.positions, three.candidates.positions)


def test_room_grows_with_the_number_of_neighbours(model, crystals, monkeypatch):
    expected = relax(model, crystals).structures
    monkeypatch.setattr(module, 'CAPACITY', 5)
    assert_same(relax(model, crystals).structures, expected)


@pytest.mark.parametrize('mode', list(Mode))
def test_candidates_are_the_frames_of_largest_grade(model, mode):
    active_set = build_active_set(model, rattled_crystals(60, seed=1, strain=0.02), mode)
    batch = rattled_crystals(30, seed=5, strain=0.08, rattle=0.2)
    settings = RelaxSettings(threshold_save=1.5, threshold_break=200.0, max_steps=40)
    found = relax(model, batch, settings, active_set)
    candidates, grades = found.candidates, found.structures.columns['grade']
    rows = [batch.index_of(origin) for origin in candidates.origins]
    assert len(set(rows)) == len(rows) > 5
    assert len(set(candidates.ids)) == len(rows)
    own = extrapolation_grades(model, active_set, candidates)
    np.testing.assert_allclose(candidates.columns['grade'], own, rtol=1e-6)
    np.testing.assert_array_equal(candidates.columns['grade'], grades[rows])
    assert set(rows) == set(np.flatnonzero(grades > 1.5))
    broken = np.flatnonzero(found.structures.status == 'extrapolating')
    assert (grades[broken] > 200).all()
    assert (grades[np.setdiff1d(np.arange(30), broken)] <= 200).all()
    assert set(candidates.status) == {'new'}
    assert np.isnan(candidates.energies).all()
    assert (grades >= extrapolation_grades(model, active_set, batch) - 1e-9).all()


def test_a_start_that_extrapolates_is_a_candidate(model, crystals, active_set):
    far = scaled(crystals, 1.3)
    found = relax(model, far, active_set=active_set)
    assert set(found.structures.status) == {'extrapolating'}
    assert (found.structures.columns['n_steps'] == 1).all()
    np.testing.assert_array_equal(found.candidates.positions, far.positions)
    np.testing.assert_array_equal(found.structures.positions, far.positions)
    assert np.isfinite(found.structures.energies).all()


def test_no_candidate_where_atoms_are_too_close(model, active_set):
    close = scaled(rattled_crystals(5, seed=2, strain=0.0, rattle=0.05), 0.85)
    some = relax(model, close, active_set=active_set)
    assert set(some.structures.status) == {'extrapolating'}
    assert len(some.candidates) == 5
    none = relax(model, close, RelaxSettings(min_dist=2.5), active_set)
    assert set(none.structures.status) == {'min_dist'}
    assert len(none.candidates) == 0


def test_thresholds_can_be_off(model, crystals, active_set):
    settings = RelaxSettings(threshold_save=math.inf, threshold_break=math.inf)
    found = relax(model, scaled(crystals, 1.12), settings, active_set)
    assert set(found.structures.status) == {'converged'}
    assert len(found.candidates) == 0
    assert found.structures.columns['grade'].max() > 10


def test_start_volume_is_found(model, active_set):
    crystals = rattled_crystals(10, seed=3, strain=0.005, rattle=0.02)
    settings = RelaxSettings(fmax=1e-5, smax=1e-6, scan_volume=True)
    expected = relax(model, scaled(crystals, 1.03), settings, active_set).structures
    for factor in (0.9, 1.06):  # of lengths; the best volume is within the scan
        far = scaled(crystals, factor)
        found = relax(model, far, settings, active_set).structures
        assert (found.status == expected.status).mean() > 0.8
        both = (found.status == 'converged') & (expected.status == 'converged')
        assert both.sum() > 5
        np.testing.assert_allclose(found.energies[both], expected.energies[both], atol=1e-5)


def test_what_is_near_rest_is_not_scanned(model, crystals):
    settings = RelaxSettings(scan_volume=True)
    first = relax(model, scaled(crystals, 1.05), settings).structures
    at_rest = first.take(first.status == 'converged')
    again = relax(model, at_rest.without_labels(), settings).structures
    assert len(again) > 5
    assert set(again.columns['n_steps']) == {1}
    np.testing.assert_allclose(again.energies, at_rest.energies, rtol=0, atol=1e-9)
    under_pressure = RelaxSettings(scan_volume=True, pressure=0.1)
    found = relax(model, at_rest.without_labels(), under_pressure).structures
    assert found.columns['n_steps'].min() > settings.scan_points


def test_the_given_volume_stays_where_no_other_can_be_trusted(model, crystals, active_set):
    far = scaled(crystals, 1.4)
    settings = RelaxSettings(scan_volume=True, scan_min=0.8)
    found = relax(model, far, settings, active_set).structures
    assert set(found.status) == {'extrapolating'}
    np.testing.assert_array_equal(found.cells, far.cells)


def test_progress_and_nothing_to_do(model, crystals):
    seen = []
    relax(model, crystals, progress=seen.append)
    assert sum(seen) == len(crystals)
    empty = relax(model, StructureBatch.empty(SPECIES))
    assert len(empty.structures) == len(empty.candidates) == 0


def test_as_low_as_mlip(shared_data):
    """Far from the start basins differ, for ASE's BFGS too; most are the same."""
    folder = shared_data / 'mlip3'
    model = read_potential(folder / 'relaxpot.almtp')
    start, theirs = (read_structures(folder / name) for name in ('rl50.cfg', 'relaxed50.cfg'))
    found = relax(model, start, RelaxSettings(fmax=1e-4, smax=1e-5)).structures
    assert set(found.status) == {'converged'}
    difference = (found.energies - theirs.energies) / found.n_atoms
    assert (np.abs(difference) < 1e-5).sum() >= 42
    assert np.median(found.columns['n_steps']) < 25
