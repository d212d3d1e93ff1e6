"""``aiida-mtp screen pause``, ``resume`` and ``kill``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiida_mtp.cli.parameters import SCREEN, examples
from aiida_mtp.cli.root import load
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


@click.command(
    'pause',
    epilog=examples(
        'aiida-mtp screen pause  # the newest that runs',
        'aiida-mtp screen pause 1234',
    ),
)
@SCREEN
def pause(screen: WorkChainNode | None) -> None:
    """Pause SCREEN (by default the newest that runs): it submits nothing more until resumed."""
    from aiida_mtp.cli import control

    node = _running(screen)
    paused = control.pause(node)
    click.echo(f'screen {node.pk} is paused, with all it called: {_processes(paused)}')
    for job in control.running_jobs(control.living(node)):
        click.echo(f'still runs, and waits for you when it is done: {control.name_of(job)}')
    click.echo(f'let it go on: aiida-mtp screen resume {node.pk}')


@click.command(
    'resume',
    epilog=examples(
        'aiida-mtp screen resume  # the newest that has not ended',
        'aiida-mtp screen resume 1234',
    ),
)
@SCREEN
def resume(screen: WorkChainNode | None) -> None:
    """Let SCREEN (by default the newest that runs) go on, and all it called that is paused."""
    from aiida_mtp.cli import control

    node = _running(screen)
    resumed = control.resume(node)
    if not resumed:
        raise InputError(f'screen {node.pk} is not paused, nor is anything it called')
    click.echo(f'screen {node.pk} goes on: {_processes(resumed)}')


@click.command(
    'kill',
    epilog=examples(
        'aiida-mtp screen kill  # the newest that runs',
        'aiida-mtp screen kill 1234',
    ),
)
@SCREEN
def kill(screen: WorkChainNode | None) -> None:
    """Kill SCREEN (by default the newest that runs), all it called, and their jobs.

    What was computed stays: launched again, the screen takes it from the cache, if that is on.
    """
    from aiida_mtp.cli import control

    node = _running(screen)
    jobs = control.running_jobs(control.living(node))
    killed = control.kill(node)
    click.echo(f'screen {node.pk} is killed, with all it called: {_processes(killed)}')
    for job in [job for job in jobs if job.is_killed]:
        click.echo(f'stopped: {control.name_of(job)}')


def _running(screen: WorkChainNode | None) -> Any:
    from aiida_mtp.cli.screens import find_screen

    load()
    return screen or find_screen(running=True)


def _processes(processes: list[Any]) -> str:
    return f'{len(processes)} process{"" if len(processes) == 1 else "es"}'
