"""DFT labels for a set of structures, through one interface for all DFT codes."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ToContext, WorkChain, while_
from aiida.orm import AbstractCode, Dict, Int, ProcessNode, Str, to_aiida_type

from aiida_mtp.calculations.label_functions import collect_labels, take_unfinished
from aiida_mtp.calculations.set_functions import split_structures
from aiida_mtp.core.errors import InputError
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.backends import DftBackend, backend_names, load_backend

WINDOW = 50  # children submitted in one step: each blocks the daemon's worker 0.1–0.5 s
MAX_ROUNDS = 5  # how often what a job left unfinished is submitted again


def validate_dft(dft: dict[str, Any], _: Any) -> str | None:
    """Return what is wrong with the DFT inputs."""
    if 'backend' not in dft or 'settings' not in dft:
        return None  # a port that is excluded where the namespace is exposed
    try:
        backend = load_backend(dft['backend'].value)
    except InputError as error:
        return f'dft.backend: {error}'
    try:
        backend.validate_settings(dft['settings'].get_dict())
    except InputError as error:
        return f'dft.settings: {error}'
    return None


def failure(process: ProcessNode) -> str:
    """Return in one line which process failed, and why."""
    state = process.process_state.value if process.process_state else 'in no known state'
    why = process.exit_message or state
    return f'{process.process_label}<{process.pk}>: {why}'


class MtpLabelWorkChain(WorkChain):
    """Compute energies, forces and stresses of many structures with DFT, or relax them.

    What a job leaves unfinished, because its time ran out or its node died, is submitted again;
    what it has finished is kept. A structure that DFT cannot do is a row with its status and the
    reason. The result has one row per structure, in order, with the uuid of the process that
    computed it.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input('structures', valid_type=StructureSetData, help='What to label.')
        spec.input(
            'task',
            valid_type=Str,
            serializer=to_aiida_type,
            default=lambda: Str('static'),
            help='`static`: energy, forces and stress; `relax`: cell and positions too.',
        )
        spec.input_namespace('dft', validator=validate_dft, help='How DFT is done.')
        spec.input('dft.code', valid_type=AbstractCode, help='The executable.')
        spec.input(
            'dft.backend',
            valid_type=Str,
            serializer=to_aiida_type,
            default=lambda: Str('ase'),
            help=f'The DFT code: {", ".join(backend_names())}.',
        )
        spec.input('dft.settings', valid_type=Dict, serializer=to_aiida_type, help='Its settings.')
        spec.input(
            'dft.rows_per_job',
            valid_type=Int,
            serializer=to_aiida_type,
            required=False,
            help='Structures per job; by default all in one, or one each for codes that take one.',
        )
        spec.input(
            'dft.options', valid_type=dict, non_db=True, default=dict, help='Options of each job.'
        )
        spec.outline(
            cls.setup,
            while_(cls.has_unfinished)(
                cls.split,
                while_(cls.has_shards)(cls.run_shards, cls.inspect_shards),
                cls.inspect_round,
            ),
            cls.results,
        )
        spec.output('structures', valid_type=StructureSetData, help='The labelled structures.')
        spec.exit_code(201, 'ERROR_NO_STRUCTURES', message='There is nothing to label.')
        spec.exit_code(
            401,
            'ERROR_NO_LABELS',
            message='DFT gave no result at all: {reason}',
            invalidates_cache=True,
        )

    @property
    def backend(self) -> DftBackend:
        """The DFT code in use."""
        return load_backend(self.inputs.dft.backend.value)()

    def setup(self) -> ExitCode | None:
        """Begin with everything unfinished."""
        if not len(self.inputs.structures):
            return self.exit_codes.ERROR_NO_STRUCTURES
        self.ctx.unfinished = self.inputs.structures
        self.ctx.labels = []
        self.ctx.round = 0
        self.ctx.reason = ''
        return None

    def has_unfinished(self) -> bool:
        """Whether structures remain, and the last round got somewhere."""
        return self.ctx.unfinished is not None and self.ctx.round < MAX_ROUNDS

    def split(self) -> None:
        """Cut what remains into jobs."""
        size = self.backend.rows_per_job
        if size is None and 'rows_per_job' in self.inputs.dft:
            size = self.inputs.dft.rows_per_job.value
        if size is None or size >= len(self.ctx.unfinished):
            self.ctx.shards = [self.ctx.unfinished]
        else:
            shards = split_structures(self.ctx.unfinished, Int(size))
            self.ctx.shards = [shards[key] for key in sorted(shards)]
        self.ctx.found = 0

    def has_shards(self) -> bool:
        """Whether jobs of this round are still to be submitted."""
        return bool(self.ctx.shards)

    def run_shards(self) -> ToContext[str, Any]:
        """Submit one window of jobs."""
        window, self.ctx.shards = self.ctx.shards[:WINDOW], self.ctx.shards[WINDOW:]
        jobs = {}
        for index, shard in enumerate(window):
            builder: Any = self.backend.builder(
                shard, self.inputs.task.value, dict(self.inputs.dft)
            )
            builder.metadata.call_link_label = f'dft_{self.ctx.round}_{index}'
            jobs[f'job_{index}'] = self.submit(builder)
        self.ctx.window = {f'job_{index}': shard for index, shard in enumerate(window)}
        self.report(f'{len(jobs)} DFT job(s) for {sum(len(shard) for shard in window)} structures')
        return ToContext(**jobs)

    def inspect_shards(self) -> None:
        """Keep what the window found, in whole or in part."""
        for key, shard in self.ctx.window.items():
            job = self.ctx.pop(key)
            labels = self.backend.labels(job, shard)
            if not job.is_finished_ok:
                self.ctx.reason = failure(job)
                self.report(self.ctx.reason)
            if labels is not None:
                self.ctx.labels.append(labels)
                self.ctx.found += 1

    def inspect_round(self) -> ExitCode | None:
        """Find what is left; give up if a round found nothing."""
        self.ctx.round += 1
        if not self.ctx.labels:
            return self.exit_codes.ERROR_NO_LABELS.format(reason=self.ctx.reason)
        if not self.ctx.found:
            self.ctx.unfinished = None
            return None
        rest = take_unfinished(self.inputs.structures, **self._labels())
        self.ctx.unfinished = rest if len(rest) else None
        return None

    def results(self) -> None:
        """Join the labels of all jobs, in the order of the input."""
        reason = Str(self.ctx.reason)
        self.out('structures', collect_labels(self.inputs.structures, reason, **self._labels()))

    def _labels(self) -> dict[str, StructureSetData]:
        return {f'labels_{index}': labels for index, labels in enumerate(self.ctx.labels)}
