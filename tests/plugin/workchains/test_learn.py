"""One learning stage with EMT in the place of DFT."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int
from ase.build import bulk

from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.learn import MtpLearnWorkChain


def prototypes():
    """Four simple crystals of Cu and Pt."""
    crystals = [
        bulk('Cu', a=3.7),
        bulk('Pt', a=3.9),
        bulk('CuPt', 'cesiumchloride', a=3.0),
        bulk('CuPt', 'rocksalt', a=5.2),
    ]
    return StructureSetData.from_batch(
        StructureBatch.from_ase(crystals, ids=['cu', 'pt', 'b2', 'b1'], species=('Cu', 'Pt'))
    )


def learn(codes, structures, calculator='emt', **inputs):
    return run_get_node(
        MtpLearnWorkChain,
        structures=structures,
        engine={'code': codes['mtp-engine']},
        dft={'code': codes['mtp-dft'], 'settings': Dict({'calculator': calculator})},
        **{'level': 4, 'max_initial': 16, 'seed': 3, **inputs},
    )


@pytest.mark.slow
def test_a_stage_learns_until_nothing_extrapolates(codes):
    outputs, node = learn(codes, prototypes(), shard_size=Int(3), max_iterations=20)
    assert node.is_finished_ok, node.exit_message
    relaxed = outputs['structures'].get_batch()
    assert list(relaxed.ids) == ['cu', 'pt', 'b2', 'b1']
    assert set(relaxed.status) == {'converged'}
    training = outputs['training_set'].get_batch()
    assert set(training.status) == {'done'}
    assert len(training) == outputs['report'].get_dict()['training']['n_structures']
    assert outputs['potential'].creator.process_label == 'MtpTrainCalculation'
    iterations = outputs['report'].get_dict()['iterations']
    assert {'relax_0', 'relax_1'} <= set(iterations[-1])  # both shards
    assert np.all(relaxed.columns['grade'] < 2.1)


@pytest.mark.slow
def test_poisoned_structures_have_a_reason_and_cost_the_others_nothing(codes):
    batch = prototypes().get_batch()
    poison = batch.take([2, 3]).replaced(ids=np.array(['close', 'nan'], dtype=object))
    positions = poison.positions.copy()
    positions[1] = positions[0]
    positions[2, 0] = np.nan
    joined = StructureBatch.concatenate([batch, poison.replaced(positions=positions)])
    poisoned = StructureSetData.from_batch(joined.take([4, 0, 1, 5, 2, 3]))
    outputs, node = learn(codes, poisoned, shard_size=Int(3), max_iterations=0, max_initial=4)
    assert node.is_finished_ok, node.exit_message
    relaxed = outputs['structures'].get_batch()
    status = dict(zip(relaxed.ids, relaxed.status, strict=True))
    assert list(status) == ['close', 'cu', 'pt', 'nan', 'b2', 'b1']
    assert (status['close'], status['nan']) == ('min_dist', 'not_finite')
    assert np.isfinite(relaxed.energies[[1, 2, 4, 5]]).all()
    assert np.isnan(relaxed.energies[[0, 3]]).all()


def test_the_limit_of_iterations_leaves_a_reason(codes):
    outputs, node = learn(codes, prototypes(), max_iterations=0, max_initial=2)
    assert node.is_finished_ok, node.exit_message
    relaxed = outputs['structures'].get_batch()
    assert 'extrapolating' in set(relaxed.status)
    assert len(outputs['training_set']) == 2


def test_dft_that_knows_none_of_the_elements(codes):
    iron = StructureSetData.from_batch(
        StructureBatch.from_ase([bulk('Fe'), bulk('Fe', 'fcc', a=3.6)], ids=['a', 'b'])
    )
    _, node = learn(codes, iron, max_initial=2)
    assert node.exit_status == MtpLearnWorkChain.exit_codes.ERROR_LABELLING_FAILED.status
    assert node.exit_message.startswith('Labelling failed: ')
    assert 'Fe' in node.exit_message


@pytest.mark.slow
def test_a_stage_goes_on_from_an_earlier_one(codes):
    first, _ = learn(codes, prototypes(), max_iterations=0, max_initial=8)
    _, refused = learn(codes, prototypes(), potential=first['potential'])
    wanted = MtpLearnWorkChain.exit_codes.ERROR_POTENTIAL_WITHOUT_TRAINING_SET
    assert refused.exit_status == wanted.status  # what made it is missing
    earlier = {name: first[name] for name in ('training_set', 'potential')}
    second, node = learn(codes, prototypes(), max_iterations=1, **earlier)
    assert node.is_finished_ok, node.exit_message
    known = set(first['training_set'].get_batch().ids)
    assert known <= set(second['training_set'].get_batch().ids)


@pytest.mark.slow
def test_labels_of_other_settings_are_not_mixed_with_what_is_given(codes):
    outputs, node = learn(codes, prototypes(), max_iterations=0, max_initial=2)
    assert node.is_finished_ok, node.exit_message
    batch = outputs['training_set'].get_batch()
    foreign = StructureSetData.from_batch(
        batch.with_columns(label_settings=['elsewhere'] * len(batch))
    )
    _, node = learn(codes, prototypes(), training_set=foreign, max_iterations=1)
    assert node.exit_status == 405
    assert 'settings elsewhere' in node.exit_message
    outputs, node = learn(codes, prototypes(), training_set=foreign, max_iterations=0)
    assert node.is_finished_ok, node.exit_message
    assert outputs['training_set'].uuid == foreign.uuid


@pytest.mark.parametrize(
    ('name', 'values', 'message'),
    [
        ('relax', {'threshold_save': 20.0, 'threshold_break': 10.0}, 'not below threshold_save'),
        ('train', {'energy_wait': 1.0}, 'unknown training setting energy_wait'),
        ('perturb', {'copies': 0}, 'copies must be at least 1'),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(codes, name, values, message):
    with pytest.raises(ValueError, match=message):
        learn(codes, prototypes(), **{name: values})
