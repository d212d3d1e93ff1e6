"""The screen: from prototypes to a hull of DFT energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.engine import ExitCode, ToContext, if_
from aiida.orm import ArrayData, Bool, Dict, List, Str, to_aiida_type

from aiida_mtp.calculations.base import settings_input
from aiida_mtp.calculations.screen_functions import (
    build_hull,
    elemental_structures,
    prototype_spec,
    retain_structures,
    stable_phases,
)
from aiida_mtp.calculations.set_functions import extract_structure, take_unreferenced
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.funnel import RetainSettings
from aiida_mtp.core.screening.verification import LIKELY_FIRST, VerificationSettings
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.backends import backend_of
from aiida_mtp.workchains.final import MtpFinalWorkChain
from aiida_mtp.workchains.jobs import EngineWorkChain
from aiida_mtp.workchains.label import MtpLabelWorkChain, attempt, failure, validate_dft
from aiida_mtp.workchains.learn import MtpLearnWorkChain
from aiida_mtp.workchains.protocols import protocol_inputs, protocol_names

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import AbstractCode

STAGES = ('stage_1', 'stage_2')
SHARED = ('structures', 'potential', 'training_set', 'engine', 'dft')  # given once for all stages


class MtpScreenWorkChain(EngineWorkChain):
    """Find the stable phases of a chemical system.

    The elements are relaxed with DFT, for references and start volumes. All prototypes are relaxed
    with a small potential that learns; those within reach of the hull with a larger one, trained
    further; those that may still lie on the hull with DFT, the most likely first. The hull is built
    from DFT energies alone: a structure can be missing from it, but no energy on it is approximate.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input('elements', valid_type=List, serializer=to_aiida_type, help='Chemical symbols.')
        spec.input(
            'prototypes',
            valid_type=Dict,
            serializer=to_aiida_type,
            required=False,
            help='Which prototypes to generate: parent lattices with their largest cells, AFLOW.',
        )
        spec.input(
            'structures',
            valid_type=StructureSetData,
            required=False,
            help='Structures of your own, beside the prototypes or in their place.',
        )
        spec.input(
            'training_set',
            valid_type=StructureSetData,
            required=False,
            help='Labelled structures to begin with, of an earlier screen or from elsewhere; by '
            'default a first set is selected and labelled.',
        )
        spec.expose_inputs(MtpLearnWorkChain, include=('engine', 'dft'))
        spec.inputs['dft'].validator = validate_dft
        spec.input(
            'final_settings',
            valid_type=Dict,
            serializer=to_aiida_type,
            required=False,
            help='DFT settings of references and final relaxations; by default `dft.settings`.',
        )
        for stage in STAGES:
            spec.expose_inputs(MtpLearnWorkChain, namespace=stage, exclude=SHARED)
            settings_input(
                spec,
                f'{stage}.retain',
                RetainSettings,
                'What is kept: within `k` times the error above the hull.',
            )
        settings_input(
            spec,
            'final',
            VerificationSettings,
            'In which order the final relaxations are done, and when it is enough.',
        )
        spec.outline(
            cls.setup,
            cls.run_references,
            cls.inspect_references,
            if_(cls.should_generate)(cls.run_prototypes, cls.jobs(), cls.inspect_prototypes),
            cls.run_stage_1,
            cls.inspect_stage_1,
            cls.run_stage_2,
            cls.inspect_stage_2,
            cls.run_final,
            cls.inspect_final,
            cls.results,
        )
        spec.output('hull', valid_type=StructureSetData, help='All that DFT relaxed.')
        spec.output('stable', valid_type=Dict, help='The phases on the hull.')
        spec.output_namespace('structures', dynamic=True, help='Those, one node each.')
        spec.output('references', valid_type=StructureSetData, help='The elements, relaxed.')
        spec.output('candidates', valid_type=StructureSetData, help='What entered the screen.')
        spec.expose_outputs(
            MtpFinalWorkChain, namespace='final', namespace_options={'required': False}
        )
        for stage in STAGES:
            spec.expose_outputs(MtpLearnWorkChain, namespace=stage)
            spec.output(f'{stage}.retained', valid_type=StructureSetData, help='What was kept.')
            spec.output(f'{stage}.verdict', valid_type=ArrayData, help='Why, for each structure.')
            spec.output(f'{stage}.retained_report', valid_type=Dict, help='Why, in counts.')
        spec.exit_code(
            201, 'ERROR_NO_CANDIDATES', message='Neither prototypes nor structures given.'
        )
        spec.exit_code(401, 'ERROR_REFERENCES_FAILED', message='The elements failed: {reason}')
        spec.exit_code(402, 'ERROR_PROTOTYPES_FAILED', message='No prototypes: {reason}')
        spec.exit_code(403, 'ERROR_STAGE_FAILED', message='{stage} failed: {reason}')
        spec.exit_code(404, 'ERROR_FINAL_FAILED', message='The final relaxation failed: {reason}')
        spec.exit_code(405, 'ERROR_NO_HULL', message='There is no hull: {reason}')

    @classmethod
    def get_protocols(cls) -> dict[str, str]:
        """Return the names of the protocols, each with its description."""
        return protocol_names('screen')

    @classmethod
    def get_builder_from_protocol(
        cls,
        elements: list[str],
        engine_code: AbstractCode,
        dft_code: AbstractCode,
        *,
        protocol: str | None = None,
        backend: str | None = None,
        structures: StructureSetData | None = None,
        overrides: dict[str, Any] | None = None,
    ) -> ProcessBuilder:
        """Return a builder with all inputs filled.

        Parameters
        ----------
        elements
            Chemical symbols.
        engine_code
            The executable ``mtp-engine``.
        dft_code
            The executable of the DFT backend.
        backend
            Name of the DFT backend; by default the one that runs `dft_code`.
        protocol
            ``fast``, ``balanced`` or ``stringent``.
        structures
            Structures beside the prototypes.
        overrides
            Values in place of the protocol's, as nested as those.

        Raises
        ------
        InputError
            If an element, the protocol or an override is unknown.
        """
        _check_elements(elements)
        backend = backend or backend_of(dft_code)
        inputs = protocol_inputs('screen', protocol, overrides, backend=backend)
        builder: Any = cls.get_builder()
        builder.elements = List(elements)
        builder.engine = {'code': engine_code, **inputs['engine']}
        builder.dft = {
            'code': dft_code,
            'backend': Str(backend),
            'settings': Dict(inputs['dft']['settings']),
            'options': inputs['dft']['options'],
            'options_above': inputs['dft']['options_above'],
            'max_jobs': inputs['dft']['max_jobs'],
        }
        builder.dft.reuse = Bool(inputs['dft']['reuse'])
        if inputs['dft'].get('rows_per_job'):
            builder.dft.rows_per_job = inputs['dft']['rows_per_job']
        if inputs['final_settings']:
            builder.final_settings = Dict(inputs['final_settings'])
        if inputs['prototypes']:
            builder.prototypes = Dict(inputs['prototypes'])
        if structures is not None:
            builder.structures = structures
        builder.final = Dict(inputs['final'])
        for stage in STAGES:
            for name, value in inputs[stage].items():
                builder[stage][name] = Dict(value) if isinstance(value, dict) else value
        return builder

    def setup(self) -> ExitCode | None:
        """Refuse a screen of nothing."""
        if 'prototypes' not in self.inputs and 'structures' not in self.inputs:
            return self.exit_codes.ERROR_NO_CANDIDATES
        self.ctx.candidates = self.inputs.get('structures')
        self.ctx.training_set = self.inputs.get('training_set')
        return None

    def run_references(self) -> ToContext[str, Any]:
        """Relax the elements with DFT."""
        elements = elemental_structures(self.inputs.elements)
        return ToContext(references=self._relax_with_dft(elements, 'references'))

    def inspect_references(self) -> ExitCode | None:
        """Every element must be there."""
        job = self.ctx.references
        if not job.is_finished_ok:
            return self.exit_codes.ERROR_REFERENCES_FAILED.format(reason=failure(job))
        references = job.outputs.structures
        batch = references.get_batch()
        failed = batch.ids[batch.status != 'done']
        if len(failed):
            return self.exit_codes.ERROR_REFERENCES_FAILED.format(
                reason=f'{", ".join(failed)} did not relax; see set {references.pk}'
            )
        self.ctx.reference_set = references
        return None

    def should_generate(self) -> bool:
        """Whether prototypes are wanted."""
        return 'prototypes' in self.inputs

    def run_prototypes(self) -> None:
        """Generate the prototypes, at the volumes of the elements."""
        parameters = prototype_spec(
            self.inputs.elements, self.inputs.prototypes, self.ctx.reference_set
        )
        own = {'structures': self.inputs.structures} if 'structures' in self.inputs else {}
        self._queue('mtp.prototypes', 'prototypes', parameters=parameters, **own)

    def inspect_prototypes(self) -> ExitCode | None:
        """Take the candidates."""
        jobs, reason = self._take_jobs()
        if reason:
            return self.exit_codes.ERROR_PROTOTYPES_FAILED.format(reason=reason)
        (job,) = jobs
        self.ctx.candidates = job.outputs.structures
        self.report(f'{len(self.ctx.candidates)} candidates')
        return None

    def run_stage_1(self) -> ToContext[str, Any]:
        """Relax all candidates with the small potential."""
        return self._run_stage('stage_1', self.ctx.candidates)

    def inspect_stage_1(self) -> ExitCode | None:
        """Keep what is within reach of the hull."""
        return self._inspect_stage('stage_1')

    def run_stage_2(self) -> ToContext[str, Any]:
        """Relax what was kept with the larger potential."""
        return self._run_stage('stage_2', self.ctx.retained)

    def inspect_stage_2(self) -> ExitCode | None:
        """Keep what is still within reach."""
        return self._inspect_stage('stage_2')

    def run_final(self) -> ToContext[str, Any] | None:
        """Relax with DFT what may lie on the hull; the elements are relaxed already."""
        if self._settings_of_final().rule == LIKELY_FIRST:
            return self._run_likely_first()
        rest = take_unreferenced(self.ctx.retained, self.ctx.reference_set)
        self.report(f'{len(rest)} structures go to the final relaxation')
        if not len(rest):
            return None
        return ToContext(final=self._relax_with_dft(rest, 'final'))

    def inspect_final(self) -> ExitCode | None:
        """Build the hull of DFT energies."""
        sets = {'references': self.ctx.reference_set}
        if 'final' in self.ctx:
            if not self.ctx.final.is_finished_ok:
                return self.exit_codes.ERROR_FINAL_FAILED.format(reason=failure(self.ctx.final))
            if 'structures' in self.ctx.final.outputs:
                sets['final'] = self.ctx.final.outputs.structures
            if self._settings_of_final().rule == LIKELY_FIRST:
                own = self.exposed_outputs(self.ctx.final, MtpFinalWorkChain, namespace='final')
                self.out_many(own)
        self.ctx.hull, reason = attempt(build_hull, **sets)
        if reason:
            return self.exit_codes.ERROR_NO_HULL.format(reason=reason)
        return None

    def results(self) -> None:
        """Return the hull, and a structure for each phase on it."""
        stable = stable_phases(self.ctx.hull)
        self.out('hull', self.ctx.hull)
        self.out('stable', stable)
        self.out('references', self.ctx.reference_set)
        self.out('candidates', self.ctx.candidates)
        for phase in stable['phases']:
            structure = extract_structure(self.ctx.hull, Str(phase['id']))
            self.out(f'structures.{phase["formula"]}', structure)

    # Parts of the steps

    def _settings_of_final(self) -> VerificationSettings:
        return VerificationSettings.from_mapping(self.inputs.final.get_dict())

    def _final_dft(self) -> dict[str, Any]:
        """Return the DFT inputs of references and final relaxations."""
        dft = dict(self.exposed_inputs(MtpLearnWorkChain)['dft'])
        if 'final_settings' in self.inputs:
            dft['settings'] = self.inputs.final_settings
        return dft

    def _relax_with_dft(self, structures: StructureSetData, label: str) -> Any:
        return self.submit(
            MtpLabelWorkChain,
            structures=structures,
            task=Str('relax'),
            dft=self._final_dft(),
            metadata={'call_link_label': label},
        )

    def _run_likely_first(self) -> ToContext[str, Any]:
        last = self.inputs[STAGES[-1]]
        # its errors are judged by the answers: to train it a few times more tells nothing new
        train = Dict({**last.train.get_dict(), 'n_folds': 0})
        first, learnt = (self.ctx[stage].outputs for stage in STAGES)
        job = self.submit(
            MtpFinalWorkChain,
            engine=self.exposed_inputs(MtpLearnWorkChain)['engine'],
            dft=self._final_dft(),
            structures=learnt.structures,
            earlier=first.structures,
            prototypes=self.ctx.candidates,
            potential=learnt.potential,
            training_set=learnt.training_set,
            report=learnt.report,
            earlier_report=first.report,
            references=self.ctx.reference_set,
            settings=self.inputs.final,
            relax=last.relax,
            train=train,
            shard_size=last.shard_size,
            seed=last.seed,
            metadata={'call_link_label': 'final'},
        )
        return ToContext(final=job)

    def _run_stage(self, stage: str, structures: StructureSetData) -> ToContext[str, Any]:
        inputs = self.exposed_inputs(MtpLearnWorkChain, namespace=stage)
        inputs.update(self.exposed_inputs(MtpLearnWorkChain))
        inputs['structures'] = structures
        inputs['metadata'] = {'call_link_label': stage}
        if self.ctx.training_set is not None:
            inputs['training_set'] = self.ctx.training_set
        return ToContext(**{stage: self.submit(MtpLearnWorkChain, **inputs)})

    def _inspect_stage(self, stage: str) -> ExitCode | None:
        job = self.ctx[stage]
        if not job.is_finished_ok:
            return self.exit_codes.ERROR_STAGE_FAILED.format(stage=stage, reason=failure(job))
        self.out_many(self.exposed_outputs(job, MtpLearnWorkChain, namespace=stage))
        kept, reason = attempt(
            retain_structures, job.outputs.structures, self.inputs[stage].retain, job.outputs.report
        )
        if reason:
            return self.exit_codes.ERROR_NO_HULL.format(reason=f'{stage}: {reason}')
        self.out(f'{stage}.retained', kept['structures'])
        self.out(f'{stage}.verdict', kept['verdict'])
        self.out(f'{stage}.retained_report', kept['report'])
        self.ctx.training_set = job.outputs.training_set
        self.ctx.retained = kept['structures']
        self.report(
            f'{stage}: {len(kept["structures"])} of {len(job.outputs.structures)} are within reach'
        )
        return None


def _check_elements(elements: list[str]) -> None:
    from ase.data import atomic_numbers

    unknown = [symbol for symbol in elements if symbol not in atomic_numbers or symbol == 'X']
    if unknown or not elements:
        given = ', '.join(unknown) or 'none'
        raise InputError(f'elements: {given}; give chemical symbols, such as Al Ni')
    if len(set(elements)) < len(elements):
        raise InputError(f'elements: {", ".join(elements)} names one twice')
