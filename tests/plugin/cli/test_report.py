"""The report of a screen as the provenance graph keeps it."""

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.orm import Dict, Int, List, WorkChainNode
from ase.build import bulk

from aiida_mtp.cli.report import report_data
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.report import report_html
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData

pytestmark = pytest.mark.usefixtures('aiida_profile_clean')
TRAINED = {'n_structures': 60, 'energy': {'rmse': 0.01}, 'energy_rmse_validation': None}


def structure_set(status, **columns):
    atoms = [bulk('Al'), bulk('Ni'), bulk('NiAl', 'cesiumchloride', a=2.9)]
    batch = StructureBatch.from_ase(
        atoms,
        species=('Al', 'Ni'),
        energies=[-3.7, -5.5, -3.7 - 5.5 - 1.32],
        ids=['fcc-1-1:Al', 'fcc-1-2:Ni', 'bcc-2-1:AlNi'],
        status=[status] * 3,
    )
    return batch.with_columns(**columns)


def linked(process, label, node, link):
    if not node.is_stored:
        node.store()
    if link == LinkType.INPUT_WORK:
        process.base.links.add_incoming(node, link_type=link, link_label=label)
    else:
        node.base.links.add_incoming(process, link_type=link, link_label=label)


@pytest.fixture
def screen():
    """A finished screen, without the processes in between."""
    node = WorkChainNode()
    inputs = {
        'elements': List(['Al', 'Ni']),
        'prototypes': Dict({'fcc': 4, 'aflow': False}),
        'dft__settings': Dict({'calculator': 'gpaw', 'cutoff': 400.0}),
        'stage_1__level': Int(8),
        'stage_1__relax': Dict({'fmax': 1e-3}),
    }
    for label, value in inputs.items():
        linked(node, label, value, LinkType.INPUT_WORK)
    node.base.attributes.set('version', {'core': '2.9.4', 'plugin': '0.1.0'})
    node.store()
    done = structure_set('done')
    found = hull_of(done)
    done = done.with_columns(
        formation_energy=found.formation_energies,
        e_above_hull=found.e_above_hull,
        seconds=[10.0, 20.0, 30.0],
    )
    outputs = {
        'hull': StructureSetData.from_batch(done),
        'candidates': StructureSetData.from_batch(structure_set('new')),
        'stable': Dict({'phases': [{'formula': 'AlNi', 'formation_energy': -0.66}]}),
    }
    for stage in ('stage_1', 'stage_2'):
        labels = structure_set('done', seconds=[1.0, 2.0, np.nan])
        potential = MtpPotentialData.from_mtp(initial_model(4, ['Al', 'Ni'], 5.0, min_dist=2.0))
        potential.base.attributes.set('errors', {'energy_rmse_validation': 0.0123})
        outputs |= {
            f'{stage}__structures': StructureSetData.from_batch(structure_set('converged')),
            f'{stage}__training_set': StructureSetData.from_batch(labels),
            f'{stage}__potential': potential,
            f'{stage}__report': Dict(
                {'iterations': [{'iteration': 0, 'train': TRAINED}, {'iteration': 1}]}
            ),
            f'{stage}__retained_report': Dict(
                {'reasons': {'kept': 2, 'above_hull': 1}, 'sigma': 0.01, 'reach': 0.04}
            ),
        }
    for label, value in outputs.items():
        linked(node, label, value, LinkType.RETURN)
    return node


def test_what_the_graph_tells(screen):
    data = report_data(screen)
    assert data.elements == ('Al', 'Ni')
    assert (data.n_candidates, data.n_relaxed, data.n_labels) == (3, 3, 3)
    assert data.label_seconds == 3.0
    assert data.spent_seconds() == 63.0
    first, second = data.stages
    assert (first.name, second.name) == ('Screen-1', 'Screen-2')
    assert (first.n_structures, first.n_kept, first.n_iterations) == (3, 2, 2)
    assert first.statuses == {'converged': 3}
    assert first.errors == {'energy, structures left out': '12.3 meV/atom'}
    assert first.potential['level'] == '4'
    (step,) = first.learning
    assert (step.n_training, step.rmse) == (60, 0.01)
    assert np.isnan(step.rmse_validation)
    assert data.settings['Screen-1'] == {'level': '8', 'fmax': '0.001'}
    assert data.settings['DFT'] == {'calculator': 'gpaw', 'cutoff': '400'}
    assert data.published['AlNi'][0] == -0.66
    assert screen.uuid in data.provenance['screen']
    assert data.provenance['versions'] == 'core 2.9.4, plugin 0.1.0'
    assert data.commands[0][0] == f'aiida-mtp trace AlNi --screen {screen.uuid}'


def test_it_becomes_a_page(screen):
    html = report_html(report_data(screen))
    assert '<title>Al–Ni: stable phases</title>' in html
    assert '−660.0' in html
    assert f'process show {screen.uuid}' in html
