"""A small screen in a database, and a way to call the command line."""

import numpy as np
import pytest
from aiida.orm import Computer, Dict, InstalledCode
from click.testing import CliRunner
from plugin.cli.small_screen import Graph, batch_of

from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.data.structures import StructureSetData


@pytest.fixture(scope='module')
def code(aiida_profile, tmp_path_factory):
    """A code in a database with nothing else, for all tests of a module."""
    aiida_profile.reset_storage()
    computer = Computer(
        label='localhost',
        hostname='localhost',
        transport_type='core.local',
        scheduler_type='core.direct',
        workdir=str(tmp_path_factory.mktemp('scratch')),
    ).store()
    computer.configure()
    return InstalledCode(
        label='mtp-dft',
        computer=computer,
        filepath_executable='/bin/true',
        default_calc_job_plugin='mtp.dft',
    ).store()


@pytest.fixture(scope='module')
def engine(code):
    """A code of the engine, on the same computer."""
    return InstalledCode(
        label='mtp-engine',
        computer=code.computer,
        filepath_executable='/bin/true',
        default_calc_job_plugin='mtp.relax',
    ).store()


@pytest.fixture
def graph(code):
    """A screen that has begun."""
    return Graph(code).start()


@pytest.fixture(scope='module')
def screen(code):
    """A screen that has found its hull: AlNi and AlNi3 are stable, Al3Ni is not."""
    graph = Graph(code).start()
    compounds = ['AlNi', 'AlNi3', 'Al3Ni']
    elements = ['Al', 'Ni']
    references = graph.chain('MtpLabelWorkChain', 'references')
    first, found = graph.label(references, 'dft_0_0', elements)
    candidates = StructureSetData.from_batch(batch_of(elements + compounds, 'new'))
    graph.job('prototypes', graph.screen, 'prototypes', {}, {'structures': candidates})
    learn = graph.chain('MtpLabelWorkChain', 'labels')
    jobs = [graph.label(learn, f'dft_{i}', rows)[0] for i, rows in enumerate((compounds, elements))]
    graph.stage('stage_1', elements + compounds, {jobs[0].uuid: compounds}, 8)
    trained_on = {jobs[0].uuid: compounds, jobs[1].uuid: elements}
    graph.stage('stage_2', elements + compounds, trained_on, 10)
    final = graph.chain('MtpLabelWorkChain', 'final')
    last, relaxed = graph.label(final, 'dft_0_0', compounds)
    batch = batch_of(
        elements + compounds,
        label_process=[first.uuid] * 2 + [last.uuid] * 3,
        seconds=[1.0, 2.0, 3.0, 4.0, 5.0],
    )
    ids = ['fcc:Al', 'fcc:Ni', *batch.ids[2:]]
    hull = hull_of(batch)
    batch = batch.replaced(ids=np.array(ids, dtype=object)).with_columns(
        formation_energy=hull.formation_energies, e_above_hull=hull.e_above_hull
    )
    node = StructureSetData.from_batch(batch)
    inputs = {'references': found, 'final': relaxed}
    graph.function('build_hull', graph.screen, inputs, {'result': node})
    phases = [
        {'formula': batch.formulas[row], 'formation_energy': float(hull.formation_energies[row])}
        for row in np.flatnonzero(hull.e_above_hull < 1e-6)
    ]
    stable = Dict({'phases': phases})
    graph.function('stable_phases', graph.screen, {'hull': node}, {'result': stable})
    for label, output in (
        ('hull', node),
        ('stable', stable),
        ('candidates', candidates),
        ('references', found),
    ):
        graph.returned(label, output)
    return graph.finish()


@pytest.fixture
def invoke(code):  # noqa: ARG001 - a database
    """Call ``aiida-mtp`` with some words and return what it answers."""
    from aiida_mtp.cli.root import cmd_root

    def call(*words):
        return CliRunner().invoke(cmd_root, [str(word) for word in words])

    return call


@pytest.fixture
def complaint(invoke):
    """Call ``aiida-mtp`` with something wrong and return the one line it answers."""

    def call(*words):
        result = invoke(*words)
        assert result.exit_code in {1, 2}, result.output
        lines = result.output.strip().splitlines()
        assert len(lines) == 1, result.output
        return lines[0].removeprefix('Error: ')

    return call
