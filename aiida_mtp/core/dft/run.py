"""Many structures on several processes: longest first, each result kept as soon as it is there.

The processes are started once and given one structure after the other. One that dies takes only
its structure with it: that has failed, a new process takes over.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aiida_mtp.core.dft.calculators import check_calculator, expected_cost
from aiida_mtp.core.dft.results import FAILED, Result, read_result, structure_hashes
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiida_mtp.core.dft.compute import Task
    from aiida_mtp.core.structures import StructureBatch

_WORKER = 'aiida_mtp.core.dft.worker'
_ATTEMPTS = (
    3  # what fails may fail by chance: a tenth of all runs at random is one structure of 1000
)
_ONE_THREAD = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')


@dataclass(frozen=True)
class Finished:
    """One structure that is done, for those who watch.

    Parameters
    ----------
    id
        Of the structure.
    done, total
        Number of structures done by this run, and that it has to do.
    """

    id: str
    status: str
    message: str
    seconds: float
    done: int
    total: int


def run(
    batch: StructureBatch,
    task: Task,
    folder: Path,
    *,
    processes: int = 1,
    watch: Callable[[Finished], None] = lambda _: None,
) -> None:
    """Compute what a folder of results does not hold yet; what fails is tried three times.

    Equal structures are computed once.

    Raises
    ------
    InputError
        If the calculator is not there or does not know a species, before anything is computed.
    OSError
        If results cannot be written.
    """
    check_calculator(task.settings, {batch.species[t] for t in set(batch.types.tolist())})
    folder.mkdir(parents=True, exist_ok=True)
    jobs = _jobs(batch, task, folder)
    if not jobs:
        return
    with tempfile.TemporaryDirectory(prefix='mtp-dft-') as logs:
        pool = _Pool(task, folder, Path(logs))
        try:
            pool.work(jobs, min(processes, len(jobs)), watch)
        finally:
            pool.close()


def results_of(batch: StructureBatch, task: Task, folder: Path) -> list[Result | None]:
    """Return what a folder knows of each row, found with these settings."""
    results = (read_result(folder, task.name, key) for key in structure_hashes(batch))
    return [r if r is not None and r.task_digest == task.task_digest else None for r in results]


def _jobs(batch: StructureBatch, task: Task, folder: Path) -> list[dict[str, Any]]:
    """Return what is to be computed, the most expensive first."""
    jobs: dict[str, dict[str, Any]] = {}
    costs: dict[str, float] = {}
    known = results_of(batch, task, folder)
    for index, (key, result) in enumerate(zip(structure_hashes(batch), known, strict=True)):
        if key in jobs or (result is not None and result.status != FAILED):
            continue
        rows = batch.atoms_of(index)
        costs[key] = expected_cost(task.settings, batch.to_ase(index))
        jobs[key] = {
            'id': str(batch.ids[index]),
            'structure': key,
            'symbols': [batch.species[t] for t in batch.types[rows]],
            'cell': batch.cells[index].tolist(),
            'positions': batch.positions[rows].tolist(),
        }
    return sorted(jobs.values(), key=lambda job: -costs[job['structure']])


class _Worker:
    """A process that computes, and the structure it is busy with."""

    def __init__(self, header: str, log: IO[bytes]) -> None:
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, '1')}
        root = str(Path(__file__).parents[3])
        if root not in sysconfig.get_paths().values():  # not installed, but run from its sources
            paths = (root, environment.get('PYTHONPATH'))
            environment['PYTHONPATH'] = os.pathsep.join(path for path in paths if path)
        process = subprocess.Popen(  # noqa: S603 our own module
            [sys.executable, '-m', _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,  # an interrupt from the keyboard is for us alone
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError('no pipes')
        self.process, self.stdin, self.stdout, self.log = (
            process,
            process.stdin,
            process.stdout,
            log,
        )
        self.is_ready = False
        self.job: dict[str, Any] | None = None
        self._rest = b''
        self._send(header)

    def start(self, job: dict[str, Any]) -> None:
        """Give it a structure."""
        self.job = job
        self._send(json.dumps(job))

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # it has died, which shows where its answers are read
            self.stdin.write(line.encode() + b'\n')
            self.stdin.flush()

    def answers(self) -> Iterator[dict[str, Any] | None]:
        """Yield the answers that have come; None, at last, if it has died."""
        data = os.read(self.stdout.fileno(), 65536)
        *lines, self._rest = (self._rest + data).split(b'\n')
        for line in lines:
            yield json.loads(line)
        if not data:
            yield None

    def epitaph(self) -> str:
        """Return in one line how it died."""
        code = self.process.wait()
        how = f'ended with exit code {code}'
        if code < 0:
            how = f'was killed by {signal.Signals(-code).name}'
        if code == -signal.SIGKILL:
            how += ' (out of memory?)'
        self.log.seek(0)
        last = self.log.read()[-2000:].decode(errors='replace').strip().splitlines()[-1:]
        return ': '.join([f'the process {how}', *last])

    def close(self) -> None:
        """End it and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self.log.close()


class _Pool:
    """The processes at work."""

    def __init__(self, task: Task, folder: Path, logs: Path) -> None:
        self._task, self._folder, self._logs = task, folder, logs
        shared = {
            'task': task.name,
            'settings': task.settings.to_mapping(),
            'folder': str(folder.resolve()),
        }
        self._header = json.dumps(shared)
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._n_started = 0

    def work(
        self, jobs: list[dict[str, Any]], processes: int, watch: Callable[[Finished], None]
    ) -> None:
        """Compute all jobs, started in this order; what fails is tried again after the others."""
        waiting = jobs[::-1]
        attempts = Counter[str]()
        done = 0
        while done < len(jobs):
            while len(self._workers) < min(processes, len(jobs) - done):
                self._start()
            for worker in self._workers:
                if waiting and worker.is_ready and worker.job is None:
                    worker.start(waiting.pop())
            for worker, answer in self._answers():
                job = worker.job
                if job is not None:
                    found = self._outcome(worker, job, answer)
                    worker.job = None
                    attempts[job['structure']] += 1
                    if found['status'] == FAILED and attempts[job['structure']] < _ATTEMPTS:
                        waiting.insert(0, job)
                        continue
                    done += 1
                    watch(Finished(job['id'], **found, done=done, total=len(jobs)))
                elif answer is not None:
                    worker.is_ready = True
                elif worker.is_ready:
                    self._remove(worker)
                else:
                    raise InputError(f'the calculator cannot be started: {worker.epitaph()}')

    def _answers(self) -> Iterator[tuple[_Worker, dict[str, Any] | None]]:
        """Wait for answers and yield them."""
        for key, _ in self._selector.select():
            for answer in key.data.answers():
                yield key.data, answer

    def _start(self) -> None:
        """Start a process."""
        self._n_started += 1
        worker = _Worker(self._header, (self._logs / f'{self._n_started}.log').open('w+b'))
        self._workers.append(worker)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)

    def _outcome(
        self, worker: _Worker, job: dict[str, Any], answer: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return status, message and seconds of the structure a process was busy with."""
        if answer is None:
            message = worker.epitaph()
            self._remove(worker)
            result = self._task.result(job['structure'], status=FAILED, message=message)
            result.write(self._folder, self._task.name)
            return {'status': FAILED, 'message': message, 'seconds': 0.0}
        if 'fatal' in answer:
            raise OSError(answer['errno'], answer['fatal'], str(self._folder))
        return answer

    def _remove(self, worker: _Worker) -> None:
        """Forget a process."""
        self._selector.unregister(worker.stdout)
        self._workers.remove(worker)
        worker.close()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers[:]:
            self._remove(worker)
        self._selector.close()
