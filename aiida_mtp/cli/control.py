"""Pause, resume and kill a screen, and everything it called.

What AiiDA answers says little: a process may be between two daemons, may call another one just
then, or may need a minute to reach its scheduler. So the daemon is told until the database says
that it is done.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.cli.remote import Remote
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiida.orm import CalcJobNode, ProcessNode, WorkChainNode

PATIENCE = 180.0  # s: how long all of it may take
TIMEOUT = 20.0  # s: how long a process may take to answer
INTERVAL = 0.5  # s


def pause(screen: WorkChainNode) -> list[ProcessNode]:
    """Pause a screen and all it called, and return what was paused; jobs in a queue run on.

    Raises
    ------
    InputError
        If the screen has ended, no daemon runs, or a process does not answer.
    """
    from aiida.engine.processes.control import pause_processes, play_processes

    asked: set[int | None] = set()

    def pause_anew(processes: list[ProcessNode], timeout: float) -> None:
        # A job that is asked between two of its tasks does not hear it, and from then on takes
        # itself for one about to pause: it has to be told to go on before it hears us again.
        if deaf := [process for process in processes if process.pk in asked]:
            play_processes(deaf, timeout=timeout)
        pause_processes(processes, timeout=timeout)
        asked.update(process.pk for process in processes)

    _refuse_ended(screen, 'paused')
    return _tell(screen, pause_anew, lambda process: not process.paused, 'pause')


def resume(screen: WorkChainNode) -> list[ProcessNode]:
    """Let all go on that is paused, by whomever, and return it.

    Raises
    ------
    InputError
        If the screen has ended, no daemon runs, or a process does not answer.
    """
    from aiida.engine.processes.control import play_processes

    _refuse_ended(screen, 'resumed')
    return _tell(screen, play_processes, lambda process: process.paused, 'go on')


def kill(screen: WorkChainNode) -> list[ProcessNode]:
    """Kill a screen, all it called, and their jobs in the queues; return what was killed.

    Raises
    ------
    InputError
        If the screen has ended, no daemon runs, or a process does not answer.
    """
    from aiida.engine.processes.control import kill_processes

    def kill_from_above(processes: list[ProcessNode], timeout: float) -> None:
        # A killed caller kills what it called; were that killed first, it would be tried again.
        # What is left cannot cancel its job, if only because that has just ended: we do it below.
        is_left = processes[0].pk != screen.pk
        kill_processes(processes if is_left else processes[:1], force=is_left, timeout=timeout)

    _refuse_ended(screen, 'killed')
    killed = _tell(screen, kill_from_above, lambda _: True, 'end')
    for job in running_jobs(killed):
        _cancel(job)
    return killed


def running_jobs(processes: Sequence[ProcessNode]) -> list[CalcJobNode]:
    """Return the jobs among some processes that are in the queue of a computer or run there."""
    from aiida.orm import CalcJobNode
    from aiida.schedulers.datastructures import JobState

    return [
        process
        for process in processes
        if isinstance(process, CalcJobNode)
        and process.get_job_id() is not None
        and process.get_scheduler_state() != JobState.DONE
    ]


def name_of(job: CalcJobNode) -> str:
    """Return which job this is, for AiiDA and for the scheduler."""
    computer = job.computer.label if job.computer else 'nowhere'
    return f'{job.process_label}<{job.pk}> (job {job.get_job_id()} on {computer})'


def living(screen: WorkChainNode) -> list[ProcessNode]:
    """Return a screen and all it called, at whatever depth, that have not ended; callers first."""
    from aiida.orm import load_node

    called: list[Any] = [load_node(one.pk) for one in called_by(screen) if one.is_running]
    return [process for process in (screen, *called) if not process.is_terminated]


def _refuse_ended(screen: WorkChainNode, done: str) -> None:
    from aiida.engine.daemon.client import get_daemon_client

    if not living(screen):
        state = screen.process_state.value if screen.process_state else 'unknown'
        how = 'its hull is found' if screen.is_finished_ok else state
        raise InputError(f'screen {screen.pk} cannot be {done}, it has ended: {how}')
    if not get_daemon_client().is_daemon_running:
        raise InputError(
            f'screen {screen.pk} cannot be {done} while the AiiDA daemon is stopped: '
            'start it with verdi daemon start, and say this again'
        )


def _tell(
    screen: WorkChainNode,
    act: Callable[..., None],
    is_left: Callable[[ProcessNode], bool],
    word: str,
) -> list[ProcessNode]:
    """Tell the daemon until nothing of a screen is left to do, and return what it was told of."""
    told: dict[Any, ProcessNode] = {}
    end = time.monotonic() + PATIENCE
    while left := [process for process in living(screen) if is_left(process)]:
        if time.monotonic() > end:
            names = ', '.join(f'{one.process_label}<{one.pk}>' for one in left)
            raise InputError(
                f'{names}: told to {word}, but not done yet; see verdi daemon logshow, '
                'and say this again'
            )
        told |= {process.pk: process for process in left}
        with _quiet():
            act(left, timeout=TIMEOUT)
        time.sleep(INTERVAL)
    return list(told.values())


def _cancel(job: CalcJobNode) -> None:
    """Cancel a job, if it has not ended, that its killed process did not cancel."""
    from aiida.engine.daemon.execmanager import kill_calculation
    from aiida.schedulers.datastructures import JobState

    computer: Any = job.computer
    name = job.get_job_id()
    with Remote.connect(computer) as remote:
        scheduler = computer.get_scheduler()
        scheduler.set_transport(remote.transport)
        known = scheduler.get_jobs(jobs=[name], as_dict=True).get(name)
        if known is not None and known.job_state != JobState.DONE:
            kill_calculation(job, remote.transport)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence AiiDA, which reports every message it sends."""
    from aiida.engine.processes.control import LOGGER

    before, LOGGER.disabled = LOGGER.disabled, True
    try:
        yield
    finally:
        LOGGER.disabled = before
