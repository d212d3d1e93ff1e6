"""The recipes of the page on queries, on a screen."""

import runpy

import pytest
from aiida.orm import CalcJobNode
from pages import blocks
from plugin.cli.small_screen import batch_of

from aiida_mtp.data.structures import StructureSetData


@pytest.fixture(scope='module')
def found(screen, tmp_path_factory):
    """What all names of the page stand for in the end."""
    broken = batch_of(['AlNi'], 'failed', message=['SCF did not converge'])
    StructureSetData.from_batch(broken).store()
    path = tmp_path_factory.mktemp('recipes') / 'recipes.py'
    path.write_text('\n'.join(blocks('docs/howto/ask-the-database.md', 'python')))
    return runpy.run_path(str(path), {'SCREEN': screen.uuid})


def test_dft_behind_a_potential(found, screen):
    assert {run.process_label for run in found['runs']} == {'MtpDftCalculation'}
    assert all(isinstance(run, CalcJobNode) for run in found['runs'])
    assert found['learnt'] >= {screen.outputs.stage_1.potential.uuid}
    assert found['learnt'] <= {screen.outputs[f'stage_{i}'].potential.uuid for i in (1, 2)}


def test_structures_a_potential_relaxed(found):
    assert found['passed'] == {'toy-AlNi', 'toy-AlNi3', 'toy-Al3Ni'}


def test_cost(found):
    assert found['hours'] == pytest.approx(5 * 5.0 / 3600)


def test_potentials_and_screens(found, screen):
    assert [row[1] for row in found['table']] == [8, 10]
    assert found['screens'] == {screen.uuid}


def test_failures(found):
    assert found['reasons'] == {'toy-AlNi': 'SCF did not converge'}
