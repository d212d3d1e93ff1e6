"""What a job left becomes nodes, or the exit code that says why not."""

import json

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.orm import CalcJobNode, FolderData, Str
from plugin.conftest import POTENTIAL

from aiida_mtp.core.dft.compute import Task
from aiida_mtp.core.dft.results import structure_hashes
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.files import write_structures
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.parsers.dft import MtpDftParser
from aiida_mtp.parsers.relax import MtpRelaxParser
from aiida_mtp.parsers.train import MtpTrainParser

pytestmark = pytest.mark.usefixtures('aiida_profile_clean')
EMT = DftSettings(calculator='emt')


@pytest.fixture
def parse(aiida_localhost, batch, tmp_path):
    """Parse the files in `tmp_path` as what a job on `batch` left."""

    def parse(parser, kind, stderr=''):
        node = CalcJobNode(computer=aiida_localhost, process_type=f'aiida.calculations:{kind}')
        node.set_option('resources', {'num_machines': 1, 'num_mpiprocs_per_machine': 1})
        node.set_option('scheduler_stderr', '_scheduler-stderr.txt')
        inputs = {'structures': StructureSetData.from_batch(batch), 'task': Str('static')}
        for label, value in inputs.items():
            node.base.links.add_incoming(value.store(), LinkType.INPUT_CALC, label)
        node.store()
        retrieved = FolderData()
        retrieved.base.repository.put_object_from_bytes(stderr.encode(), '_scheduler-stderr.txt')
        retrieved.base.links.add_incoming(node, LinkType.CREATE, 'retrieved')
        retrieved.store()
        found = parser(node)
        code = found.parse(retrieved_temporary_folder=str(tmp_path))
        return code, found.outputs

    return parse


def leave_relaxation(folder, batch):
    write_structures(folder / 'output.parquet', batch)
    write_structures(folder / 'candidates.parquet', batch.take([1]))
    (folder / 'report.json').write_text('{"n_structures": 3}')


def test_relaxation(parse, batch, tmp_path):
    leave_relaxation(tmp_path, batch)
    code, outputs = parse(MtpRelaxParser, 'mtp.relax')
    assert code is None
    assert len(outputs['structures']) == 3
    assert outputs['candidates'].get_batch().ids.tolist() == ['b2']
    assert outputs['report'].get_dict() == {'n_structures': 3}


def test_a_relaxation_whose_time_was_up(parse, batch, tmp_path):
    status = np.array(['converged', 'unfinished', 'unfinished'], dtype=object)
    leave_relaxation(tmp_path, batch.replaced(status=status))
    code, outputs = parse(MtpRelaxParser, 'mtp.relax')
    assert code.status == 401
    assert '2 of 3' in code.message
    assert code.invalidates_cache
    assert outputs['structures'].status_counts == {'converged': 1, 'unfinished': 2}
    assert {'candidates', 'report'} <= set(outputs)


def test_training(parse, tmp_path):
    (tmp_path / 'trained.almtp').write_bytes(POTENTIAL.read_bytes())
    report = {'n_structures': 3, 'energy': {'rmse': 0.1, 'mae': 0.1, 'max': 0.2}}
    (tmp_path / 'report.json').write_text(json.dumps(report))
    code, outputs = parse(MtpTrainParser, 'mtp.train')
    assert code is None
    assert outputs['potential'].level == 10
    assert outputs['potential'].errors['energy_rmse'] == 0.1


def test_a_mistake_of_the_user_is_told_in_the_words_of_the_executable(parse):
    told = 'a warning\nmtp-engine: error: pot.mtp: species Ag is missing\n'
    code, outputs = parse(MtpRelaxParser, 'mtp.relax', told)
    assert code.status == 210
    assert code.message == 'The input was refused: pot.mtp: species Ag is missing'
    assert code.invalidates_cache
    assert not outputs


@pytest.mark.parametrize(
    'told',
    [
        'slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-23T18:00:00 DUE TO TIME LIMIT ***',
        'mtp-engine: failure: output.parquet: No space left on device',
    ],
)
def test_what_the_machine_did_is_no_mistake_of_the_user(parse, told):
    code, _ = parse(MtpRelaxParser, 'mtp.relax', f'{told}\n')
    assert code.status == 302
    assert code.message == f'The job left no output.parquet: {told}'


@pytest.mark.parametrize('name', ['output.parquet', 'candidates.parquet', 'report.json'])
def test_a_file_is_missing(parse, batch, tmp_path, name):
    leave_relaxation(tmp_path, batch)
    (tmp_path / name).unlink()
    code, _ = parse(MtpRelaxParser, 'mtp.relax', 'Killed\n')
    assert code.status == 302
    assert code.message == f'The job left no {name}: Killed'


@pytest.mark.parametrize('name', ['output.parquet', 'candidates.parquet', 'report.json'])
def test_half_a_file(parse, batch, tmp_path, name):
    leave_relaxation(tmp_path, batch)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    code, _ = parse(MtpRelaxParser, 'mtp.relax')
    assert code.status == 303
    assert code.invalidates_cache


def test_a_structure_is_missing(parse, batch, tmp_path):
    leave_relaxation(tmp_path, batch)
    write_structures(tmp_path / 'output.parquet', batch.take([0, 1]))
    code, outputs = parse(MtpRelaxParser, 'mtp.relax')
    assert code.status == 303
    assert '2 structures, not 3' in code.message
    assert not outputs


def leave_results(folder, batch, rows):
    """Leave the files of those rows, as a job does that is killed later."""
    task = Task.make('static', EMT)
    for row in rows:
        found = {
            'status': 'done',
            'message': '',
            'energy': float(row),
            'forces': np.zeros((int(batch.n_atoms[row]), 3)).tolist(),
            'stress': [0.0] * 6,
            'positions': batch.positions[batch.atoms_of(row)].tolist(),
            'cell': batch.cells[row].tolist(),
            'seconds': 1.0,
        }
        result = task.result(structure_hashes(batch)[row], **found)
        result.write(folder / 'results', 'static')


def test_half_an_output_file_of_dft_costs_nothing(parse, batch, tmp_path):
    (tmp_path / 'results').mkdir()
    leave_results(tmp_path, batch, [0, 1, 2])
    write_structures(tmp_path / 'output.parquet', batch)
    content = (tmp_path / 'output.parquet').read_bytes()
    (tmp_path / 'output.parquet').write_bytes(content[: len(content) // 2])
    code, outputs = parse(MtpDftParser, 'mtp.dft')
    assert code is None
    assert outputs['structures'].get_batch().energies.tolist() == [0.0, 1.0, 2.0]


def test_what_a_stopped_dft_job_had_finished_is_kept(parse, batch, tmp_path):
    (tmp_path / 'results').mkdir()
    leave_results(tmp_path, batch, [1])
    code, outputs = parse(MtpDftParser, 'mtp.dft')
    assert code.status == 401
    assert '2 of 3' in code.message
    assert code.invalidates_cache
    found = outputs['structures'].get_batch()
    assert found.status.tolist() == ['unfinished', 'done', 'unfinished']
    assert found.energies[1] == 1.0
    assert np.isnan(found.energies[[0, 2]]).all()


def test_a_dft_job_that_finished_nothing(parse, tmp_path):
    (tmp_path / 'results').mkdir()
    code, outputs = parse(MtpDftParser, 'mtp.dft', 'mtp-dft: error: calculator gpaw is missing\n')
    assert code.status == 210
    assert 'calculator gpaw is missing' in code.message
    assert not outputs


def test_a_dft_job_that_is_whole(parse, batch, tmp_path):
    write_structures(tmp_path / 'output.parquet', batch)
    code, outputs = parse(MtpDftParser, 'mtp.dft')
    assert code is None
    expected = {'n_structures': 3, 'status': {'done': 2, 'failed': 1}}
    assert outputs['report'].get_dict() == expected
