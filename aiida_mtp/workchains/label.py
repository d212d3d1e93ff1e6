"""DFT labels for a set of structures, through one interface for all DFT codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.engine import ExitCode, ToContext, WorkChain, while_
from aiida.orm import AbstractCode, Bool, Dict, Int, ProcessNode, Str, to_aiida_type

from aiida_mtp.calculations.base import EngineCalculation
from aiida_mtp.calculations.label_functions import (
    collect_labels,
    known_labels,
    take_unfinished,
    take_unknown,
    unfinished_labels,
)
from aiida_mtp.calculations.set_functions import split_structures
from aiida_mtp.core.dft.results import UNFINISHED
from aiida_mtp.core.errors import InputError
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.backends import DftBackend, Job, backend_names, load_backend
from aiida_mtp.workchains.earlier import earlier_labels

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_JOBS = 50  # submitted in one step by default: each blocks the daemon's worker 0.1–0.5 s
MAX_ATTEMPTS = 3  # how often in a row a job may end without having got anywhere


def validate_dft(dft: dict[str, Any], _: Any) -> str | None:
    """Return what is wrong with the DFT inputs."""
    for limit, options in dft.get('options_above', {}).items():
        if not str(limit).isdigit() or not isinstance(options, dict):
            return f'dft.options_above: {limit}: {options}; it must be like 20: {{resources: …}}'
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


def validate_max_jobs(value: int, _: Any) -> str | None:
    """Refuse to have no job at all."""
    return None if value > 0 else f'max_jobs is {value}, it must be at least 1'


def failure(process: ProcessNode) -> str:
    """Return in one line which process failed, and why."""
    state = process.process_state.value if process.process_state else 'in no known state'
    why = process.exit_message or state
    return f'{process.process_label}<{process.pk}>: {why}'


def attempt(function: Callable[..., Any], *inputs: Any, **named: Any) -> tuple[Any, str]:
    """Return what a calcfunction gives, or why it refuses what it was given."""
    try:
        return function(*inputs, **named), ''
    except InputError as error:
        return None, str(error)


def is_refused(process: ProcessNode) -> bool:
    """Tell whether a job ended because its input makes no sense: again it would do the same."""
    return bool(process.exit_status == EngineCalculation.BAD_INPUT)


def is_uncached(process: ProcessNode | None) -> bool:
    """Tell whether a process, or one that called it, was launched with `metadata.disable_cache`."""
    while process is not None:
        given = process.get_metadata_inputs() or {}
        if given.get('metadata', {}).get('disable_cache'):
            return True
        process = process.caller
    return False


def _size(structures: StructureSetData) -> float:
    """Return the mean number of atoms."""
    return structures.base.attributes.get('n_atoms') / max(len(structures), 1)


class MtpLabelWorkChain(WorkChain):
    """Compute energies, forces and stresses of many structures with DFT, or relax them.

    What a job leaves unfinished, because its time ran out or its node died, is submitted again;
    what it has finished is kept. A structure that DFT cannot do is a row with its status and the
    reason. A structure that was begun from several magnetic states has the label of the lowest. The
    result has one row per structure, in order, with the uuid of the process that computed it.
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
            'dft.reuse',
            valid_type=Bool,
            serializer=to_aiida_type,
            default=lambda: Bool(value=True),
            help='Take labels of the very same structures, computed before with the same code and '
            'settings.',
        )
        spec.input(
            'dft.options', valid_type=dict, non_db=True, default=dict, help='Options of each job.'
        )
        spec.input(
            'dft.options_above',
            valid_type=dict,
            non_db=True,
            default=dict,
            help='Options that take the place of these for structures of more atoms than the key.',
        )
        spec.input(
            'dft.max_jobs',
            valid_type=int,
            non_db=True,
            default=MAX_JOBS,
            validator=validate_max_jobs,
            help='Most jobs of one work chain that are in the queue at once.',
        )
        spec.outline(
            cls.setup,
            cls.take_known,
            cls.split,
            while_(cls.has_jobs)(cls.run_jobs, cls.inspect_jobs),
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
        """Refuse to label nothing."""
        if not len(self.inputs.structures):
            return self.exit_codes.ERROR_NO_STRUCTURES
        self.ctx.wanted = self.inputs.structures
        self.ctx.labels = []
        self.ctx.found = 0
        self.ctx.reason = ''
        self.ctx.window_number = 0
        return None

    def take_known(self) -> None:
        """Take the labels that are there from before."""
        if not self.inputs.dft.reuse:
            return
        wanted = self.ctx.wanted
        for given, labels in earlier_labels(self.node):
            known = known_labels(self.ctx.wanted, given, labels)
            self.ctx.labels.append(known)
            self.ctx.wanted = take_unknown(self.ctx.wanted, labels=known)
        self.ctx.found = len(self.ctx.labels)
        if self.ctx.found:
            n_known = len(wanted) - len(self.ctx.wanted)
            self.report(f'{n_known} of {len(wanted)} structures are labelled already')

    def split(self) -> None:
        """Cut what is left into jobs, the largest structures first.

        A window of jobs waits for the slowest of them: so they are alike.
        """
        structures = self.ctx.wanted
        size = self.backend.rows_per_job
        if size is None and 'rows_per_job' in self.inputs.dft:
            size = self.inputs.dft.rows_per_job.value
        shards = [structures]
        if size is not None and size < len(structures):
            pieces = split_structures(structures, Int(size))
            shards = [pieces[key] for key in sorted(pieces)]
        settings = self.inputs.dft.settings.get_dict()
        self.ctx.queue = [
            (shard, state, 1)
            for shard in sorted(shards, key=_size, reverse=True)
            if len(shard)
            for state in self.backend.magnetic_states(shard, settings)
        ]

    def has_jobs(self) -> bool:
        """Whether jobs are still to be submitted."""
        return bool(self.ctx.queue)

    def run_jobs(self) -> ToContext[str, Any]:
        """Submit one window of jobs."""
        limit = self.inputs.dft.max_jobs
        self.ctx.window, self.ctx.queue = self.ctx.queue[:limit], self.ctx.queue[limit:]
        jobs = {}
        for index, (shard, state, _) in enumerate(self.ctx.window):
            builder: Any = self.backend.builder(self._job(shard, state))
            builder.metadata.call_link_label = f'dft_{self.ctx.window_number}_{index}'
            builder.metadata.disable_cache = is_uncached(self.node)
            jobs[f'job_{index}'] = self.submit(builder)
        self.ctx.window_number += 1
        total = sum(len(shard) for shard, _, _ in self.ctx.window)
        self.report(f'{len(jobs)} DFT job(s) for {total} structures')
        return ToContext(**jobs)

    def inspect_jobs(self) -> None:
        """Keep what the window found; what it left goes back into the queue."""
        for index, (shard, state, attempt) in enumerate(self.ctx.window):
            process = self.ctx.pop(f'job_{index}')
            labels = self.backend.labels(process, self._job(shard, state))
            if not process.is_finished_ok:
                self.ctx.reason = failure(process)
                self.report(self.ctx.reason)
            if labels is not None:
                self.ctx.found += 1
                self.ctx.labels.append(labels)
                if UNFINISHED in labels.status_counts:
                    self.ctx.queue.append((take_unfinished(shard, labels), state, 1))
            elif attempt < MAX_ATTEMPTS and not is_refused(process):
                self.ctx.queue.append((shard, state, attempt + 1))
            else:
                self.ctx.labels.append(unfinished_labels(shard, Str(self.ctx.reason)))

    def results(self) -> ExitCode | None:
        """Join the labels of all jobs, in the order of the input."""
        if not self.ctx.found:
            return self.exit_codes.ERROR_NO_LABELS.format(reason=self.ctx.reason)
        labels = {f'labels_{index}': found for index, found in enumerate(self.ctx.labels)}
        self.out('structures', collect_labels(self.inputs.structures, **labels))
        return None

    def _job(self, structures: StructureSetData, state: str) -> Job:
        return Job(structures, self.inputs.task.value, dict(self.inputs.dft), state)
