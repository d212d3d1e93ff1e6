"""The screen finds the hull that DFT on every candidate would have found, and says how."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import CalcJobNode, ProcessNode, QueryBuilder, Str

from aiida_mtp.calculations.screen_functions import build_hull
from aiida_mtp.workchains.label import MtpLabelWorkChain
from aiida_mtp.workchains.screen import MtpScreenWorkChain

SETTINGS = {'calculator': 'emt', 'fmax': 0.005, 'smax': 0.0005}


def screen_builder(codes, elements):
    return MtpScreenWorkChain.get_builder_from_protocol(
        elements,
        engine_code=codes['mtp-engine'],
        dft_code=codes['mtp-dft'],
        protocol='fast',
        overrides={
            'prototypes': {'fcc': 4, 'bcc': 4, 'hcp': 2, 'aflow': False},
            'dft': {'settings': SETTINGS},
            'final_settings': SETTINGS,
        },
    )


def brute_force_hull(screen, codes):
    """Relax every candidate of a screen with DFT and build the hull."""
    outputs, _ = run_get_node(
        MtpLabelWorkChain,
        structures=screen.outputs.candidates,
        task=Str('relax'),
        dft={'code': codes['mtp-dft'], 'settings': screen.inputs.final_settings},
    )
    return build_hull(references=screen.outputs.references, final=outputs['structures'])


def stable(hull):
    """Return the stable phases: formula → formation energy."""
    batch = hull.get_batch()
    on_hull = batch.columns['e_above_hull'] < 1e-6
    return dict(
        zip(
            np.array(batch.formulas)[on_hull],
            batch.columns['formation_energy'][on_hull],
            strict=True,
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize('elements', [['Cu', 'Pt'], ['Ni', 'Pt']], ids='-'.join)
def test_the_hull_is_that_of_brute_force(codes, elements):
    _, screen = run_get_node(screen_builder(codes, elements))
    assert screen.is_finished_ok, screen.exit_message
    found = stable(screen.outputs.hull)
    expected = stable(brute_force_hull(screen, codes))
    assert len(expected) > 3  # EMT orders both systems
    assert found.keys() == expected.keys()
    for formula, energy in expected.items():
        assert found[formula] == pytest.approx(energy, abs=1e-3)
    # ... for less DFT than brute force
    assert len(screen.outputs.hull) < len(screen.outputs.candidates) / 2


@pytest.mark.slow
def test_every_output_has_a_creator_and_a_second_run_repeats_no_dft(codes):
    builder = screen_builder(codes, ['Cu', 'Pt'])
    with enable_caching():
        _, first = run_get_node(builder)
        assert first.is_finished_ok, first.exit_message
        ran = dft_jobs()
        _, second = run_get_node(screen_builder(codes, ['Cu', 'Pt']))
    assert second.is_finished_ok
    assert_every_output_has_a_creator(first)
    again = [job for job in dft_jobs() if job.pk not in {job.pk for job in ran}]
    assert again, 'the second screen has DFT jobs of its own'
    assert all(job.base.caching.is_created_from_cache for job in again)
    assert stable(second.outputs.hull) == stable(first.outputs.hull)


def dft_jobs():
    query = QueryBuilder().append(
        CalcJobNode, filters={'process_type': {'like': '%mtp.dft%'}}, project='*'
    )
    return query.all(flat=True)


def assert_every_output_has_a_creator(process: ProcessNode) -> None:
    outputs = [
        link
        for called in [process, *process.called_descendants]
        for link in called.base.links.get_outgoing().all()
        if link.link_type.value in {'create', 'return'}
    ]
    assert outputs
    orphans = [f'{link.link_label}<{link.node.pk}>' for link in outputs if not link.node.creator]
    assert not orphans
