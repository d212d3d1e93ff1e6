"""A screen with VASP's stand-in behind aiida-vasp finds what it finds with EMT itself."""

import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, load_node
from standins.vasp_code import FAMILY, VaspStandIn

from aiida_mtp.cli.trace import trace
from aiida_mtp.workchains.screen import MtpScreenWorkChain

ELEMENTS = ['Cu', 'Pt']
NO_LEARNING = {'threshold_save': None, 'threshold_break': None}  # VASP's runs are what takes time
OVERRIDES = {
    'prototypes': {'fcc': 2, 'bcc': 2, 'hcp': 0, 'aflow': 0},
    'stage_1': {'level': 6, 'max_initial': 14, 'relax': NO_LEARNING},
    'stage_2': {'level': 6, 'relax': NO_LEARNING, 'retain': {'k': 2.0}},
    'final': {'rule': 'all_retained'},
}
VASP = {'potential_family': FAMILY, 'k_spacing': 0.5, 'fmax': 0.005}
EMT = {'calculator': 'emt', 'fmax': 0.005, 'smax': 0.0005}


def run_screen(codes, dft_code, backend, dft):
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        ELEMENTS,
        engine_code=codes['mtp-engine'],
        dft_code=dft_code,
        protocol='fast',
        backend=backend,
        overrides={**OVERRIDES, **dft},
    )
    _, screen = run_get_node(builder)
    assert screen.is_finished_ok, screen.exit_message
    return screen


def stable(screen):
    return {p['formula']: p['formation_energy'] for p in screen.outputs.stable['phases']}


@pytest.mark.slow
def test_cu_pt(codes, aiida_localhost, tmp_path):
    vasp = VaspStandIn(aiida_localhost, tmp_path, {'Cu': 295.4, 'Pt': 230.3})
    found = run_screen(
        codes, vasp.code, 'vasp', {'dft': {'settings': VASP, 'options': {'withmpi': False}}}
    )
    expected = run_screen(
        codes, codes['mtp-dft'], 'ase', {'dft': {'settings': EMT}, 'final_settings': EMT}
    )
    assert stable(found).keys() == stable(expected).keys()
    assert len(stable(found)) > 2
    assert 'final' not in found.outputs  # all that was retained is relaxed, nothing is in doubt
    assert len(found.outputs.hull) >= len(found.outputs.stage_2.retained)
    for formula, energy in stable(expected).items():
        assert stable(found)[formula] == pytest.approx(energy, abs=2e-3)
    compound = min(stable(found), key=stable(found).get)
    chain = trace(found, compound)
    assert chain.final.process.process_label == 'VaspCalculation'
    for learnt in chain.stages:
        assert {s.process.process_label for s in learnt.sources} == {'VaspCalculation'}
    for uuid in found.outputs.hull.get_batch().columns['label_process']:
        assert isinstance(load_node(uuid), CalcJobNode)
        kept = load_node(uuid).base.repository.list_object_names()
        assert 'INCAR' in kept
        assert 'POTCAR' not in kept  # the licence of VASP
