"""The last stage of the screen: DFT on what may lie on the hull, the most likely first."""

from __future__ import annotations

from typing import Any

from aiida.common.links import LinkType
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.orm import ArrayData, CalcJobNode, Dict, Float, Int, Str

from aiida_mtp.calculations.base import settings_input
from aiida_mtp.calculations.final_functions import (
    add_answers,
    begin_afresh,
    choose_candidates,
    gather_candidates,
    judge_candidates,
    newest_predictions,
    predict_anew,
    summarise_rounds,
    take_lower,
    update_candidates,
)
from aiida_mtp.calculations.set_functions import (
    append_labels,
    label_settings,
)
from aiida_mtp.core.screening.candidates import LOOK
from aiida_mtp.core.screening.knowledge import lowers_hull
from aiida_mtp.core.screening.verification import VerificationSettings
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.label import MtpLabelWorkChain, failure
from aiida_mtp.workchains.potential import PotentialWorkChain

IN_VAIN = 3  # looks in a row that have not lowered the hull: there is no other
WORSE = 1.5  # times the error of the potential before it: a training anew that has failed
ROUGHLY = 1e-2  # tolerance of trainings with a few answers more, which move the minimum little


class MtpFinalWorkChain(PotentialWorkChain):
    """Relax with DFT what may lie on the hull, until nothing that lies below is to be expected.

    In every round the candidates most likely to lie below the hull of DFT energies take a step:
    those known by the potential alone are labelled, those still likely after that are relaxed. The
    hull and the errors of potential and labels are judged anew, the potential learns what was found
    and predicts what is left again, until the number of structures to be expected below the hull
    among the rest is smaller than a limit. Then a potential that is trained anew on all answers
    relaxes prototypes from where they began, and lower minima that it finds are candidates as well:
    it goes on until such a look adds little, or some in a row have not lowered the hull. Every
    energy on the hull is one of DFT; of the rest the report says how many might lie below it.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input('structures', valid_type=StructureSetData, help='What the last stage relaxed.')
        spec.input(
            'earlier',
            valid_type=StructureSetData,
            help='What the stage before it relaxed, also what it has dropped.',
        )
        spec.input(
            'prototypes',
            valid_type=StructureSetData,
            required=False,
            help='What the stages began with, to be relaxed from there by the last potential.',
        )
        spec.input(
            'potential', valid_type=MtpPotentialData, help='The potential of the last stage.'
        )
        spec.input('training_set', valid_type=StructureSetData, help='What that was trained on.')
        spec.input('report', valid_type=Dict, help='Report of the last stage: errors.')
        spec.input('earlier_report', valid_type=Dict, help='Report of the stage before it.')
        spec.input('references', valid_type=StructureSetData, help='The elements, by DFT.')
        settings_input(
            spec, 'settings', VerificationSettings, 'When it is enough. See `VerificationSettings`.'
        )
        spec.expose_inputs(MtpLabelWorkChain, include=('dft',))
        spec.outline(
            cls.setup,
            cls.choose,
            cls.run_predictions,
            cls.jobs(),
            cls.inspect_predictions,
            if_(cls.should_look_again)(cls.run_afresh, cls.jobs(), cls.inspect_afresh),
            cls.choose,
            while_(cls.should_ask)(
                while_(cls.should_ask)(
                    cls.run_dft,
                    cls.inspect_dft,
                    if_(cls.should_learn)(
                        cls.run_training,
                        cls.jobs(),
                        cls.inspect_training,
                        cls.run_predictions,
                        cls.jobs(),
                        cls.inspect_predictions,
                    ),
                    cls.choose,
                ),
                if_(cls.should_look_again)(
                    cls.run_training_anew,
                    cls.jobs(),
                    cls.inspect_training_anew,
                    cls.run_afresh,
                    cls.jobs(),
                    cls.inspect_afresh,
                    cls.choose,
                ),
            ),
            cls.results,
        )
        spec.output(
            'structures', valid_type=StructureSetData, required=False, help='What DFT relaxed.'
        )
        spec.output(
            'labels', valid_type=StructureSetData, required=False, help='What DFT labelled.'
        )
        spec.output('candidates', valid_type=StructureSetData, help='All, as last predicted.')
        spec.output('verdict', valid_type=ArrayData, help='What is known of each candidate.')
        spec.output('report', valid_type=Dict, help='How many were asked about, and the risk.')
        spec.output('potential', valid_type=MtpPotentialData, help='The last potential.')
        spec.output('training_set', valid_type=StructureSetData, help='What it was trained on.')
        spec.exit_code(402, 'ERROR_DFT_FAILED', message='DFT failed: {reason}')
        spec.exit_code(403, 'ERROR_TRAINING_FAILED', message='Training failed: {reason}')
        spec.exit_code(404, 'ERROR_RELAXATION_FAILED', message='Relaxation failed: {reason}')

    def setup(self) -> None:
        """Begin with what the stages left."""
        self.ctx.round = self.ctx.look = 0
        self.ctx.reports = {}
        self.ctx.potential = self.inputs.potential
        self.ctx.error = self.inputs.report['training']['energy']['rmse']
        self.ctx.training_set = self.inputs.training_set
        self.ctx.audited = None
        self.ctx.looked_with = None  # the potential that relaxed prototypes last
        self.ctx.is_last_look = False
        self.ctx.relaxed_before = None  # what DFT had relaxed before that
        self.ctx.in_vain = 0  # looks in a row, before the last, that have not lowered the hull
        self.ctx.answers = {}  # `labels` and `relaxed`, once there are any
        # since all candidates were kept: `looked`, what the last look has changed, and `newest`,
        # what was predicted after it
        self.ctx.changes = {}
        self.ctx.candidates = gather_candidates(
            self.inputs.references,
            self.inputs.earlier,
            self.inputs.structures,
            **self._stage_reports(),
        )

    def _stage_reports(self) -> dict[str, Dict]:
        return {'report_1': self.inputs.earlier_report, 'report_2': self.inputs.report}

    # From where they began

    def should_look_again(self) -> bool:
        """Whether a better potential may find lower minima than those before it."""
        settings = self._settings()
        is_wanted = settings.afresh and 'prototypes' in self.inputs
        is_wanted &= not self.ctx.is_last_look and self.ctx.round < settings.max_rounds
        is_better = self.ctx.looked_with != self.ctx.potential.uuid
        return is_wanted and is_better and self._looks_in_vain() < IN_VAIN

    def _looks_in_vain(self) -> int:
        """Return how many looks in a row, the last among them, have not lowered the hull so far."""
        is_in_vain = self.ctx.look > 0 and not self._has_lowered_hull()
        return int(self.ctx.in_vain) + 1 if is_in_vain else 0

    def _has_lowered_hull(self) -> bool:
        """Whether the answers since the last look have."""
        relaxed, before = self.ctx.answers.get('relaxed'), self.ctx.relaxed_before
        return relaxed is not None and lowers_hull(
            relaxed.get_batch(),
            None if before is None else before.get_batch(),
            self.inputs.references.get_batch(),
        )

    def run_training_anew(self) -> None:
        """Train a potential on all answers from other random starts.

        Two potentials as good as each other do not have the same minima, and a training that goes
        on from a potential keeps those it has: each look is with one that may lead prototypes
        where no one before it has.
        """
        starts_before = self.ctx.look * self._training_settings().n_starts
        self._queue_training(
            f'train_anew_{self.ctx.look}',
            seed=Int(self.inputs.seed.value + starts_before),
            level=Int(self.ctx.potential.level),
            cutoff=Float(self.ctx.potential.cutoff),
        )

    def run_afresh(self) -> None:
        """Relax prototypes with the last potential from where they began."""
        self.ctx.in_vain = self._looks_in_vain()
        self.ctx.relaxed_before = self.ctx.answers.get('relaxed')
        self.ctx.look += 1
        self.ctx.is_last_look = self.ctx.look > 1  # until more is to be expected
        self.ctx.looked_with = self.ctx.potential.uuid
        found = begin_afresh(
            self.ctx.candidates,
            self.inputs.prototypes,
            self.inputs.settings,
            number=Int(self.ctx.look),
            **self._stage_reports(),
            **self.ctx.changes,
        )
        for name, structures in sorted(found.items()):
            if len(structures):
                self._queue_relaxations(structures, f'{name}_{self.ctx.look}')

    def inspect_afresh(self) -> ExitCode | None:
        """Add lower minima to the candidates, and take all else as the last potential has it."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_RELAXATION_FAILED.format(reason=reason)
        looked = take_lower(
            self.ctx.candidates,
            self.inputs.references,
            number=Int(self.ctx.look),
            **self._stage_reports(),
            **self.ctx.changes,
            **self.ctx.answers,
            **{f'{_purpose(job)}_{i}': job.outputs.structures for i, job in enumerate(jobs)},
        )
        self.ctx.changes = {'looked': looked}
        name = f'{LOOK}{self.ctx.look}'
        found = sum(str(key).endswith(name) for key in looked.get_batch().ids)
        self.report(f'look {self.ctx.look}: {found} candidates more, from prototypes')
        return None

    # One round

    def choose(self) -> None:
        """Judge all candidates, and choose what DFT is asked next."""
        found = choose_candidates(
            self.ctx.candidates,
            self.inputs.references,
            self.inputs.settings,
            **self._stage_reports(),
            **self.ctx.changes,
            **self.ctx.answers,
            **({'audited': self.ctx.audited} if 'labels' in self.ctx.answers else {}),
        )
        self.ctx.audited = found.get('audited', self.ctx.audited)
        self.ctx.chosen = {name: found[name] for name in ('to_label', 'to_relax', 'contenders')}
        self.ctx.reports[f'round_{self.ctx.round:03d}'] = found['report']
        self.ctx.missed = missed = found['report']['expected_missed']
        if missed > self._settings().enough_to_look:
            self.ctx.is_last_look = False
        asked = f'{len(found["to_label"])} are labelled, {len(found["to_relax"])} relaxed next'
        self.report(
            f'round {self.ctx.round}: {missed:.2g} structures below the hull are to be expected; '
            f'{asked if self.should_ask() else "that is enough for now"}'
        )

    def should_ask(self) -> bool:
        """Whether anything is worth asking, before there is another look."""
        if self.should_look_again() and self.ctx.missed <= self._settings().enough_to_look:
            return False
        n_chosen = len(self.ctx.chosen['to_label']) + len(self.ctx.chosen['to_relax'])
        return bool(n_chosen) and self.ctx.round < self._settings().max_rounds

    def _settings(self) -> VerificationSettings:
        return VerificationSettings.from_mapping(self.inputs.settings.get_dict())

    def _training_settings(self) -> TrainingSettings:
        return TrainingSettings.from_mapping(self.inputs.train.get_dict())

    def run_dft(self) -> ToContext[str, Any]:
        """Label some candidates and relax others."""
        self.ctx.round += 1
        asked = {}
        for name, task, label in (
            ('to_label', 'static', 'label'),
            ('to_relax', 'relax', 'relaxation'),
        ):
            if len(self.ctx.chosen[name]):
                inputs = self.exposed_inputs(MtpLabelWorkChain)
                asked[name] = self.submit(
                    MtpLabelWorkChain,
                    structures=self.ctx.chosen[name],
                    task=Str(task),
                    metadata={'call_link_label': f'{label}_{self.ctx.round}'},
                    **inputs,
                )
        self.ctx.asked = list(asked)
        return ToContext(**asked)

    def inspect_dft(self) -> ExitCode | None:
        """Add the answers to what is known."""
        self.ctx.news = []
        for name in self.ctx.asked:
            job = self.ctx[name]
            if not job.is_finished_ok:
                return self.exit_codes.ERROR_DFT_FAILED.format(reason=failure(job))
            key = {'to_label': 'labels', 'to_relax': 'relaxed'}[name]
            answers = job.outputs.structures
            self.ctx.news.append(answers)
            previous = self.ctx.answers.get(key)
            known = answers if previous is None else add_answers(answers, previous)
            self.ctx.answers = {**self.ctx.answers, key: known}
        return None

    def should_learn(self) -> bool:
        """Whether the potential can learn from the answers: computed as its labels were."""
        own = set(label_settings(self.ctx.training_set))
        new = set().union(*(label_settings(answers) for answers in self.ctx.news))
        return bool(new) and new == own

    def run_training(self) -> None:
        """Train the potential further."""
        for answers in self.ctx.news:
            self.ctx.training_set = append_labels(answers, self.ctx.training_set)
        tolerance = max(self._training_settings().tolerance, ROUGHLY)
        self._queue_training(
            f'train_{self.ctx.round}',
            potential=self.ctx.potential,
            parameters=Dict({**self.inputs.train.get_dict(), 'tolerance': tolerance}),
        )

    def inspect_training(self) -> ExitCode | None:
        """Take the better potential."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_TRAINING_FAILED.format(reason=reason)
        (job,) = jobs
        self.ctx.potential, self.ctx.error = job.outputs.potential, _training_error(job)
        return None

    def inspect_training_anew(self) -> ExitCode | None:
        """Take the potential that was trained anew, unless it came to rest far from the best."""
        before, error_before = self.ctx.potential, self.ctx.error
        found = self.inspect_training()
        if found is None and self.ctx.error > WORSE * error_before:
            self.report(
                f'look {self.ctx.look + 1} is with the potential there was: trained anew it has '
                f'{self.ctx.error * 1e3:.3g} meV/atom in place of {error_before * 1e3:.3g}'
            )
            self.ctx.potential, self.ctx.error = before, error_before
        return found

    def run_predictions(self) -> None:
        """Predict anew what is still in doubt."""
        if len(self.ctx.chosen['contenders']):
            self._queue_relaxations(self.ctx.chosen['contenders'], f'relax_{self.ctx.round}')

    def inspect_predictions(self) -> ExitCode | None:
        """Take the new predictions."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_RELAXATION_FAILED.format(reason=reason)
        parts = {f'part_{i}': job.outputs.structures for i, job in enumerate(jobs)}
        if parts and not self.ctx.round:  # most of what the stage before has predicted
            self.ctx.candidates = predict_anew(self.ctx.candidates, **parts)
        elif parts:
            newest = newest_predictions(
                self.ctx.candidates, self.ctx.changes.get('newest'), **self.ctx.answers, **parts
            )
            self.ctx.changes = {**self.ctx.changes, 'newest': newest}
        return None

    def results(self) -> None:
        """Return what DFT found, and what is known of all."""
        for name, key in (('structures', 'relaxed'), ('labels', 'labels')):
            if key in self.ctx.answers:
                self.out(name, self.ctx.answers[key])
        candidates = self._last_candidates()
        verdict = judge_candidates(
            candidates,
            self.inputs.references,
            self.inputs.settings,
            **self._stage_reports(),
            **self.ctx.answers,
        )
        self.out('candidates', candidates)
        self.out('verdict', verdict)
        self.out('potential', self.ctx.potential)
        self.out('training_set', self.ctx.training_set)
        self.out('report', summarise_rounds(**self.ctx.reports))

    def _last_candidates(self) -> StructureSetData:
        """Return all candidates as last predicted."""
        if not self.ctx.changes:
            return self.ctx.candidates
        return update_candidates(self.ctx.candidates, **self.ctx.changes)


def _training_error(job: CalcJobNode) -> float:
    """Return the error of the energies a potential was trained on, eV/atom."""
    return float(job.outputs.report['energy']['rmse'])


def _purpose(job: CalcJobNode) -> str:
    """Return what a relaxation was for, the first word of its label."""
    link = job.base.links.get_incoming(link_type=LinkType.CALL_CALC).one()
    return str(link.link_label).partition('_')[0]
