"""From a structure of the hull back to everything it rests on."""

import pytest

from aiida_mtp.cli.trace import find_row, reduced, trace
from aiida_mtp.core.errors import InputError


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
        assert f'<{node.pk}> {node.uuid}' in text
    assert 'toy lattice, decoration AlNi3' in text
    assert '5 configurations' in text
    assert 'toy-Al3Ni~2' not in text
    assert 'toy-Al3Ni~2' in invoke('trace', 'Ni3Al', '--all').output


def test_mistakes(graph, complaint):
    pk = graph.screen.pk
    assert complaint('trace', 'AlNi', '--screen', pk).startswith(f'screen {pk} has no hull yet')
    assert 'is no screen' in complaint('trace', 'AlNi', '--screen', graph.chain('X', 'x').pk)
