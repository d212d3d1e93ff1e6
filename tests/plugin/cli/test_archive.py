"""``aiida-mtp screen archive``: elsewhere, the screen tells the same."""

import json

import pytest
from aiida.orm import Node, ProcessNode, QueryBuilder, load_node
from aiida.tools.archive import import_archive

from aiida_mtp.cli.report import report_data
from aiida_mtp.core.screening.report import report_html


def test_there_and_back(screen, invoke, aiida_profile, tmp_path):
    for process in QueryBuilder().append(ProcessNode).all(flat=True):
        process.seal()  # as the engine does
    before = report_html(report_data(screen))
    words = ('AlNi', '--screen', screen.uuid, '--json')
    fate = json.loads(invoke('why', *words).output)
    hull = screen.outputs.hull.uuid
    result = invoke('screen', 'archive', screen.pk, '-o', tmp_path / 'a.aiida')
    assert result.exit_code == 0, result.output
    assert f'aiida-mtp screen report {screen.uuid}' in result.output
    uuid = screen.uuid
    aiida_profile.reset_storage()
    assert not QueryBuilder().append(Node).count()
    import_archive(tmp_path / 'a.aiida')
    found = load_node(uuid)
    assert report_html(report_data(found)) == before
    assert found.outputs.hull.uuid == hull
    again = json.loads(invoke('why', *words).output)
    keys = ('structure_id', 'formula', 'final')
    assert {key: again[key] for key in keys} == {key: fate[key] for key in keys}


def test_what_runs_is_not_archived(code, graph, complaint, tmp_path):  # noqa: ARG001
    told = complaint('screen', 'archive', graph.screen.pk, '-o', tmp_path / 'a.aiida')
    assert told.endswith('archive it when it has ended, or kill it before')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['.', '/proc/a.aiida'])
def test_where_nothing_can_be_written(name, code, invoke):  # noqa: ARG001
    assert invoke('screen', 'archive', '-o', name).exit_code != 0
