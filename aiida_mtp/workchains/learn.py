"""One stage of the screen: relax with a potential that learns while it relaxes."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.orm import Dict, Float, Int

from aiida_mtp.calculations.base import settings_input
from aiida_mtp.calculations.set_functions import (
    append_labels,
    collect_relaxed,
    label_settings,
)
from aiida_mtp.calculations.stage_functions import (
    perturb_structures,
    restart_structures,
    summarise_stage,
    untrained_potential,
)
from aiida_mtp.core.screening.perturbation import PerturbationSettings
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.label import MtpLabelWorkChain, failure
from aiida_mtp.workchains.potential import PotentialWorkChain


class MtpLearnWorkChain(PotentialWorkChain):
    """Relax a set of structures with a potential trained on those it extrapolates on.

    Every iteration relaxes all structures with the newest potential, those that were relaxed before
    from where they had got. Configurations on which the potential extrapolates are collected, the
    most informative of them (maxvol) go to DFT, and the potential is trained anew. It ends when an
    iteration finds nothing to learn, or after `max_iterations` trainings; what still extrapolates
    then says so in its status. All energies of the result are those of one potential.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input('structures', valid_type=StructureSetData, help='What to relax.')
        spec.input(
            'training_set',
            valid_type=StructureSetData,
            required=False,
            help='Labelled structures of an earlier stage; by default an initial set is selected.',
        )
        spec.input(
            'potential',
            valid_type=MtpPotentialData,
            required=False,
            help='A trained potential with its active set to start from; needs its training set.',
        )
        cls.number_input(spec, 'level', Int, 10, 'Level of the potential, even, 2 to 28.')
        cls.number_input(spec, 'cutoff', Float, 5.0, 'Cutoff radius, Å.')
        cls.number_input(spec, 'max_iterations', Int, 15, 'Most trainings after the first.')
        cls.number_input(spec, 'max_initial', Int, 60, 'Most structures of the first training set.')
        cls.number_input(spec, 'max_labels', Int, 40, 'Most structures labelled in one iteration.')
        settings_input(
            spec,
            'perturb',
            PerturbationSettings,
            'How prototypes are strained and rattled for the initial training set. '
            'See `PerturbationSettings`.',
        )
        spec.expose_inputs(MtpLabelWorkChain, include=('dft',))
        learn = (
            cls.run_labels,
            cls.inspect_labels,
            cls.run_training,
            cls.jobs(),
            cls.inspect_training,
        )
        spec.outline(
            cls.setup,
            if_(cls.needs_initial_set)(
                cls.run_initial_selection,
                cls.jobs(),
                cls.inspect_selection,
                cls.run_labels,
                cls.inspect_labels,
            ),
            if_(cls.needs_training)(cls.run_training, cls.jobs(), cls.inspect_training),
            while_(cls.is_learning)(
                cls.run_relaxations,
                cls.jobs(),
                cls.inspect_relaxations,
                if_(cls.has_candidates)(
                    cls.run_selection,
                    cls.jobs(),
                    cls.inspect_selection,
                    if_(cls.has_selected)(*learn),
                ),
            ),
            cls.results,
        )
        spec.output('structures', valid_type=StructureSetData, help='All structures, relaxed.')
        spec.output('potential', valid_type=MtpPotentialData, help='The potential that did it.')
        spec.output('training_set', valid_type=StructureSetData, help='What it was trained on.')
        spec.output('report', valid_type=Dict, help='Counts and errors of each iteration.')
        spec.exit_code(201, 'ERROR_NO_STRUCTURES', message='There is nothing to relax.')
        spec.exit_code(
            202,
            'ERROR_POTENTIAL_WITHOUT_TRAINING_SET',
            message='A potential to start from needs the training set it was made from.',
        )
        spec.exit_code(401, 'ERROR_SELECTION_FAILED', message='Selection failed: {reason}')
        spec.exit_code(402, 'ERROR_LABELLING_FAILED', message='Labelling failed: {reason}')
        spec.exit_code(403, 'ERROR_TRAINING_FAILED', message='Training failed: {reason}')
        spec.exit_code(404, 'ERROR_RELAXATION_FAILED', message='Relaxation failed: {reason}')
        spec.exit_code(
            405,
            'ERROR_MIXED_SETTINGS',
            message='The training set has labels of settings {known}, DFT gives {new}: they must '
            'not be mixed. Label all with the same code and settings, or set max_iterations to 0.',
        )

    def setup(self) -> ExitCode | None:
        """Begin with what the inputs give."""
        if not len(self.inputs.structures):
            return self.exit_codes.ERROR_NO_STRUCTURES
        if 'potential' in self.inputs and 'training_set' not in self.inputs:
            return self.exit_codes.ERROR_POTENTIAL_WITHOUT_TRAINING_SET
        self.ctx.potential = self.inputs.get('potential')
        self.ctx.training_set = self.inputs.get('training_set')
        self.ctx.start = self.inputs.structures
        self.ctx.iteration = 0
        self.ctx.finished = False
        self.ctx.reports = {}
        return None

    # The initial training set

    def needs_initial_set(self) -> bool:
        """Whether nothing is labelled yet."""
        return self.ctx.training_set is None

    def run_initial_selection(self) -> None:
        """Choose the most different of all prototypes, strained and rattled."""
        potential = untrained_potential(
            self.inputs.structures,
            self.inputs.level,
            self.inputs.cutoff,
            self.inputs.seed,
            self.inputs.train,
        )
        candidates = perturb_structures(
            self.inputs.structures, self.inputs.perturb, self.inputs.seed
        )
        self._select(potential, candidates, self.inputs.max_initial)

    def needs_training(self) -> bool:
        """Whether there is no potential yet."""
        return self.ctx.potential is None

    # One iteration

    def is_learning(self) -> bool:
        """Whether the last iteration found something to learn."""
        return not self.ctx.finished

    def run_relaxations(self) -> None:
        """Relax all structures."""
        self.ctx.iteration += 1
        self._queue_relaxations(self.ctx.start, f'relax_{self.ctx.iteration}')
        self.report(f'iteration {self.ctx.iteration}: {len(self.ctx.start)} structures relax')

    def inspect_relaxations(self) -> ExitCode | None:
        """Join the shards; nothing new to learn ends the stage."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_RELAXATION_FAILED.format(reason=reason)
        found: Any = jobs[0].outputs
        if len(jobs) > 1:
            parts = {
                f'{name}_{index:05d}': job.outputs[name]
                for index, job in enumerate(jobs)
                for name in ('structures', 'candidates')
            }
            found = collect_relaxed(self.ctx.start, **parts)
        self.ctx.relaxed, self.ctx.candidates = found['structures'], found['candidates']
        for index, job in enumerate(jobs):
            self._keep_report(f'relax_{index}', job)
        counts = sorted(self.ctx.relaxed.status_counts.items())
        status = ', '.join(f'{n} {word}' for word, n in counts)
        to_learn = len(self.ctx.candidates)
        self.report(f'iteration {self.ctx.iteration}: {status}; {to_learn} to learn')
        limit = self.ctx.iteration > self.inputs.max_iterations.value
        self.ctx.finished = limit or not to_learn
        return None

    def has_candidates(self) -> bool:
        """Whether there is something to learn, and learning goes on."""
        return not self.ctx.finished

    def run_selection(self) -> None:
        """Choose what enlarges the training set most."""
        self._select(
            self.ctx.potential, self.ctx.candidates, self.inputs.max_labels, self.ctx.training_set
        )

    def inspect_selection(self) -> ExitCode | None:
        """Take what was selected; nothing selected ends the stage."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_SELECTION_FAILED.format(reason=reason)
        (job,) = jobs
        self.ctx.selected = job.outputs.structures
        self._keep_report('select', job)
        self.ctx.finished = not len(self.ctx.selected)
        return None

    def has_selected(self) -> bool:
        """Whether anything is to be labelled."""
        return not self.ctx.finished

    def run_labels(self) -> ToContext[str, Any]:
        """Label the selected configurations with DFT."""
        inputs = self.exposed_inputs(MtpLabelWorkChain)
        inputs['structures'] = self.ctx.selected
        inputs['metadata'] = {'call_link_label': f'label_{self.ctx.iteration}'}
        self.report(f'iteration {self.ctx.iteration}: {len(self.ctx.selected)} go to DFT')
        return ToContext(labels=self.submit(MtpLabelWorkChain, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """Grow the training set."""
        job = self.ctx.labels
        if not job.is_finished_ok:
            return self.exit_codes.ERROR_LABELLING_FAILED.format(reason=failure(job))
        labelled = job.outputs.structures
        if not labelled.status_counts.get('done'):
            batch = labelled.get_batch()
            return self.exit_codes.ERROR_LABELLING_FAILED.format(
                reason=f'none of {len(batch)} structures in set {labelled.pk} has a result; '
                f'the first, {batch.ids[0]}: {batch.columns["message"][0]}'
            )
        if self.ctx.training_set is None:
            self.ctx.training_set = append_labels(labelled)
            return None
        known, new = label_settings(self.ctx.training_set), label_settings(labelled)
        if known != new:
            return self.exit_codes.ERROR_MIXED_SETTINGS.format(
                known=', '.join(known) or 'unknown', new=', '.join(new)
            )
        self.ctx.training_set = append_labels(labelled, previous=self.ctx.training_set)
        return None

    def run_training(self) -> None:
        """Train, from the potential there is."""
        start = {'potential': self.ctx.potential}
        if self.ctx.potential is None:
            start = {'level': self.inputs.level, 'cutoff': self.inputs.cutoff}
        self._queue_training(f'train_{self.ctx.iteration}', **start)

    def inspect_training(self) -> ExitCode | None:
        """Take the new potential, and start the next iteration."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_TRAINING_FAILED.format(reason=reason)
        (job,) = jobs
        self._keep_report('train', job)
        self.ctx.potential = job.outputs.potential
        if 'relaxed' in self.ctx:
            self.ctx.start = restart_structures(self.inputs.structures, self.ctx.relaxed)
        return None

    def results(self) -> None:
        """Return the relaxed structures and what relaxed them."""
        self.out('structures', self.ctx.relaxed)
        self.out('potential', self.ctx.potential)
        self.out('training_set', self.ctx.training_set)
        self.out('report', summarise_stage(**self.ctx.reports))

    # Parts of the steps

    def _select(
        self,
        potential: MtpPotentialData,
        candidates: StructureSetData,
        limit: Int,
        training_set: StructureSetData | None = None,
    ) -> None:
        known = {} if training_set is None else {'training_set': training_set}
        self._queue(
            'mtp.select',
            f'select_{self.ctx.iteration}',
            potential=potential,
            candidates=candidates,
            limit=limit,
            **known,
        )

    def _keep_report(self, name: str, job: Any) -> None:
        key = f'iteration_{self.ctx.iteration:02d}_{name}'
        self.ctx.reports[key] = job.outputs.report
