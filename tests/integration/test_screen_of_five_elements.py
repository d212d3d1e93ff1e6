"""A screen of five elements finds what brute force finds."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from fast_emt import relax_with_emt

from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.workchains.screen import MtpScreenWorkChain

ELEMENTS = ['Cu', 'Ni', 'Ag', 'Pt', 'Au']
EMT = {'calculator': 'emt', 'fmax': 0.005, 'smax': 0.0005}
NO_LEARNING = {'threshold_save': None, 'threshold_break': None}


@pytest.mark.slow
def test_five_elements(codes):
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        ELEMENTS,
        engine_code=codes['mtp-engine'],
        dft_code=codes['mtp-dft'],
        protocol='fast',
        overrides={
            'prototypes': {'fcc': 2, 'bcc': 2, 'hcp': 0, 'aflow': 0},
            'dft': {'settings': EMT},
            'final_settings': EMT,
            'final': {'afresh': False},
            'stage_1': {'level': 6, 'max_initial': 100, 'relax': NO_LEARNING},
            'stage_2': {'level': 6, 'relax': NO_LEARNING},
        },
    )
    _, screen = run_get_node(builder)
    assert screen.is_finished_ok, screen.exit_message
    candidates = screen.outputs.candidates.get_batch()
    assert len(candidates) > 50
    truth = relax_with_emt(candidates, EMT['fmax'], EMT['smax'])
    truth = StructureBatch.concatenate([screen.outputs.references.get_batch(), truth])
    stable = hull_of(truth).stable
    expected = {
        truth.formulas[row]: truth.energies_per_atom[row]
        for row in stable
        if np.count_nonzero(truth.compositions[row]) > 1
    }
    assert len(expected) > 3  # of ten binaries EMT orders some
    found = {p['formula']: p['energy_per_atom'] for p in screen.outputs.stable['phases']}
    assert found.keys() - set(ELEMENTS) == expected.keys()
    for formula, energy in expected.items():
        assert found[formula] == pytest.approx(energy, abs=1e-3)
