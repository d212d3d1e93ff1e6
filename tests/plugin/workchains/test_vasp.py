"""VASP's stand-in behind the real work chains of aiida-vasp."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, Dict, Str, load_node
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from standins.vasp_code import VaspStandIn

from aiida_mtp.core.dft.vasp_settings import VaspSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.label import MtpLabelWorkChain

SETTINGS = {'potential_family': 'TEST', 'k_spacing': 0.4, 'fmax': 0.005}


@pytest.fixture
def vasp(aiida_profile_clean, aiida_localhost, tmp_path):  # noqa: ARG001 - empty it
    """The stand-in as a code of AiiDA, and made-up potentials."""
    return VaspStandIn(aiida_localhost, tmp_path, {'Al': 240.3, 'Ni': 269.5})


def label(vasp, crystals, task='static', **settings):
    batch = StructureBatch.from_ase(
        crystals, species=('Al', 'Ni'), ids=[f's{i}' for i in range(len(crystals))]
    )
    dft = {
        'code': vasp.code,
        'backend': Str('vasp'),
        'settings': Dict({**SETTINGS, **settings}),
        'options': {'withmpi': False},
    }
    structures = StructureSetData.from_batch(batch)
    return run_get_node(MtpLabelWorkChain, structures=structures, task=Str(task), dft=dft)


def alternating():
    """Atoms of two species in turn, away from their sites: POSCAR has them in another order."""
    atoms = bulk('NiAl', 'cesiumchloride', a=2.95) * (2, 1, 1)
    atoms.rattle(0.05, seed=2)
    assert list(atoms.symbols) == ['Ni', 'Al', 'Ni', 'Al']
    return atoms


def test_single_points(vasp):
    crystals = [bulk('Ni'), alternating()]
    outputs, node = label(vasp, crystals)
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['done', 'done']
    for row, atoms in enumerate(crystals):
        atoms.calc = EMT()
        assert found.energies[row] == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
        forces = found.forces[found.atoms_of(row)]
        np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-6)
        np.testing.assert_allclose(found.stresses[row], atoms.get_stress(), atol=1e-7)
    assert len(set(found.columns['label_settings'])) == 1
    for uuid in found.columns['label_process']:
        process = load_node(uuid)
        assert isinstance(process, CalcJobNode)
        assert process.process_label == 'VaspCalculation'
        incar = process.inputs.parameters.get_dict()
        assert incar['encut'] == pytest.approx(1.3 * 269.5)  # that of the screen, also for Ni
    assert outputs['structures'].creator is not None


def test_relaxation(vasp):
    outputs, node = label(vasp, [alternating()], 'relax')
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['done']
    relaxed = found.to_ase(0)
    assert list(relaxed.symbols) == ['Ni', 'Al', 'Ni', 'Al']
    relaxed.calc = EMT()
    assert np.linalg.norm(relaxed.get_forces(), axis=1).max() < 0.01
    assert np.abs(relaxed.get_stress()).max() < 2e-3
    assert found.energies[0] == pytest.approx(relaxed.get_potential_energy(), abs=1e-6)


def test_a_handler_cures_what_does_not_converge(vasp):
    vasp.fail_with('electronic:1')
    outputs, node = label(vasp, [alternating()])
    assert node.is_finished_ok, node.exit_message
    assert list(outputs['structures'].get_batch().status) == ['done']
    runs = [n for n in node.called_descendants if n.process_label == 'VaspCalculation']
    assert len(runs) == 2


def test_a_file_cut_in_half_is_no_success(vasp):
    vasp.fail_with('truncated:100')
    _, node = label(vasp, [bulk('Ni')])
    assert node.exit_status == MtpLabelWorkChain.exit_codes.ERROR_NO_LABELS.status
    assert 'Missing critical output' in node.exit_message
    assert len(node.called) == 3 + 3 + 1  # three tries, each with its structure, and the reason


def test_one_that_fails_keeps_the_others(vasp):
    unknown = Atoms('Ni2', positions=[[0, 0, 0], [0, 0, 0.001]], cell=[3, 3, 3], pbc=True)
    outputs, node = label(vasp, [unknown, bulk('Al')])
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert found.status[1] == 'done'
    assert len(found) == 2


def test_what_does_not_converge_is_set_aside(vasp):
    vasp.fail_with('electronic:100')
    outputs, node = label(vasp, [bulk('Ni')])
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['failed']
    assert found.columns['message'][0].startswith('VaspWorkChain: ')


def test_a_run_stopped_at_its_walltime_is_done_again(vasp):
    vasp.fail_with('walltime:1')
    outputs, node = label(vasp, [alternating()])
    assert node.is_finished_ok, node.exit_message
    assert list(outputs['structures'].get_batch().status) == ['done']
    runs = [n for n in node.called_descendants if n.process_label == 'VaspCalculation']
    assert len(runs) == 2


def test_the_lowest_of_several_magnetic_states(vasp):
    """In the stand-in parallel moments are lowest."""
    outputs, node = label(vasp, [alternating(), bulk('Al')], spin='lowest')
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.columns['magnetic_state']) == ['ferromagnetic', 'none']
    assert found.columns['magnetic_moment'][0] == pytest.approx(1.6)
    assert found.columns['absolute_moment'][0] == pytest.approx(1.6)
    states = json.loads(found.columns['magnetic_states'][0])
    assert states['antiferromagnetic']['magnetic_moment'] == pytest.approx(0.0)
    assert states['antiferromagnetic']['absolute_moment'] == pytest.approx(1.6)
    energies = {state: states[state]['energy'] for state in states}
    assert energies['none'] - energies['antiferromagnetic'] == pytest.approx(0.03 * 1.6, abs=1e-6)
    assert found.energies[0] == pytest.approx(energies['ferromagnetic'])
    assert len(set(found.columns['label_settings'])) == 1
    incar = load_node(found.columns['label_process'][0]).inputs.parameters.get_dict()
    assert incar['magmom'] == '0 0 0.8 0.8'  # aluminium first, as in POSCAR


@pytest.mark.parametrize(
    ('settings', 'told'),
    [
        ({}, 'potential_family is missing'),
        ({'potential_family': 'A', 'smearing': 'cold'}, "smearing='cold': one of tetrahedron"),
        ({'potential_family': 'A', 'cutof': 300}, 'unknown VASP setting cutof'),
        ({'potential_family': 'A', 'cutoff': -1}, 'cutoff=-1: it must be positive'),
        ({'potential_family': 'A', 'incar': {'ENCUT': 400}}, 'ENCUT follows from the other'),
    ],
)
def test_bad_settings_are_named(settings, told):
    with pytest.raises(InputError, match=told):
        VaspSettings.from_mapping(settings)


def test_potentials_that_are_not_there(vasp):
    with pytest.raises(ValueError, match=r'PBE_99.: AiiDA has no such'):
        label(vasp, [bulk('Ni')], potential_family='PBE_99')
