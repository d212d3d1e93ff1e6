"""Jobs of the engine: so many in the queue at a time, and again what was cut short."""

from __future__ import annotations

from typing import Any

from aiida.engine import ToContext, WorkChain, while_
from aiida.orm import AbstractCode, CalcJobNode
from aiida.plugins import CalculationFactory

from aiida_mtp.calculations.base import EngineCalculation
from aiida_mtp.calculations.label_functions import take_unfinished
from aiida_mtp.workchains.label import (
    MAX_ATTEMPTS,
    MAX_JOBS,
    failure,
    is_refused,
    is_uncached,
    validate_max_jobs,
)


class EngineWorkChain(WorkChain):
    """A work chain whose steps are jobs of `mtp-engine`.

    One step of the outline puts jobs into the queue, `cls.jobs()` after it submits them and waits,
    and the next step takes what they gave. A job that ended for a reason outside its input, because
    it was killed or its node died, is submitted again, `MAX_ATTEMPTS` times in all; of a relaxation
    whose time was up, only the structures that are left. What was refused as bad input is not tried
    again: the answer would be the same.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the inputs that say how the engine is run."""
        super().define(spec)
        spec.input('engine.code', valid_type=AbstractCode, help='The executable `mtp-engine`.')
        spec.input(
            'engine.options',
            valid_type=dict,
            non_db=True,
            default=dict,
            help='Options of each job.',
        )
        spec.input(
            'engine.max_jobs',
            valid_type=int,
            non_db=True,
            default=MAX_JOBS,
            validator=validate_max_jobs,
            help='Most jobs of one work chain that are in the queue at once.',
        )

    @classmethod
    def jobs(cls) -> Any:
        """Return the part of an outline that submits what is in the queue until all has ended."""
        return while_(cls.has_jobs)(cls.run_jobs, cls.inspect_jobs)

    def has_jobs(self) -> bool:
        """Whether jobs are still to be submitted."""
        return bool(self.ctx.get('queue'))

    def run_jobs(self) -> ToContext[str, Any]:
        """Submit as many jobs as may be in the queue at once."""
        limit, engine = self.inputs.engine.max_jobs, self.inputs.engine
        self.ctx.window, self.ctx.queue = self.ctx.queue[:limit], self.ctx.queue[limit:]
        jobs = {}
        for index, job in enumerate(self.ctx.window):
            metadata = {
                'options': engine.options,
                'call_link_label': job['label'],
                'disable_cache': is_uncached(self.node),
            }
            process = CalculationFactory(job['process'])
            jobs[f'job_{index}'] = self.submit(
                process, code=engine.code, metadata=metadata, **job['inputs']
            )
        return ToContext(**jobs)

    def inspect_jobs(self) -> None:
        """Keep what has ended well; what was cut short goes back into the queue."""
        for index, job in enumerate(self.ctx.window):
            node = self.ctx.pop(f'job_{index}')
            if node.is_finished_ok:
                self.ctx.setdefault('done', []).append(node)
            elif node.exit_status == EngineCalculation.UNFINISHED:
                self._queue_rest(node, job)
            else:
                self._queue_again(node, job)
        if 'reason' in self.ctx:
            self.ctx.queue = []

    def _queue(self, process: str, label: str, **inputs: Any) -> None:
        """Put a job into the queue: entry point, label of the call, inputs."""
        queue = self.ctx.setdefault('queue', [])
        queue.append({'process': process, 'label': label, 'inputs': inputs, 'attempt': 1})

    def _take_jobs(self) -> tuple[list[CalcJobNode], str]:
        """Return the jobs that ended since the last call, and why one was given up, if one was."""
        return self.ctx.pop('done', []), self.ctx.pop('reason', '')

    def _queue_rest(self, node: CalcJobNode, job: dict[str, Any]) -> None:
        """Submit what a job did not come to; one that came to nothing counts as an attempt."""
        rest = take_unfinished(job['inputs']['structures'], node.outputs.structures)
        if len(rest) == len(job['inputs']['structures']):
            self._queue_again(node, job)
            return
        self.report(f'{failure(node)} They go into another job')
        self.ctx.setdefault('done', []).append(node)
        inputs = {**job['inputs'], 'structures': rest}
        self.ctx.queue.append({**job, 'inputs': inputs, 'attempt': 1})

    def _queue_again(self, node: CalcJobNode, job: dict[str, Any]) -> None:
        """Submit a job again, unless that makes no sense."""
        attempt = job['attempt']
        if is_refused(node) or attempt >= MAX_ATTEMPTS:
            self.ctx.reason = failure(node)
            if attempt > 1:
                self.ctx.reason += f' (attempt {attempt} of {MAX_ATTEMPTS})'
            self.report(f'{self.ctx.reason}; given up')
            return
        self.report(f'{failure(node)}; submitted again, attempt {attempt + 1} of {MAX_ATTEMPTS}')
        self.ctx.queue.append({**job, 'attempt': attempt + 1})
