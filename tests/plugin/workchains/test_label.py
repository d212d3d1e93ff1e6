"""Labels through the real executable: what DFT cannot do never costs what it can."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Bool, Dict, InstalledCode, Int, Str
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.label import MtpLabelWorkChain

EMT_SETTINGS = {'calculator': 'emt', 'fmax': 0.01, 'smax': 0.001}


def crystals():
    """Three good ones and, the second, two atoms in one place."""
    alloy = bulk('NiAl', 'cesiumchloride', a=2.9)
    alloy.rattle(0.05, seed=1)
    poisoned = Atoms('Ni2', positions=[[0, 0, 0], [0, 0, 0]], cell=[3, 3, 3], pbc=True)
    return [bulk('Ni'), poisoned, alloy, bulk('Al')]


def structure_set(crystals):
    names = [f's{i}' for i in range(len(crystals))]
    return StructureSetData.from_batch(StructureBatch.from_ase(crystals, ids=names))


def label(code, structures, **inputs):
    dft = {'code': code, 'settings': Dict(EMT_SETTINGS), **inputs.pop('dft', {})}
    return run_get_node(MtpLabelWorkChain, structures=structures, dft=dft, **inputs)


def assert_label_of_emt(found, row, atoms):
    atoms = atoms.copy()
    atoms.calc = EMT()
    assert found.energies[row] == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
    assert np.allclose(found.forces[found.atoms_of(row)], atoms.get_forces(), atol=1e-8)


@pytest.mark.parametrize('rows_per_job', [2, 1])
def test_one_that_fails_keeps_the_others(codes, rows_per_job):
    given = crystals()
    dft = {'rows_per_job': Int(rows_per_job), 'max_jobs': 3}
    outputs, node = label(codes['mtp-dft'], structure_set(given), dft=dft)
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.ids) == ['s0', 's1', 's2', 's3']
    assert list(found.status) == ['done', 'failed', 'done', 'done']
    assert found.columns['message'][1]
    processes = set(found.columns['label_process']) - {''}
    jobs = [job for job in node.called if job.process_label == 'MtpDftCalculation']
    assert processes <= {job.uuid for job in jobs}
    sizes = {
        job.base.attributes.get('metadata_inputs')['metadata']['call_link_label']: len(
            job.inputs.structures.get_batch().positions
        )
        for job in jobs
    }
    of_one = {'dft_0_0': 2, 'dft_0_1': 2, 'dft_0_2': 1, 'dft_1_0': 1}  # three at once, large first
    assert sizes == {2: {'dft_0_0': 3, 'dft_0_1': 3}, 1: of_one}[rows_per_job]
    for row in (0, 2, 3):
        assert_label_of_emt(found, row, given[row])


def test_a_job_that_is_refused_keeps_the_other_jobs(codes):
    """EMT does not know iron: that job has no output at all."""
    given = [bulk('Ni'), bulk('Fe')]
    outputs, node = label(codes['mtp-dft'], structure_set(given), dft={'rows_per_job': Int(1)})
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['done', 'unfinished']
    assert 'emt does not know Fe' in found.columns['message'][1]
    assert_label_of_emt(found, 0, given[0])


def test_relaxation_keeps_ids_and_lowers_the_energy(codes):
    stretched = bulk('Ni', a=3.7)
    outputs, node = label(codes['mtp-dft'], structure_set([stretched]), task=Str('relax'))
    assert node.is_finished_ok
    found = outputs['structures'].get_batch()
    assert list(found.ids) == ['s0']
    stretched.calc = EMT()
    assert found.energies[0] < stretched.get_potential_energy()
    assert found.to_ase(0).get_volume() < stretched.get_volume()


def test_a_code_that_does_not_answer(codes, aiida_localhost):
    dead = InstalledCode(
        label='dead', computer=aiida_localhost, filepath_executable='/bin/false'
    ).store()
    outputs, node = label(dead, structure_set([bulk('Ni')]))
    assert codes['mtp-dft'].pk != dead.pk
    assert not outputs
    assert node.exit_status == MtpLabelWorkChain.exit_codes.ERROR_NO_LABELS.status
    assert node.exit_message.startswith('DFT gave no result at all: MtpDftCalculation<')
    assert '\n' not in node.exit_message


def test_an_empty_set(codes):
    empty = StructureSetData.from_batch(StructureBatch.empty(('Ni',)))
    _, node = label(codes['mtp-dft'], empty)
    assert node.exit_status == MtpLabelWorkChain.exit_codes.ERROR_NO_STRUCTURES.status


@pytest.mark.parametrize(
    ('dft', 'told'),
    [
        ({'settings': {'calculator': 'nothing'}}, 'nothing'),
        ({'backend': 'castep'}, 'there are ase'),
    ],
)
def test_wrong_inputs_start_nothing(codes, dft, told):
    with pytest.raises(ValueError, match=told):
        label(codes['mtp-dft'], structure_set([bulk('Ni')]), dft=dft)


def dft_jobs(node):
    return [job for job in node.called if job.process_label == 'MtpDftCalculation']


@pytest.mark.parametrize('task', ['static', 'relax'])
def test_what_was_labelled_before_is_taken_from_there(codes, task):
    """Whatever it is called now; what is new, or failed, is computed."""
    given = crystals()
    first, before = label(codes['mtp-dft'], structure_set(given), task=Str(task))
    batch = StructureBatch.from_ase([bulk('Cu'), *given[:3]], ids=['new', 'a', 'b', 'c'])
    wanted = StructureSetData.from_batch(batch)
    second, node = label(codes['mtp-dft'], wanted, task=Str(task))
    assert node.is_finished_ok, node.exit_message
    assert [list(job.inputs.structures.get_batch().ids) for job in dft_jobs(node)] == [['new', 'b']]
    was, found = (outputs['structures'].get_batch() for outputs in (first, second))
    assert list(found.ids) == ['new', 'a', 'b', 'c']
    assert list(found.status) == ['done', 'done', 'failed', 'done']
    assert found.energies[[1, 3]].tolist() == was.energies[[0, 2]].tolist()
    np.testing.assert_array_equal(found.to_ase(3).positions, was.to_ase(2).positions)
    processes = found.columns['label_process']
    assert processes[1] == processes[3] == dft_jobs(before)[0].uuid
    assert processes[0] == dft_jobs(node)[0].uuid
    assert_every_row_is_a_result_of(second['structures'], first['structures'])


def assert_every_row_is_a_result_of(structures, earlier):
    inputs = structures.creator.inputs
    makers = [inputs[name].creator for name in inputs if name.startswith('labels_')]
    taken = [maker for maker in makers if maker.process_label == 'known_labels']
    assert [maker.inputs.labels.pk for maker in taken] == [earlier.pk]


def test_nothing_is_taken_from_other_settings_or_if_not_wanted(codes):
    given = structure_set([bulk('Ni')])
    label(codes['mtp-dft'], given)
    for dft in ({'settings': Dict({'calculator': 'emt'})}, {'reuse': Bool(value=False)}):
        _, node = label(codes['mtp-dft'], given, dft=dft)
        assert len(dft_jobs(node)) == 1
    _, node = label(codes['mtp-dft'], given)
    assert not dft_jobs(node)


def test_what_another_system_knew_brings_none_of_its_species(codes):
    """Pt of Cu-Pt, in a screen of Ni-Pt: there is no Cu in it."""
    label(codes['mtp-dft'], structure_set([bulk('Cu'), bulk('Pt')]))
    outputs, node = label(codes['mtp-dft'], structure_set([bulk('Ni'), bulk('Pt')]))
    assert node.is_finished_ok, node.exit_message
    assert [len(job.inputs.structures) for job in dft_jobs(node)] == [1]
    assert outputs['structures'].species == ['Ni', 'Pt']


def test_settings_that_were_imported_are_recognised(codes):
    given = structure_set([bulk('Pt')])
    label(codes['mtp-dft'], given)
    settings = Dict(EMT_SETTINGS).store()
    settings.base.caching.clear_hash()  # an archive keeps none
    _, node = label(codes['mtp-dft'], given, dft={'settings': settings})
    assert not dft_jobs(node)
