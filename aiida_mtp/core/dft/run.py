"""Many structures over a few processes, the long ones first."""

from __future__ import annotations

import contextlib
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from aiida_mtp.core.dft.compute import compute
from aiida_mtp.core.dft.results import (
    FAILED,
    Result,
    read_result,
    structure_hashes,
    with_results,
)
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from aiida_mtp.core.dft.settings import DftSettings
    from aiida_mtp.core.structures import StructureBatch


def run_batch(
    batch: StructureBatch,
    settings: DftSettings,
    task: str,
    folder: Path,
    *,
    n_processes: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> StructureBatch:
    """Compute every structure of a batch that the folder has no result of.

    Each result is in the folder as soon as it is there, so a run that is killed goes on where it
    was. A process that dies takes only its structure with it.

    Returns
    -------
    StructureBatch
        Every row in order, with labels, status and reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = structure_hashes(batch)
    digest = settings.task_digest(task)
    results: dict[str, Result] = {}
    for key in keys:
        known = read_result(folder, task, key)
        if known is not None and known.task_digest == digest:
            results[key] = known
    todo = {key: row for row, key in enumerate(keys) if key not in results}
    advance(len(batch) - len(todo))
    ordered = sorted(todo.values(), key=lambda row: (-_cost(batch, row), row))
    for row, result in _computed(batch, settings, task, ordered, n_processes):
        result.write(folder, task)
        results[keys[row]] = result
        advance(1)
    return with_results(batch, [results[key] for key in keys])


def _cost(batch: StructureBatch, row: int) -> float:
    """Return roughly how costly a structure is: it goes as bands² × plane waves × k points."""
    return float(batch.n_atoms[row] ** 2)


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    row: int


def _computed(
    batch: StructureBatch, settings: DftSettings, task: str, rows: list[int], n_processes: int
) -> Any:
    """Yield row and result as they come."""
    if n_processes == 1 or settings.calculator == 'emt':  # a toy is done before a process starts
        for row in rows:
            yield row, compute(batch.to_ase(row), settings, task)
        return
    waiting = list(reversed(rows))
    workers: dict[Any, _Worker] = {}
    try:
        while waiting or workers:
            while waiting and len(workers) < n_processes:
                worker = _start(batch, settings, task, waiting.pop())
                workers[worker.pipe] = worker
            for pipe in wait(list(workers)):
                worker = workers[pipe]
                try:
                    answer = worker.pipe.recv()
                except EOFError:
                    answer = _death(worker, batch, settings, task)
                if isinstance(answer, InputError):
                    raise answer
                yield worker.row, answer
                if waiting and worker.process.is_alive():
                    worker.row = waiting.pop()
                    with contextlib.suppress(BrokenPipeError):  # its end is noticed above
                        worker.pipe.send(worker.row)
                else:
                    del workers[pipe]
                    worker.pipe.close()
                    worker.process.join()
    finally:
        for worker in workers.values():
            worker.process.terminate()


def _start(batch: StructureBatch, settings: DftSettings, task: str, row: int) -> _Worker:
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, ours, batch, settings, task), daemon=True)
    process.start()
    theirs.close()
    ours.send(row)
    return _Worker(process, ours, row)


def _work(
    pipe: Connection,
    parents_end: Connection,
    batch: StructureBatch,
    settings: DftSettings,
    task: str,
) -> None:
    """Compute the rows that come through the pipe until it closes."""
    parents_end.close()
    while True:
        try:
            row = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(compute(batch.to_ase(row), settings, task))
        except InputError as error:
            pipe.send(error)
            return


def _death(worker: _Worker, batch: StructureBatch, settings: DftSettings, task: str) -> Result:
    worker.process.join()
    return Result(
        structure=structure_hashes(batch.take([worker.row]))[0],
        task_digest=settings.task_digest(task),
        digest=settings.digest(),
        status=FAILED,
        message=f'the process that computed it died with exit code {worker.process.exitcode}',
        version=settings.version,
    )
