"""A small screen, as the database keeps one."""

from dataclasses import dataclass, field

import numpy as np
from aiida.common.links import LinkType
from aiida.orm import ArrayData, CalcFunctionNode, CalcJobNode, Dict, Int, List, WorkChainNode
from aiida.orm.nodes.process.process import ProcessState
from ase.build import bulk

from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData

ENERGIES = {'Al': -3.7, 'Ni': -5.5, 'AlNi': -10.5, 'AlNi3': -21.9, 'Al3Ni': -16.9}
SETTINGS = 'abcdef0123456789'


def crystal(formula):
    """Return one structure of the toy system."""
    if formula in {'Al', 'Ni'}:
        return bulk(formula)
    if formula == 'AlNi':
        return bulk('NiAl', 'cesiumchloride', a=2.9)
    atoms = bulk('Ni', cubic=True)
    atoms.symbols = 'AlNiNiNi' if formula == 'AlNi3' else 'NiAlAlAl'
    return atoms


def batch_of(formulas, status='done', **columns):
    """Return structures with the toy energies; ids and origins tell them apart."""
    batch = StructureBatch.from_ase(
        [crystal(formula) for formula in formulas],
        species=('Al', 'Ni'),
        energies=[ENERGIES[formula] for formula in formulas],
        ids=[f'toy-{formula}' for formula in formulas],
        origins=[f'toy lattice, decoration {formula}' for formula in formulas],
        status=[status] * len(formulas),
    )
    return batch.with_columns(label_settings=[SETTINGS] * len(formulas), **columns)


@dataclass
class Graph:
    """A screen, and the processes it has called."""

    code: object
    screen: WorkChainNode = field(default_factory=WorkChainNode)

    def start(self, inputs=None):
        """Store the screen and its inputs, some of them other ones."""
        self.screen.process_type = 'aiida.workflows:mtp.screen'
        self.screen.set_process_label('MtpScreenWorkChain')
        self.screen.set_process_state(ProcessState.WAITING)
        self.screen.base.attributes.set('version', {'core': '2.9.4', 'plugin': '0.1.0'})
        inputs = {
            'elements': List(['Al', 'Ni']),
            'dft__settings': Dict({'calculator': 'emt'}),
            'prototypes': Dict({'fcc': 4}),
            'stage_1__level': Int(8),
            'stage_2__level': Int(10),
            **(inputs or {}),
        }
        for label, node in inputs.items():
            self.screen.base.links.add_incoming(node.store(), LinkType.INPUT_WORK, label)
        self.screen.store()
        return self

    def process(self, node, caller, label, name, kind='', inputs=None, outputs=None, *, ended=True):
        """Store a process with its links; `ended`: whether it has ended well."""
        is_work = isinstance(node, WorkChainNode)
        node.set_process_label(name)
        node.process_type = kind
        for key, value in (inputs or {}).items():
            link = LinkType.INPUT_WORK if is_work else LinkType.INPUT_CALC
            node.base.links.add_incoming(value if value.is_stored else value.store(), link, key)
        call = LinkType.CALL_WORK if is_work else LinkType.CALL_CALC
        node.base.links.add_incoming(caller, call, label)
        node.set_process_state(ProcessState.FINISHED if ended else ProcessState.RUNNING)
        if ended:
            node.set_exit_status(0)
        node.store()
        for key, value in (outputs or {}).items():
            value.base.links.add_incoming(
                node, LinkType.RETURN if is_work else LinkType.CREATE, key
            )
            value.store()
        return node

    def job(self, kind, caller, label, inputs=None, outputs=None, *, ended=True, **options):
        """Store a calculation of ours."""
        node = CalcJobNode(computer=self.code.computer)
        resources = {'num_machines': 1, 'num_mpiprocs_per_machine': 1}
        node.set_options({'resources': resources, **options})
        name = f'Mtp{kind.title()}Calculation'
        inputs = {'code': self.code, **(inputs or {})}
        kind = f'aiida.calculations:mtp.{kind}'
        return self.process(node, caller, label, name, kind, inputs, outputs, ended=ended)

    def function(self, name, caller, inputs, outputs):
        """Store a calcfunction."""
        return self.process(CalcFunctionNode(), caller, name, name, '', inputs, outputs)

    def chain(self, name, label, *, ended=True):
        """Store a work chain that the screen called."""
        return self.process(
            WorkChainNode(), self.screen, label, name, f'aiida.workflows:{label}', ended=ended
        )

    def label(self, caller, label, formulas, *, ended=True):
        """Store DFT on structures; return the job and what it found."""
        given = StructureSetData.from_batch(batch_of(formulas, 'new'))
        found = StructureSetData.from_batch(batch_of(formulas, seconds=[5.0] * len(formulas)))
        outputs = {'structures': found} if ended else {}
        job = self.job('dft', caller, label, {'structures': given}, outputs, ended=ended)
        return job, found

    def stage(self, label, formulas, trained_on, level):
        """Store a learning stage; `trained_on`: DFT jobs → the formulas they labelled."""
        chain = self.chain('MtpLearnWorkChain', label)
        processes = [uuid for uuid, own in trained_on.items() for _ in own]
        rows = [formula for own in trained_on.values() for formula in own]
        training = batch_of(rows, label_process=processes, seconds=[5.0] * len(rows))
        ids = np.array([f'{key}~{i}' for i, key in enumerate(training.ids)], dtype=object)
        training_set = StructureSetData.from_batch(training.replaced(ids=ids))
        self.function('append_labels', chain, {}, {'result': training_set})
        potential = MtpPotentialData.from_mtp(initial_model(level, ['Al', 'Ni'], 5.0, min_dist=2.0))
        potential.base.attributes.set('errors', {'energy_rmse': 0.004})
        potential.base.attributes.set('n_training', len(rows))
        inputs = {'structures': training_set}
        self.job('train', chain, 'train_0', inputs, {'potential': potential})
        relaxed = StructureSetData.from_batch(
            batch_of(formulas, 'converged', grade=[1.5] * len(formulas))
        )
        outputs = {
            'structures': relaxed,
            'candidates': StructureSetData.from_batch(StructureBatch.empty(('Al', 'Ni'))),
        }
        inputs = {
            'potential': potential,
            'structures': StructureSetData.from_batch(batch_of(formulas, 'new')),
        }
        self.job('relax', chain, 'relax_1_0', inputs, outputs)
        report = Dict({'iterations': [{'iteration': 0, 'train': {}}], 'training': {}}).store()
        reasons = {'kept': len(formulas), 'above_hull': 0}
        retained = {'n_structures': len(formulas), 'n_retained': len(formulas), 'sigma': 0.004}
        retained |= {'reach': 0.016, 'reasons': reasons}
        verdict = ArrayData(
            {
                'reason': np.array(['kept'] * len(formulas)),
                'duplicate_of': np.full(len(formulas), -1),
                'formation_energy': np.full(len(formulas), -0.3),
                'e_above_hull': np.linspace(0.0, 0.01, len(formulas)),
            }
        )
        made = {
            'structures': relaxed,
            'potential': potential,
            'training_set': training_set,
            'report': report,
            'retained_report': Dict(retained).store(),
            'verdict': verdict.store(),
        }
        for key, node in made.items():
            self.returned(f'{label}__{key}', node)

    def returned(self, label, node):
        """Let the screen return a node."""
        node.base.links.add_incoming(self.screen, LinkType.RETURN, label)

    def finish(self, exit_status=0, message=None):
        """End the screen."""
        self.screen.set_process_state(ProcessState.FINISHED)
        self.screen.set_exit_status(exit_status)
        if message:
            self.screen.set_exit_message(message)
        return self.screen
