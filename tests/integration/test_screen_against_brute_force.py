"""The screen finds the hull that DFT on every candidate would have found, and says how."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, QueryBuilder
from brute_force import Truth
from fast_emt import relax_with_emt

from aiida_mtp.cli.trace import trace
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.workchains.screen import MtpScreenWorkChain

SETTINGS = {'calculator': 'emt', 'fmax': 0.005, 'smax': 0.0005}


def run_screen(codes, elements):
    """Run a screen of small cells with EMT in the place of DFT."""
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        elements,
        engine_code=codes['mtp-engine'],
        dft_code=codes['mtp-dft'],
        protocol='fast',
        overrides={
            'prototypes': {'fcc': 4, 'bcc': 4, 'hcp': 2, 'aflow': 0},
            'dft': {'settings': SETTINGS},
            'final_settings': SETTINGS,
            'final': {'afresh': False},  # beside brute force test_recall begins afresh
            'stage_1': {'max_initial': 75, 'max_labels': 60},
            'stage_2': {'level': 12, 'max_labels': 100},
        },
    )
    _, screen = run_get_node(builder)
    assert screen.is_finished_ok, screen.exit_message
    return screen


def brute_force_hull(screen):
    """Relax every candidate of a screen with EMT and return the stable phases."""
    relaxed = relax_with_emt(screen.outputs.candidates.get_batch(), 0.005, 0.0005)
    assert set(relaxed.status) == {'done'}
    batch = StructureBatch.concatenate([screen.outputs.references.get_batch(), relaxed])
    return Truth(screen.outputs.candidates.get_batch(), batch, hull_of(batch)).stable


def stable(hull):
    """Return the stable phases: formula → formation energy (eV/atom)."""
    batch = hull.get_batch()
    on_hull = batch.columns['e_above_hull'] < 1e-6
    formulas = np.array(batch.formulas)[on_hull]
    return dict(zip(formulas, batch.columns['formation_energy'][on_hull], strict=True))


def dft_jobs():
    query = QueryBuilder().append(
        CalcJobNode, filters={'process_type': 'aiida.calculations:mtp.dft'}, project='*'
    )
    return query.all(flat=True)


def assert_hulls_agree(screen):
    found, expected = stable(screen.outputs.hull), brute_force_hull(screen)
    assert len(expected) > 3  # EMT orders the system
    assert found.keys() == expected.keys()
    for formula, energy in expected.items():
        # from the ideal prototype a relaxation can stay on a saddle that the screen has left
        assert -3e-3 < found[formula] - energy < 1e-3
    # ... with less DFT than brute force
    assert len(screen.outputs.hull) < len(screen.outputs.candidates)


def assert_every_output_has_a_creator(screen):
    outputs = [
        link
        for process in [screen, *screen.called_descendants]
        for link in process.base.links.get_outgoing().all()
        if link.link_type.value in {'create', 'return'}
    ]
    assert outputs
    orphans = [f'{link.link_label}<{link.node.pk}>' for link in outputs if not link.node.creator]
    assert not orphans


def assert_trace_is_whole(screen):
    compound = min(screen.outputs.stable['phases'], key=lambda phase: phase['formation_energy'])
    found = trace(screen, compound['formula'])
    assert found.structure_id == compound['id']
    assert found.final.process.process_type == 'aiida.calculations:mtp.dft'
    assert [learnt.stage for learnt in found.stages][:2] == ['stage_1', 'stage_2']
    made = {job.uuid for job in dft_jobs()}
    for learnt in found.stages:
        assert {source.process.uuid for source in learnt.sources} <= made
        assert sum(len(source.rows) for source in learnt.sources) == learnt.n_configurations


@pytest.mark.slow
def test_cu_pt_with_its_provenance_and_a_second_run_that_repeats_no_dft(codes):
    first = run_screen(codes, ['Cu', 'Pt'])
    assert_every_output_has_a_creator(first)
    assert_trace_is_whole(first)
    n_jobs = len(dft_jobs())
    second = run_screen(codes, ['Cu', 'Pt'])
    assert len(dft_jobs()) == n_jobs
    assert_trace_is_whole(second)
    assert stable(second.outputs.hull) == stable(first.outputs.hull)
    assert_hulls_agree(first)
