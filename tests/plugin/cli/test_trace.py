"""From a structure of the hull back to everything it rests on."""

import html
import json

import numpy as np
import pytest

from aiida_mtp.cli.graph import MOST, write_graph
from aiida_mtp.cli.lineage import DATA, DFT, STRUCTURE, Step
from aiida_mtp.cli.trace import find_row, reduced, relaxation_of, trace
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData


def test_a_compound_leads_to_prototype_potentials_training_and_dft(screen):
    found = trace(screen, 'AlNi3')
    assert found.structure_id == 'toy-AlNi3'
    assert found.origin == 'toy lattice, decoration AlNi3'
    assert found.candidates.pk == screen.outputs.candidates.pk
    assert found.generation.process_label == 'MtpPrototypesCalculation'
    assert found.formation_energy == pytest.approx((-21.9 + 3.7 + 3 * 5.5) / 4)
    assert found.e_above_hull == pytest.approx(0.0, abs=1e-12)
    final = found.final
    assert final.process.outputs.structures.get_batch().index_of('toy-AlNi3') == 1
    assert final.code == 'mtp-dft@localhost'
    assert final.settings == 'abcdef0123456789'


def test_each_stage_names_the_potential_that_relaxed_and_what_taught_it(screen):
    first, second = trace(screen, 'AlNi').stages
    assert (first.stage, second.stage) == ('stage_1', 'stage_2')
    assert (first.potential.level, second.potential.level) == (8, 10)
    for stage in (first, second):
        assert stage.relaxation.inputs.potential.uuid == stage.potential.uuid
        assert stage.training.outputs.potential.uuid == stage.potential.uuid
        assert stage.training.inputs.structures.uuid == stage.training_set.uuid
        assert (stage.status, stage.grade) == ('converged', 1.5)
    assert [len(source.rows) for source in first.sources] == [3]
    assert [len(source.rows) for source in second.sources] == [3, 2]
    assert second.n_configurations == 5
    known = set(second.training_set.get_batch().columns['label_process'])
    assert {source.process.uuid for source in second.sources} == known
    assert all(s.process.process_type.endswith('mtp.dft') for s in second.sources)


def test_a_later_find_leads_to_the_job_that_found_it(screen, graph):
    """Of several sets with one structure, that counts which has its very energy."""
    found = screen.outputs.stage_2.structures.get_batch()
    caller = graph.chain('MtpFinalWorkChain', 'final')

    def relaxed(job, energy):
        energies = np.where(found.ids == 'toy-AlNi', energy, found.energies)
        node = StructureSetData.from_batch(found.replaced(energies=energies))
        return node, graph.job('relax', caller, job, {}, {'structures': node})

    parts = {
        'begun_0': relaxed('begun_0_1_0', -10.0),
        'begun_1': relaxed('begun_1_1_0', -11.0),
        'current_2': relaxed('current_1_0', -10.6),
    }
    lowest = parts['begun_1'][0].get_batch()
    find = lowest.take([lowest.index_of('toy-AlNi')])
    find = find.replaced(ids=np.array(['toy-AlNi@1'], dtype=object))
    whole = StructureBatch.concatenate([parts['current_2'][0].get_batch(), find])
    candidates = screen.outputs.stage_2.structures
    looked = StructureSetData.from_batch(whole)
    inputs = {'candidates': candidates, **{key: node for key, (node, _) in parts.items()}}
    graph.function('take_lower', caller, inputs, {'result': looked})
    newest = StructureSetData.from_batch(whole.take([0, 1]))
    graph.function('newest_predictions', caller, {}, {'result': newest})
    last = StructureSetData.from_batch(whole)
    inputs = {'candidates': candidates, 'looked': looked, 'newest': newest}
    graph.function('update_candidates', caller, inputs, {'result': last})
    for name, part, energy in (('toy-AlNi', 'current_2', -10.6), ('toy-AlNi@1', 'begun_1', -11.0)):
        job, batch, row = relaxation_of(last, name)
        assert job.uuid == parts[part][1].uuid
        assert batch.ids[row] == 'toy-AlNi'
        assert batch.energies[row] == energy
    assert relaxation_of(last, 'toy-unknown') is None


def test_a_find_that_an_earlier_find_was_led_to(screen, graph):
    """A candidate that DFT was asked about, and that is led elsewhere, has a new name there."""
    stage = screen.outputs.stage_2.structures
    batch = stage.get_batch()
    caller = graph.chain('MtpFinalWorkChain', 'final')
    row = batch.take([batch.index_of('toy-AlNi')])

    def named(name, energy):
        return row.replaced(ids=np.array([name], dtype=object), energies=np.array([energy]))

    earlier = [row, named('toy-AlNi@1', -12.0)]
    part = StructureSetData.from_batch(StructureBatch.concatenate(earlier))
    job = graph.job('relax', caller, 'current_2_0', {}, {'structures': part})
    after = [batch, named('toy-AlNi@1', -11.0), named('toy-AlNi@2', -12.0)]
    looked = StructureSetData.from_batch(StructureBatch.concatenate(after))
    inputs = {'candidates': stage, 'current_0': part}
    graph.function('take_lower', caller, inputs, {'result': looked})
    found, relaxed, place = relaxation_of(looked, 'toy-AlNi@2')
    assert found.uuid == job.uuid
    assert relaxed.ids[place] == 'toy-AlNi@1'
    assert relaxed.energies[place] == -12.0


def test_an_element_went_to_dft_at_once(screen):
    found = trace(screen, 'Al')
    assert found.structure_id == 'fcc:Al'
    assert found.stages == []
    assert found.candidates is None
    assert found.final.process.caller.process_label == 'MtpLabelWorkChain'


@pytest.mark.parametrize(
    ('name', 'formula'),
    [('Ni3Al', 'AlNi3'), ('NiAlNi2', 'AlNi3'), ('Al2Ni6', 'AlNi3'), ('NiAl', 'AlNi'), ('x!', 'x!')],
)
def test_a_formula_in_any_order(name, formula):
    assert reduced(name) == formula


def test_of_one_composition_the_lowest_is_meant(screen):
    hull = screen.outputs.hull.get_batch()
    row = hull.index_of('toy-AlNi')
    worse = hull.take([row]).with_columns(e_above_hull=[0.1])
    both = type(hull).concatenate([worse.replaced(ids=hull.ids[:1]), hull])
    assert find_row(both, 'NiAl') == row + 1


def test_an_unknown_formula_is_told_what_is_stable(screen):
    with pytest.raises(
        InputError, match=r'^AlNi7: not on this hull; stable are Al, AlNi, AlNi3, Ni$'
    ):
        trace(screen, 'AlNi7')


def test_a_label_without_its_process_is_told(screen):
    from aiida_mtp.cli.trace import sources_of

    hull = screen.outputs.hull.get_batch()
    lost = hull.with_columns(label_process=['12345678-0000-4000-8000-000000000000'] * len(hull))
    with pytest.raises(InputError, match=r'the process 12345678.* is not in this profile'):
        sources_of(lost)


def test_the_command_prints_the_chain(screen, invoke):
    result = invoke('trace', 'Ni3Al')
    assert result.exit_code == 0, result.output
    text = result.output
    found = trace(screen, 'AlNi3')
    nodes = [found.final.process, found.candidates, *(s.potential for s in found.stages)]
    nodes += [source.process for stage in found.stages for source in stage.sources]
    for node in nodes:
        assert f'<{node.pk}> {node.uuid[:8]}' in text
    assert 'toy lattice, decoration AlNi3' in text
    assert '5 configurations' in text
    assert 'toy-Al3Ni~2' not in text
    assert 'toy-Al3Ni~2' in invoke('trace', 'Ni3Al', '--all').output


def test_mistakes(graph, complaint):
    pk = graph.screen.pk
    assert complaint('trace', 'AlNi', '--screen', pk).startswith(f'screen {pk} has no hull yet')
    assert 'is no screen' in complaint('trace', 'AlNi', '--screen', graph.chain('X', 'x').pk)


# As a tree, for scripts, and as a picture


def walk(step):
    yield step
    for source in step['sources']:
        yield from walk(source)


def test_a_potential_leads_to_what_it_was_trained_on(screen, invoke):
    potential = screen.outputs.stage_2.potential
    for name in (potential.pk, potential.uuid):
        found = json.loads(invoke('trace', name, '--json').output)
        assert found['uuid'] == potential.uuid
        names = [one['name'] for one in walk(found)]
        assert names == [
            *('MtpPotentialData', 'MtpTrainCalculation', 'StructureSetData'),
            *('MtpDftCalculation', 'MtpDftCalculation'),
        ]
    assert found['facts']['energy_rmse'] == 0.004


def test_a_training_configuration_leads_to_its_dft(screen, invoke):
    batch = screen.outputs.stage_2.training_set.get_batch()
    found = json.loads(invoke('trace', 'toy-AlNi~0', '--json').output)
    assert found['role'] == 'training configuration'
    dft, learnt = found['sources']
    assert dft['uuid'] == batch.columns['label_process'][batch.index_of('toy-AlNi~0')]
    assert learnt['uuid'] == screen.outputs.stage_2.training_set.uuid


def test_a_set_tells_what_made_and_what_labelled_it(screen, invoke):
    text = invoke('trace', screen.outputs.stage_2.training_set.pk).output
    assert 'made by append_labels' in text
    assert text.count('labelled by MtpDftCalculation') == 2


def test_for_scripts_nothing_is_left_out(screen, invoke):
    found = json.loads(invoke('trace', 'AlNi3', '--json').output)
    assert found['facts']['e_above_hull'] == pytest.approx(0.0, abs=1e-12)
    roles = [one['role'] for one in found['sources']]
    assert roles == [
        *('relaxed with DFT by', 'Screen-2: relaxed by', 'Screen-1: relaxed by'),
        'began in',
    ]
    rows = [row for one in walk(found) for row in one['rows']]
    assert rows.count('toy-Al3Ni~2') == 2  # both potentials have learnt from it
    uuids = {one['uuid'] for one in walk(found)}
    assert screen.outputs.candidates.uuid in uuids


def test_a_picture_has_everything_once(screen, invoke, tmp_path):
    path = tmp_path / 'alni3.svg'
    assert invoke('trace', 'AlNi3', '-o', path).exit_code == 0
    text = html.unescape(path.read_text())
    found = trace(screen, 'AlNi3')
    nodes = [found.final.process, found.candidates, *(s.potential for s in found.stages)]
    nodes += [source.process for stage in found.stages for source in stage.sources]
    for node in nodes:
        assert text.count(f'<{node.pk}>') == 1
    first = path.read_bytes()
    invoke('trace', 'AlNi3', '-o', path)
    assert path.read_bytes() == first
    for suffix, magic in (('png', b'\x89PNG'), ('pdf', b'%PDF'), ('dot', b'digraph')):
        invoke('trace', 'AlNi3', '-o', tmp_path / f'a.{suffix}')
        assert (tmp_path / f'a.{suffix}').read_bytes().startswith(magic)


def test_many_runs_of_dft_are_one_box(tmp_path):
    runs = [Step('by', DFT, 'Dft', pk, f'u{pk}', {'configurations': 2}) for pk in range(MOST + 5)]
    learnt = Step('on', DATA, 'Set', 99, 'set', sources=tuple(runs))
    path = tmp_path / 'a.dot'
    write_graph(path, Step('structure', STRUCTURE, 'a "quoted" name', sources=(learnt,)))
    text = path.read_text()
    assert '5 more runs\\n10 configurations' in text
    assert 'a \\"quoted\\" name' in text
    assert text.count('->') == MOST + 2


def test_names_that_mean_nothing(screen, complaint, tmp_path):
    assert 'no node of this pk' in complaint('trace', 999999)
    assert 'neither a potential nor a set' in complaint('trace', screen.pk)
    assert 'known: .svg, .png, .pdf, .dot' in complaint('trace', 'AlNi3', '-o', tmp_path / 'a.bmp')
