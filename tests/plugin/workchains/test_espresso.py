"""Quantum ESPRESSO itself behind the work chains of aiida-quantumespresso."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, Dict, Str, load_node
from ase import Atoms
from ase.build import bulk
from ase.units import Rydberg
from espresso_code import FAMILY, espresso_code

from aiida_mtp.core.dft.espresso_settings import EspressoSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.label import MtpLabelWorkChain

SETTINGS = {
    'pseudo_family': FAMILY,
    'k_spacing': 0.6,
    'smearing': 'gaussian',
    'smearing_width': 0.3,
}


@pytest.fixture
def pw(aiida_profile_clean, aiida_localhost):  # noqa: ARG001 - empty it
    return espresso_code(aiida_localhost)


def label(pw, crystals, task='static', species=('Al',), **settings):
    batch = StructureBatch.from_ase(
        crystals, species=species, ids=[f's{i}' for i in range(len(crystals))]
    )
    dft = {
        'code': pw,
        'backend': Str('espresso'),
        'settings': Dict({**SETTINGS, **settings}),
        'options': {'withmpi': False},
    }
    structures = StructureSetData.from_batch(batch)
    return run_get_node(MtpLabelWorkChain, structures=structures, task=Str(task), dft=dft)


def aluminium():
    """Two atoms, strained and off their sites."""
    atoms = bulk('Al', a=4.0) * (1, 1, 2)
    atoms.rattle(0.1, seed=3)
    return atoms


@pytest.mark.slow
def test_forces_and_stress_are_slopes_of_the_energy(pw):
    """Units and signs, by finite differences of what comes out."""
    start, step, strain = aluminium(), 0.02, 0.01
    crystals = [start]
    for sign in (1, -1):
        moved = start.copy()
        moved.positions[1, 0] += sign * step
        swollen = start.copy()
        swollen.set_cell(start.cell.array * (1 + sign * strain), scale_atoms=True)
        crystals += [moved, swollen]
    outputs, node = label(pw, crystals, cutoff=30 * Rydberg, density_cutoff=120 * Rydberg)
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['done'] * 5
    energy = found.energies
    force = -(energy[1] - energy[3]) / (2 * step)
    assert found.forces[found.atoms_of(0)][1, 0] == pytest.approx(force, abs=0.02)
    pressure = -(energy[2] - energy[4]) / (6 * strain * start.get_volume())
    assert -found.stresses[0][:3].mean() == pytest.approx(pressure, abs=0.01)
    assert len(set(found.columns['label_settings'])) == 1
    for uuid in found.columns['label_process']:
        process = load_node(uuid)
        assert isinstance(process, CalcJobNode)
        assert process.process_label == 'PwCalculation'


@pytest.mark.slow
def test_relaxation_and_order_of_atoms(pw):
    """Atoms of two elements in turn; the code has them sorted."""
    start = bulk('NiAl', 'cesiumchloride', a=2.95)
    assert list(start.symbols) == ['Ni', 'Al']
    limits = {'fmax': 0.05, 'smax': 0.01, 'restarts': 4}
    outputs, node = label(pw, [start], 'relax', ('Al', 'Ni'), **limits)
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['done'], found.columns['message']
    relaxed = found.to_ase(0)
    assert list(relaxed.symbols) == ['Ni', 'Al']
    assert 23.5 < relaxed.get_volume() < 24.5  # 2.885 Å
    assert np.abs(found.stresses[0]).max() < 0.012
    cutoff = load_node(found.columns['label_process'][0]).inputs.parameters['SYSTEM']['ecutwfc']
    assert cutoff == pytest.approx(35.0)


@pytest.mark.slow
def test_magnetic_states(pw):
    nickel = bulk('Ni', a=3.5) * (1, 1, 2)
    outputs, node = label(pw, [nickel], species=('Ni',), spin='lowest', smearing_width=0.1)
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['done'], found.columns['message']
    states = json.loads(found.columns['magnetic_states'][0])
    assert set(states) == {'ferromagnetic', 'antiferromagnetic', 'none'}
    assert found.columns['magnetic_state'][0] == 'ferromagnetic'
    assert 0.5 < found.columns['magnetic_moment'][0] < 2.0
    inputs = load_node(found.columns['label_process'][0]).inputs
    assert inputs.parameters['SYSTEM']['nspin'] == 2
    kinds = [
        sorted(run.inputs.structure.get_kind_names())
        for run in node.called_descendants
        if run.process_label == 'PwCalculation'
    ]
    assert ['Ni1', 'Ni2'] in kinds  # up and down


def test_what_cannot_be_computed_is_set_aside(pw):
    loop = {'ELECTRONS': {'electron_maxstep': 1, 'mixing_beta': 0.01}}
    outputs, node = label(pw, [bulk('Al')], namelists=loop)
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert list(found.status) == ['failed']
    assert found.columns['message'][0].startswith('PwBaseWorkChain: ')


def test_one_that_crashes_keeps_the_others(pw):
    twins = Atoms('Al2', positions=[[0, 0, 0], [0, 0, 0]], cell=[4, 4, 4], pbc=True)
    outputs, node = label(pw, [twins, bulk('Al')])
    assert node.is_finished_ok, node.exit_message
    found = outputs['structures'].get_batch()
    assert found.status[0] != 'done'
    assert found.columns['message'][0]
    assert found.status[1] == 'done'


@pytest.mark.parametrize(
    ('settings', 'told'),
    [
        ({}, 'pseudo_family is missing'),
        ({'pseudo_family': 'A', 'smearing': 'cool'}, "smearing='cool': one of marzari"),
        ({'pseudo_family': 'A', 'cutof': 300}, 'unknown Quantum ESPRESSO setting cutof'),
        ({'pseudo_family': 'A', 'cutoff': -1}, 'cutoff=-1: it must be positive'),
        ({'pseudo_family': 'A', 'namelists': {'SYSTEM': {'nspin': 2}}}, 'SYSTEM.nspin follows'),
        ({'pseudo_family': 'A', 'namelists': {'system': {}}}, 'namelists: system; it must have'),
    ],
)
def test_bad_settings_are_named(settings, told):
    with pytest.raises(InputError, match=told):
        EspressoSettings.from_mapping(settings)


def test_pseudopotentials_that_are_not_there(pw):
    with pytest.raises(ValueError, match=r'PBE_99.: AiiDA has no such family'):
        label(pw, [bulk('Al')], pseudo_family='PBE_99')
