"""Functions on sets: what they return, and that it has a creator."""

import json

import numpy as np
import pytest
from aiida.orm import Dict, Float, Int, Str

from aiida_mtp.calculations.final_functions import (
    begin_afresh,
    gather_candidates,
    newest_predictions,
    predict_anew,
    take_lower,
    update_candidates,
)
from aiida_mtp.calculations.label_functions import collect_labels, take_unfinished
from aiida_mtp.calculations.screen_functions import (
    build_hull,
    energy_error,
    retain_structures,
    stable_phases,
)
from aiida_mtp.calculations.set_functions import (
    append_labels,
    collect_relaxed,
    extract_structure,
    split_structures,
    take_unreferenced,
)
from aiida_mtp.calculations.stage_functions import (
    perturb_structures,
    restart_structures,
    summarise_stage,
    untrained_potential,
)
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

pytestmark = pytest.mark.usefixtures('aiida_profile_clean')


def words(values):
    return np.array(values, dtype=object)


def stored(batch):
    return StructureSetData.from_batch(batch).store()


def ids(node):
    return node.get_batch().ids.tolist()


def test_cut(batch):
    shards = split_structures(stored(batch), Int(2))
    assert {key: ids(shards[key]) for key in shards} == {
        'shard_00000': ['ni', 'b2'],
        'shard_00001': ['b2-twice'],
    }


def test_relaxed_by_several_jobs(batch):
    """The second of two shards came first, and the first was finished by a third job."""
    names = words(['ni~1', 'b2~1', 'b2-twice~1'])
    frames = batch.replaced(ids=names, origins=batch.ids)
    status = words(['converged', 'unfinished'])
    found = collect_relaxed(
        stored(batch),
        structures_0=stored(batch.take([2]).replaced(status=words(['max_steps']))),
        structures_1=stored(batch.take([0, 1]).replaced(status=status)),
        structures_2=stored(batch.take([1]).replaced(status=words(['converged']))),
        candidates_0=stored(frames.take([2])),
        candidates_1=stored(frames.take([0])),
        candidates_2=stored(frames.take([1])),
    )
    assert ids(found['structures']) == ['ni', 'b2', 'b2-twice']
    assert list(found['structures'].get_batch().status) == ['converged', 'converged', 'max_steps']
    assert ids(found['candidates']) == ['ni~1', 'b2~1', 'b2-twice~1']
    assert found['candidates'].creator.process_label == 'collect_relaxed'


def test_labels_of_several_jobs(batch):
    wanted = stored(batch.take([2, 0, 1]))
    first = append_labels(stored(batch.replaced(status=words(['done', 'failed', 'unfinished']))))
    tried = stored(batch.replaced(status=words(['done', 'failed', 'unfinished'])))
    again = stored(batch.take([2]).replaced(status=words(['done']), energies=np.array([-2.0])))
    assert ids(first) == ['ni']
    assert ids(take_unfinished(wanted, tried)) == ['b2-twice']
    found = collect_labels(wanted, labels_0=tried, labels_1=again).get_batch()
    assert found.ids.tolist() == ['b2-twice', 'ni', 'b2']
    assert found.status.tolist() == ['done', 'done', 'failed']
    assert found.energies.tolist()[:2] == [-2.0, -5.5]


def test_the_lowest_magnetic_state_is_the_label(batch):
    wanted = batch.take([0, 1])

    def begun_from(state, energies, status):
        text = [json.dumps({state: {'energy': energy}}) for energy in energies]
        return stored(
            wanted.replaced(energies=np.array(energies), status=words(status)).with_columns(
                magnetic_state=[state] * 2, magnetic_states=text
            )
        )

    parallel = begun_from('ferromagnetic', [-5.0, -9.0], ['done', 'done'])
    none = begun_from('none', [-5.5, -9.001], ['done', 'done'])
    failed = begun_from('antiferromagnetic', [np.nan, np.nan], ['failed', 'failed'])
    found = collect_labels(
        stored(wanted), labels_0=none, labels_1=parallel, labels_2=failed
    ).get_batch()
    assert found.column('magnetic_state', '').tolist() == ['none', 'ferromagnetic']
    assert found.energies.tolist() == [-5.5, -9.0]  # the second state is twice the same
    states = [json.loads(text) for text in found.columns['magnetic_states']]
    assert set(states[0]) == {'ferromagnetic', 'antiferromagnetic', 'none'}
    assert states[1]['none'] == {'energy': -9.001}


def test_labels_tell_the_process_they_come_from(batch):
    made = split_structures(stored(batch), Int(3))['shard_00000']
    found = collect_labels(made, labels_0=made).get_batch()
    assert set(found.columns['label_process']) == {made.creator.uuid}


def test_what_a_structure_was_labelled_by_before_is_forgotten(batch):
    """A set of your own may come from an earlier screen, with its columns."""
    labelled = batch.with_columns(label_process=['earlier'] * len(batch))
    made = split_structures(stored(labelled), Int(3))['shard_00000']
    found = collect_labels(made, labels_0=made).get_batch()
    assert set(found.columns['label_process']) == {made.creator.uuid}


def test_a_training_set_grows_by_what_is_done(batch):
    first = append_labels(stored(batch))
    assert ids(first) == ['ni', 'b2']
    second = append_labels(stored(batch.take([1])), previous=first)
    assert ids(second) == ['ni', 'b2', 'b2#2']
    assert second.creator.inputs.previous == first
    other = batch.take([0]).with_columns(label_settings=['other'])
    with pytest.raises(InputError, match='abc, other'):
        append_labels(stored(other), previous=first)


def test_one_structure_and_what_is_no_reference(batch):
    node = stored(batch)
    structure = extract_structure(node, Str('b2'))
    assert structure.get_formula() == 'AlNi'
    assert structure.creator.process_label == 'extract_structure'
    wider = batch.take([0]).replaced(cells=batch.take([0]).cells * 1.03)
    assert ids(take_unreferenced(node, stored(wider))) == ['b2', 'b2-twice']


def test_a_stage_begins(batch):
    node = stored(batch.without_labels())
    potential = untrained_potential(
        node, Int(6), Float(5.0), Int(0), Dict({'radial_basis_size': 4})
    )
    assert potential.get_model().radial_coeffs.shape[-1] == 4
    copies = perturb_structures(node, Dict({'copies': 2, 'max_atoms': 2}), Int(0))
    assert ids(copies) == ['ni', 'ni~1', 'b2', 'b2~1']
    assert copies.get_batch().positions.tobytes() == (
        perturb_structures(node, Dict({'copies': 2, 'max_atoms': 2}), Int(0))
        .get_batch()
        .positions.tobytes()
    )


def test_only_what_converged_goes_on_from_where_it_is(batch):
    relaxed = batch.replaced(
        cells=batch.cells * 1.1, status=words(['converged', 'extrapolating', 'max_steps'])
    )
    found = restart_structures(stored(batch), stored(relaxed)).get_batch()
    np.testing.assert_allclose(found.volumes / batch.volumes, [1.1**3, 1.0, 1.0])
    assert found.origins.tolist() == ['fcc', 'bcc', 'bcc']


def test_reports_of_a_stage():
    report = summarise_stage(
        iteration_10_train=Dict({'n': 10}),
        iteration_2_train=Dict({'n': 2}),
        iteration_2_relax_0=Dict({'m': 1}),
    ).get_dict()
    assert [one['iteration'] for one in report['iterations']] == [2, 10]
    assert report['iterations'][0]['relax_0'] == {'m': 1}
    assert report['training'] == {'n': 10}


def test_hull(batch):
    aluminium = batch.take([0]).replaced(
        ids=words(['al']), types=np.array([0], dtype=np.int16), energies=np.array([-3.7])
    )
    references = stored(StructureBatch.concatenate([batch.take([0]), aluminium]))
    hull = build_hull(references=references, final=stored(batch.take([1, 2])))
    found = hull.get_batch()
    expected = [0.0, 0.0, (-10.5 + 5.5 + 3.7) / 2, np.nan]  # what failed has none
    np.testing.assert_allclose(found.columns['formation_energy'], expected)
    phases = {phase['formula']: phase for phase in stable_phases(hull)['phases']}
    assert phases.keys() == {'Al', 'AlNi', 'Ni'}
    assert phases['AlNi']['id'] == 'b2'
    assert phases['AlNi']['formation_energy'] == pytest.approx(-0.65)
    other = batch.take([1]).with_columns(label_settings=['other'])
    with pytest.raises(InputError, match='must not be mixed'):
        build_hull(references=references, final=stored(other))


@pytest.fixture
def predicted(batch):
    """Make what a job has relaxed of the alloys and the elements: energies of the alloys in eV."""
    aluminium = batch.take([0]).replaced(
        ids=words(['al']), types=np.array([0], dtype=np.int16), energies=np.array([-3.7])
    )
    bare = batch.replaced(columns={}, status=words(['converged'] * 3))
    whole = StructureBatch.concatenate([bare, aluminium.replaced(columns={})])

    def relaxed(names, *energies):
        values = dict(zip(names, energies, strict=True))
        rows = [row for row, key in enumerate(whole.ids) if key in {*values, 'ni', 'al'}]
        batch = whole.take(rows)
        own = [values.get(key, old) for key, old in zip(batch.ids, batch.energies, strict=True)]
        return stored(
            batch.replaced(energies=np.array(own), status=words(['converged'] * len(own)))
        )

    return relaxed


def test_predictions_of_rounds_add_up(predicted):
    """What is kept of each round is what all candidates with it would be."""
    stage_1, stage_2 = predicted(['b2', 'b2-twice'], -10.0, -20.5), predicted(['b2'], -10.2)
    report = Dict({'training': {'energy': {'rmse': 0.01}}})
    elements = stored(stage_1.get_batch().take([0, 3]))
    candidates = gather_candidates(elements, stage_1, stage_2, report, report)
    rounds = [
        {'part_0': predicted(['b2'], -10.3), 'part_1': predicted(['b2-twice'], -20.8)},
        {'part_0': predicted(['b2'], -10.4)},
        {'part_0': stored(predicted(['b2'], -10.5).get_batch().take([1]))},  # no elements among it
    ]
    whole, newest = candidates, {}
    for parts in rounds:
        whole = predict_anew(whole, **parts)
        newest = {'previous': newest_predictions(candidates, **newest, **parts)}
    again = update_candidates(candidates, newest=newest['previous'])
    assert ids(again) == ids(whole) == ids(candidates)
    one, other = again.get_batch(), whole.get_batch()
    np.testing.assert_array_equal(one.energies, other.energies)
    for name in ('stage', 'formation_energy'):
        np.testing.assert_array_equal(one.columns[name], other.columns[name])
    assert dict(zip(one.ids, one.energies, strict=True))['b2'] == -10.5
    assert one.columns['stage'].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize('answers', ['labels', 'relaxed'])
def test_a_prediction_made_after_the_answer_is_none(predicted, answers):
    """Errors are those of predictions made before DFT was asked, at the geometry of then."""
    part = predicted(['b2', 'b2-twice'], -10.3, -20.8)
    report = Dict({'training': {'energy': {'rmse': 0.01}}})
    candidates = gather_candidates(part, part, part, report, report)
    assert ids(newest_predictions(candidates, part_0=part)) == ['ni', 'b2', 'b2-twice', 'al']
    known = {answers: stored(part.get_batch().take([1]))}
    assert ids(newest_predictions(candidates, part_0=part, **known)) == ['ni', 'b2-twice', 'al']
    earlier = newest_predictions(candidates, part_0=predicted(['b2'], -10.2))
    found = newest_predictions(candidates, earlier, part_0=part, **known).get_batch()
    assert dict(zip(found.ids, found.energies, strict=True))['b2'] == -10.2


def test_prototypes_begin_afresh_and_lower_minima_count(predicted):
    stage_1, stage_2 = predicted(['b2', 'b2-twice'], -10.0, -20.5), predicted(['b2'], -10.2)
    report = Dict({'training': {'energy': {'rmse': 0.01}}})
    elements = stored(
        stage_1.get_batch().take([0, 3]).replaced(ids=words(['element-ni', 'element-al']))
    )
    candidates = gather_candidates(elements, stage_1, stage_2, report, report)
    batch = stage_1.get_batch()
    given = stored(batch.replaced(cells=batch.cells * 1.1, status=words(['new'] * 4)))
    settings = Dict({'shaken': 1})
    begun = begin_afresh(candidates, given, settings, report, report, Int(1))
    assert begun.keys() == {'begun_0', 'begun_1', 'current'}
    for name, is_given in (('begun_0', True), ('begun_1', False)):
        one = begun[name].get_batch()
        assert set(one.ids) == {'b2', 'b2-twice'}
        cell = one.cells[one.index_of('b2')]
        assert np.array_equal(cell, given.get_batch().cells[1]) == is_given
        assert set(one.status) == {'new'}
    answers = predicted(['b2'], -10.2)
    newer = newest_predictions(candidates, part_0=predicted(['b2-twice'], -20.6))
    for lower, known, expected in (
        (-10.1, {}, {'b2': -10.25, 'b2-twice': -20.5}),
        (-10.3, {}, {'b2': -10.25, 'b2-twice': -20.5, 'b2@1': -10.3}),
        (-10.1, {'newest': newer}, {'b2': -10.25, 'b2-twice': -20.6}),
        (-10.3, {'labels': answers}, {'b2': -10.2, 'b2-twice': -20.5, 'b2@1': -10.3}),
    ):
        looked = take_lower(
            candidates,
            elements,
            report,
            report,
            Int(1),
            begun_0=predicted(['b2'], lower),
            current_1=predicted(['b2'], -10.25),
            **known,
        )
        found = update_candidates(candidates, looked).get_batch()
        energies = dict(zip(found.ids, found.energies, strict=True))
        assert energies == {'ni': -5.5, 'al': -3.7, **expected}


def test_a_look_at_nothing_changes_nothing(predicted):
    stage = predicted(['b2'], -10.2)
    report = Dict({'training': {'energy': {'rmse': 0.01}}})
    candidates = gather_candidates(stage, stage, stage, report, report)
    begun = begin_afresh(
        candidates, stored(stage.get_batch().take([])), Dict({}), report, report, Int(1)
    )
    assert [len(one) for _, one in sorted(begun.items())] == [0, 0, 0, 1]  # the last: `current`
    assert ids(take_lower(candidates, stage, report, report, Int(1))) == []


def test_what_is_within_reach_goes_on(batch):
    aluminium = batch.take([0]).replaced(
        ids=words(['al']), types=np.array([0], dtype=np.int16), energies=np.array([-3.7])
    )
    far = batch.take([1]).replaced(
        ids=words(['far']), energies=np.array([-10.0]), cells=batch.take([1]).cells * 1.1
    )
    whole = StructureBatch.concatenate([batch.take([0, 1]), aluminium, far])
    relaxed = stored(whole.replaced(status=words(['converged'] * 4)))
    stage = Dict({'training': {'energy': {'rmse': 0.01}}})
    kept = retain_structures(relaxed, Dict({'k': 4.0}), stage)
    assert ids(kept['structures']) == ['ni', 'b2', 'al']
    report = kept['report'].get_dict()
    assert report['reach'] == pytest.approx(0.04)
    assert report['reasons'] == {'kept': 3, 'above_hull': 1, 'duplicate': 0, 'unreliable': 0}


def test_the_error_of_a_potential_is_that_of_low_energies_it_has_not_seen():
    def bin_(above, n, rmse):
        return {'above': above, 'energy_validation': {'n': n, 'rmse': rmse}}

    training = {'energy': {'rmse': 0.001}, 'energy_rmse_validation': 0.1, 'energy_bins': []}
    assert energy_error(training) == 0.1
    training['energy_bins'] = [bin_(0.0, 6, 0.003), bin_(0.1, 6, 0.004), bin_(0.5, 90, 0.2)]
    assert energy_error(training) == pytest.approx(np.sqrt((0.003**2 + 0.004**2) / 2))
    training['energy_bins'] = training['energy_bins'][1:]  # too few
    assert energy_error(training) == 0.1
    assert energy_error({'energy': {'rmse': 0.001}}) == 0.001
