"""What jobs are given: files, one command line, and nothing that makes no sense."""

import json
from pathlib import Path

import pytest
from aiida.common.folders import SandboxFolder
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.orm import Float, InstalledCode, Int
from aiida.plugins import CalculationFactory
from plugin.conftest import NAMES, POTENTIAL

from aiida_mtp.calculations.relax import stop_after
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData

pytestmark = pytest.mark.usefixtures('aiida_profile_clean')
CORES = {'num_machines': 1, 'num_mpiprocs_per_machine': 1, 'num_cores_per_mpiproc': 4}


@pytest.fixture
def prepare(aiida_localhost, tmp_path):
    """Return files and command line of a job."""
    code = InstalledCode(
        label='any', computer=aiida_localhost, filepath_executable='/bin/true'
    ).store()

    def prepare(kind, **inputs):
        builder = CalculationFactory(kind).get_builder()
        builder.code = code
        builder.metadata.options.resources = CORES
        for name, value in inputs.items():
            setattr(builder, name, value)
        process = instantiate_process(get_manager().get_runner(), builder)
        with SandboxFolder(tmp_path) as folder:
            info = process.prepare_for_submission(folder)
            files = {name: folder.get_abs_path(name) for name in folder.get_content_list()}
            settings = json.loads(Path(files['settings.json']).read_text())
        return sorted(files), ' '.join(info.codes_info[0].cmdline_params), settings, info

    return prepare


@pytest.fixture
def potential():
    return MtpPotentialData.from_file(POTENTIAL, species=NAMES)


def test_relaxation(prepare, batch, potential):
    structures = StructureSetData.from_batch(batch)
    files, words, settings, info = prepare(
        'mtp.relax', structures=structures, potential=potential, parameters={'fmax': 0.002}
    )
    assert files == ['potential.mtp', 'settings.json', 'structures.parquet']
    assert settings == {'fmax': 0.002}
    assert words == (
        'relax potential.mtp structures.parquet -o output.parquet --candidates candidates.parquet'
        ' --settings settings.json --report report.json --threads 4'
    )
    assert info.retrieve_temporary_list == ['output.parquet', 'candidates.parquet', 'report.json']
    assert not info.retrieve_list


def test_a_relaxation_stops_before_its_wall_time(prepare, batch, potential):
    structures = StructureSetData.from_batch(batch)
    options = {'resources': CORES, 'max_wallclock_seconds': 3600}
    inputs = {'structures': structures, 'potential': potential}
    _, words, _, _ = prepare('mtp.relax', metadata={'options': options}, **inputs)
    assert words.endswith(' --threads 4 --stop-after 3420')


@pytest.mark.parametrize(
    ('wallclock', 'seconds'), [(86400, 82080), (1200, 1140), (300, 270), (60, 30), (20, 10)]
)
def test_the_margin_is_neither_too_short_nor_the_whole_time(wallclock, seconds):
    assert stop_after(wallclock) == seconds


def test_training_from_the_start_and_from_a_potential(prepare, batch, potential):
    structures = StructureSetData.from_batch(batch)
    new = {'level': Int(8), 'cutoff': Float(5.0)}
    _, words, _, _ = prepare('mtp.train', structures=structures, **new)
    assert words.startswith('train training.parquet -o trained.almtp --level 8 --species Al Ni')
    _, words, _, _ = prepare('mtp.train', structures=structures, potential=potential)
    assert '--init potential.mtp' in words
    for inputs in ({}, {**new, 'potential': potential}, {'level': Int(8)}):
        with pytest.raises(ValueError, match='level and cutoff'):
            prepare('mtp.train', structures=structures, **inputs)


def test_dft(prepare, batch):
    structures = StructureSetData.from_batch(batch)
    emt = {'calculator': 'emt'}
    files, words, settings, info = prepare('mtp.dft', structures=structures, parameters=emt)
    assert files == ['settings.json', 'structures.parquet']
    assert settings == emt
    assert words == (
        'static structures.parquet settings.json -o output.parquet --results results --processes 4'
    )
    assert info.retrieve_temporary_list == ['output.parquet', 'results']


@pytest.mark.parametrize(
    ('kind', 'inputs', 'told'),
    [
        ('mtp.relax', {'parameters': {'fmaxx': 1}}, 'unknown relaxation setting fmaxx'),
        ('mtp.relax', {'parameters': {'fmax': -1}}, 'fmax=-1'),
        ('mtp.dft', {'parameters': {'calculator': 'gpow'}}, "calculator='gpow'"),
        ('mtp.dft', {'parameters': {'calculator': 'emt'}, 'task': 'relaxx'}, 'static or relax'),
    ],
)
def test_settings_are_judged_before_anything_runs(prepare, batch, potential, kind, inputs, told):
    inputs = {**inputs, 'structures': StructureSetData.from_batch(batch)}
    if kind == 'mtp.relax':
        inputs['potential'] = potential
    with pytest.raises(ValueError, match=told):
        prepare(kind, **inputs)


def test_an_empty_set_is_refused(prepare, batch, potential):
    empty = StructureSetData.from_batch(batch.take([]))
    with pytest.raises(ValueError, match='the set of structures is empty'):
        prepare('mtp.relax', structures=empty, potential=potential)


@pytest.mark.parametrize('kind', ['mtp.relax', 'mtp.dft'])
def test_a_queue_alone_needs_no_resources(kind):
    builder = CalculationFactory(kind).get_builder()
    builder.metadata.options = {'queue_name': 'long'}
    assert builder.metadata.options.queue_name == 'long'
