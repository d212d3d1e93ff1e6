"""Watch a screen as it goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.process_tree import called_by, outputs_of
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiida.orm import WorkChainNode
    from rich.console import Console

    from aiida_mtp.cli.process_tree import Called

INTERVAL = 2.0  # s
SLOW = 30.0  # s: how often the state is printed where there is no terminal
PARTS = {
    'references': 'elements',
    'prototypes': 'prototypes',
    'stage_1': 'Screen-1',
    'stage_2': 'Screen-2',
    'final': 'final DFT',
}
DOING = {
    'mtp.prototypes': 'generates',
    'mtp.relax': 'relaxes',
    'mtp.train': 'trains on',
    'mtp.select': 'selects among',
    'mtp.dft': 'DFT',
    'quantumespresso.pw': 'Quantum ESPRESSO',
    'vasp.vasp': 'VASP',
}


def follow(screen: WorkChainNode, console: Console) -> None:
    """Print what the work chains of a screen report, and what they do, until it ends.

    Interrupting it leaves the screen running.

    Raises
    ------
    InputError
        If the screen cannot go on: the daemon has stopped, or a job waits for someone to mend it.
    """
    from rich.text import Text

    printed: set[int] = set()
    last = 0.0
    with console.status('starting') as status:
        while True:
            ended = screen.is_terminated  # asked first: what it reported then is complete
            called = called_by(screen)
            for number, text in _reports(screen, called):
                if number not in printed:
                    printed.add(number)
                    line = Text.assemble((_age(screen), 'dim'), f'  {text}')
                    console.print(line, highlight=False)
            if ended:
                return
            refuse_to_wait(called)
            now = f'{_age(screen)}  {progress(called)}'
            status.update(Text(now))
            if not console.is_terminal and time.monotonic() - last > SLOW:
                last = time.monotonic()
                console.print(now, style='dim', highlight=False)
            time.sleep(INTERVAL)


def refuse_to_wait(called: Sequence[Called]) -> None:
    """Raise `InputError` if nobody works on the screen: no daemon, or a job that is paused."""
    from aiida.engine.daemon.client import get_daemon_client
    from aiida.orm import Log, load_node

    if not get_daemon_client().is_daemon_running:
        raise InputError(
            'the AiiDA daemon has stopped, the screen waits for it; '
            'see verdi daemon logshow, and run this again to go on'
        )
    paused = [one for one in called if one.is_paused and one.is_running]
    if paused:
        node = load_node(paused[0].pk)
        logs = Log.collection.get_logs_for(node)
        messages = [log.message for log in logs if log.levelname in {'WARNING', 'ERROR'}]
        reason = (messages or [node.process_status or 'no reason given'])[-1]
        raise InputError(
            f'{paused[0].name}<{node.pk}> is paused: {reason.strip().splitlines()[-1]}; '
            f'mend it and go on with verdi process play {node.pk}'
        )


def _age(screen: WorkChainNode) -> str:
    """Return the time since a screen was started."""
    from aiida.common import timezone

    seconds = int((timezone.now() - screen.ctime).total_seconds())
    return f'{seconds // 60:3d}:{seconds % 60:02d}'


def _reports(screen: WorkChainNode, called: Sequence[Called]) -> Iterator[tuple[int, str]]:
    """Yield the reports of a screen and all its work chains, in order of time."""
    from aiida.orm import Log, QueryBuilder

    parts = {screen.pk: 'screen'} | {one.pk: PARTS.get(one.part, one.part) for one in called}
    query = QueryBuilder().append(
        Log,
        filters={'dbnode_id': {'in': list(parts)}, 'levelname': {'in': ['REPORT', 'ERROR']}},
        project=['id', 'dbnode_id', 'message'],
    )
    query.order_by({Log: 'time'})
    for number, node, message in query.all():
        # what AiiDA puts before it: [pk|class|step]:
        text = message.split(']: ', 1)[-1].strip().splitlines()[-1]
        yield number, f'{parts[node]:10s}  {text}'


def progress(called: Sequence[Called]) -> str:
    """Return in one line what a screen is doing, and how much it has learnt."""
    running = [one for one in called if one.is_job and one.is_running]
    words = [_doing(running[-1])] if running else ['between two jobs']
    grown = [one.pk for one in called if one.name == 'append_labels' and one.is_done]
    if grown:
        size = outputs_of(grown[-1:], 'n_structures').get(grown[-1])
        words.append(f'training set {size}')
    jobs = [one.pk for one in called if one.is_dft and one.is_done]
    counts = outputs_of(jobs, 'n_structures')
    done = sum(counts.get(pk, 1) for pk in jobs)  # a code that takes one structure tells no number
    if done:
        words.append(f'{done} DFT results')
    return ' · '.join(words)


def _doing(job: Called) -> str:
    """Return what a job that runs is doing."""
    from aiida.orm import load_node

    node: Any = load_node(job.pk)
    part = PARTS.get(job.part, job.part)
    name = job.kind.removeprefix('aiida.calculations:')
    words = f'{part}: {DOING.get(name, name)}'
    given = {'mtp.select': 'candidates'}.get(name, 'structures')
    if given not in node.inputs:
        return words
    total = len(node.inputs[given])
    done = finished_results(node)
    return f'{words} {total}' if done is None else f'{words} {done} of {total}'


def finished_results(node: Any) -> int | None:
    """Return how many structures a DFT job on this machine has finished; None for other jobs."""
    folder = node.get_remote_workdir()
    if folder is None or node.computer.transport_type != 'core.local':
        return None
    results = Path(folder) / 'results'
    return len(list(results.glob('*.json'))) if results.is_dir() else None
