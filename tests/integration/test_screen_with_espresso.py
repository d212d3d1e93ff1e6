"""A screen of Al-Ni with Quantum ESPRESSO itself: nickel aluminide is stable."""

import pytest
from aiida.engine import run_get_node
from espresso_code import FAMILY, espresso_code

from aiida_mtp.cli.trace import trace
from aiida_mtp.workchains.screen import MtpScreenWorkChain

NO_LEARNING = {'threshold_save': None, 'threshold_break': None}  # DFT is what takes time
SETTINGS = {
    'pseudo_family': FAMILY,
    'k_spacing': 0.5,  # coarser, and the formation energy of AlNi is 0.2 eV off
    'smearing': 'gaussian',
    'smearing_width': 0.4,
    'fmax': 0.1,
    'smax': 0.02,
}
OVERRIDES = {
    'prototypes': {'fcc': 2, 'bcc': 2, 'hcp': 0, 'aflow': 0},
    'dft': {'settings': SETTINGS, 'options': {'withmpi': False}},
    'stage_1': {'level': 4, 'max_initial': 10, 'perturb': {'max_atoms': 2}, 'relax': NO_LEARNING},
    'stage_2': {'level': 4, 'relax': NO_LEARNING, 'retain': {'k': 1.0, 'sigma': 0.02}},
    'final': {'afresh': False},
}


@pytest.mark.slow
def test_al_ni(codes, aiida_localhost):
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        ['Al', 'Ni'],
        engine_code=codes['mtp-engine'],
        dft_code=espresso_code(aiida_localhost),
        protocol='fast',
        overrides=OVERRIDES,
    )
    _, screen = run_get_node(builder)
    assert screen.is_finished_ok, screen.exit_message
    phases = {phase['formula']: phase for phase in screen.outputs.stable['phases']}
    assert phases.keys() >= {'Al', 'Ni', 'AlNi'}
    assert -0.70 < phases['AlNi']['formation_energy'] < -0.55  # eV/atom; with dense k points -0.66
    chain = trace(screen, 'AlNi')
    assert chain.final.process.process_label == 'PwCalculation'
    for learnt in chain.stages:
        assert {s.process.process_label for s in learnt.sources} == {'PwCalculation'}
