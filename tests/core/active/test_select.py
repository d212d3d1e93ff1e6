"""Selection: what is chosen is new, spans most, and is as much as MLIP's `select_add` chooses."""

import re

import numpy as np
import pytest
from reference.crystals import rattled_crystals

from aiida_mtp.core.active.active_set import Mode
from aiida_mtp.core.active.grade import build_active_set, extrapolation_grades
from aiida_mtp.core.active.select import select
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch


def crystals(n, *, seed=0):
    return rattled_crystals(n, seed=seed, species=('Al', 'Ni'))


@pytest.fixture(scope='module')
def model():
    untrained = initial_model(6, ['Ni', 'Al'], 4.0, radial_basis_size=4)
    theta = np.random.default_rng(0).normal(size=untrained.n_parameters)
    return untrained.with_coefficients(theta)


@pytest.fixture(scope='module')
def training():
    return crystals(15, seed=1)


@pytest.fixture(scope='module')
def candidates():
    return crystals(60, seed=2)


def turned(batch):
    """The same structures rotated and moved: another geometry, the same energies."""
    rotation, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    return batch.replaced(positions=batch.positions @ rotation + 0.3, cells=batch.cells @ rotation)


def test_after_labelling_the_chosen_nothing_extrapolates(model, training, candidates):
    found = select(model, training, candidates)
    assert 0 < len(found.indices) == found.report.n_holding < 60
    joined = StructureBatch.concatenate([training, candidates.take(found.indices)])
    active_set = build_active_set(model, joined)
    before = build_active_set(model, training)
    grades = extrapolation_grades(model, active_set, candidates)
    assert grades.max() < 3 < found.report.max_grade
    np.testing.assert_allclose(found.grades, extrapolation_grades(model, before, candidates))
    gain = active_set.log_volume - before.log_volume
    assert gain == pytest.approx(found.report.log_gain, rel=0.05)


def test_nothing_is_chosen_from_what_is_known(model, training):
    for known in (training, turned(training)):
        found = select(model, training, known)
        assert len(found.indices) == 0
        assert found.report.n_duplicates == len(training)


def test_copies_are_chosen_once(model, training, candidates):
    once = select(model, training, candidates)
    many = StructureBatch.concatenate([candidates, turned(candidates), candidates])
    found = select(model, training, many)
    assert found.report.n_duplicates == 120
    assert found.indices.tolist() == once.indices.tolist()


def test_the_first_set(model, candidates):
    nothing = StructureBatch.empty()
    found = select(model, nothing, candidates)
    assert len(found.indices) > 20


def test_an_untrained_potential_selects_as_much_as_a_trained_one(model, candidates):
    untrained = initial_model(6, model.species, 4.0, radial_basis_size=4)
    found = select(untrained, StructureBatch.empty(), candidates)
    trained = select(model, StructureBatch.empty(), candidates)
    assert abs(len(found.indices) - len(trained.indices)) <= 2


@pytest.mark.parametrize('mode', list(Mode))
@pytest.mark.parametrize('limit', [1, 5, 1000])
def test_limit(model, training, candidates, mode, limit):
    everything = select(model, training, candidates, mode=mode)
    found = select(model, training, candidates, mode=mode, limit=limit)
    assert found.report.n_holding == everything.report.n_holding
    assert set(found.indices) <= set(everything.indices)
    assert len(found.indices) == min(limit, len(everything.indices)) == found.report.n_selected


def test_a_limit_takes_what_gains_most_first(model, training, candidates):
    one = select(model, training, candidates, limit=1)
    holding = select(model, training, candidates).indices
    assert one.indices[0] == holding[one.grades[holding].argmax()]


def test_what_is_not_finite_is_left_out(model, training, candidates):
    positions = candidates.positions.copy()
    positions[candidates.atoms_of(4)] = np.nan
    positions[candidates.atoms_of(9)] *= np.inf
    found = select(model, training, candidates.replaced(positions=positions))
    assert found.report.n_not_finite == 2
    assert not {4, 9} & set(found.indices)
    assert np.isfinite(found.report.max_grade)


def test_no_candidates(model, training):
    found = select(model, training, StructureBatch.empty())
    assert len(found.indices) == len(found.grades) == 0
    assert found.report.max_grade is None


def test_deterministic(model, training, candidates):
    a, b = (select(model, training, candidates, limit=7) for _ in range(2))
    assert a.indices.tolist() == b.indices.tolist()
    assert a.report == b.report


def test_as_much_as_mlip(shared_data):
    folder = shared_data / 'mlip3'
    training, candidates = (
        read_structures(folder / name) for name in ('train500.cfg', 'test200.cfg')
    )
    text = (folder / 'select_add_as10_cfg__train500__test200.cfg').read_text()
    theirs = [int(number) for number in re.findall(r'ID\s+(\d+)', text)]
    model = read_potential(folder / 'p10_3.mtp')
    found = select(model, training, candidates)
    assert abs(len(found.indices) - len(theirs)) <= 3  # two maxima of the same volume
    assert len(set(found.indices) & set(theirs)) >= 0.8 * len(theirs)
    volumes = [
        build_active_set(
            model, StructureBatch.concatenate([training, candidates.take(chosen)])
        ).log_volume
        for chosen in (found.indices, theirs)
    ]
    assert volumes[0] > volumes[1] - 0.01 * model.n_parameters
