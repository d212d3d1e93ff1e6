"""Watch a screen as it goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida.orm import WorkChainNode
    from rich.console import Console

INTERVAL = 2.0  # s
SLOW = 30.0  # s: how often the state is printed where there is no terminal


def follow(screen: WorkChainNode, console: Console) -> None:
    """Print what the work chains of a screen report until it ends.

    Interrupting it leaves the screen running.
    """
    started, printed, last = time.monotonic(), set[int](), 0.0
    with console.status('starting') as status:
        while True:
            ended = screen.is_terminated
            for number, text in _reports(screen):
                if number not in printed:
                    printed.add(number)
                    console.print(f'[dim]{_clock(time.monotonic() - started)}[/dim]  {text}')
            if ended:
                return
            now = f'{_clock(time.monotonic() - started)}  {_current(screen)}'
            status.update(now)
            if not console.is_terminal and time.monotonic() - last > SLOW:
                last = time.monotonic()
                console.print(now, style='dim')
            time.sleep(INTERVAL)


def _clock(seconds: float) -> str:
    return f'{int(seconds) // 60:3d}:{int(seconds) % 60:02d}'


def _reports(screen: WorkChainNode) -> Iterator[tuple[int, str]]:
    """Yield the reports of a screen and all its work chains, in order of time."""
    from aiida.orm import Log, QueryBuilder

    chains = {screen.pk: ''}
    for chain in screen.called_descendants:
        if 'WorkChainNode' in type(chain).__name__:
            chains[chain.pk] = _stage(chain)
    query = QueryBuilder().append(
        Log,
        filters={'dbnode_id': {'in': list(chains)}},
        project=['id', 'dbnode_id', 'message', 'levelname'],
    )
    query.order_by({Log: 'time'})
    for number, node, message, _ in query.all():
        text = message.split(']: ', 1)[-1] if message.startswith('[') else message
        text = text.split('|')[-1].split(']: ', 1)[-1].strip()
        yield number, f'{chains[node]:8s} {text}'


def _stage(node: Any) -> str:
    """Return the label of the part of the screen that a process belongs to."""
    while node.caller is not None and node.caller.caller is not None:
        node = node.caller
    return call_label(node)


def call_label(node: Any) -> str:
    """Return the label under which a process was called."""
    from aiida.common.links import LinkType

    calls = (LinkType.CALL_CALC, LinkType.CALL_WORK)
    links = node.base.links.get_incoming(link_type=calls).all()
    return str(links[0].link_label) if links else ''


def _current(screen: WorkChainNode) -> str:
    """Return in a few words what a screen is doing."""
    running = [
        node
        for node in screen.called_descendants
        if 'CalcJobNode' in type(node).__name__ and not node.is_terminated
    ]
    if not running:
        return 'between two jobs'
    node = running[-1]
    words = f'{_stage(node)}: {node.process_label.removeprefix("Mtp").removesuffix("Calculation")}'
    total = len(node.inputs.structures) if 'structures' in node.inputs else 0
    done = finished_results(node)
    return f'{words} {done}/{total}' if done is not None else f'{words} ({total} structures)'


def finished_results(node: Any) -> int | None:
    """Return how many structures a DFT job on this machine has finished; None for other jobs."""
    folder = node.get_remote_workdir()
    if folder is None or node.computer.transport_type != 'core.local':
        return None
    results = Path(folder) / 'results'
    return len(list(results.glob('*.json'))) if results.is_dir() else None
