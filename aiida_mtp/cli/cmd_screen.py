"""``aiida-mtp screen``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from aiida_mtp.cli.parameters import SCREEN, CodeType, ScreenType
from aiida_mtp.cli.root import load
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, WorkChainNode

PROTOCOLS = ('fast', 'balanced', 'stringent')


@click.group('screen')
def command() -> None:
    """Launch screens, see how they stand, and report what they found."""


@command.command('launch')
@click.argument('elements', nargs=-1, required=True)
@click.option('--protocol', type=click.Choice(PROTOCOLS), default='balanced', show_default=True)
@click.option(
    '--engine',
    type=CodeType(entry_point='mtp.relax'),
    required=True,
    help='Code of mtp-engine, as label@computer.',
)
@click.option(
    '--dft', type=CodeType(), required=True, help='Code of the DFT backend, as label@computer.'
)
@click.option('--backend', help='By default the one that runs the code.')
@click.option(
    '--overrides',
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='YAML file with values in place of those of the protocol.',
)
@click.option(
    '--structures',
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='File with structures of your own: Parquet, extxyz, cfg, CIF, POSCAR, entries as JSON.',
)
@click.option('--label', default='', help='A name for the screen.')
@click.option('--again', is_flag=True, help='Though a screen of these inputs runs or is done.')
@click.option('--dry-run', is_flag=True, help='Check everything, show the inputs, submit nothing.')
def launch(
    elements: tuple[str, ...],
    protocol: str,
    engine: AbstractCode,
    dft: AbstractCode,
    backend: str | None,
    overrides: Path | None,
    structures: Path | None,
    label: str,
    again: bool,  # noqa: FBT001
    dry_run: bool,  # noqa: FBT001
) -> None:
    """Launch a screen of ELEMENTS, such as: Al Ni Ti."""
    from aiida.engine import submit

    from aiida_mtp.cli.screens import screen_with_inputs
    from aiida_mtp.data.structures import StructureSetData
    from aiida_mtp.workchains.backends import backend_of
    from aiida_mtp.workchains.protocols import protocol_inputs
    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    backend = backend or backend_of(dft)
    values = _yaml(overrides)
    own = StructureSetData.from_file(structures, list(elements)) if structures else None
    if own is not None and not len(own):
        raise InputError(f'{structures}: holds no structures')
    try:
        builder: Any = MtpScreenWorkChain.get_builder_from_protocol(
            list(elements),
            engine,
            dft,
            protocol=protocol,
            backend=backend,
            structures=own,
            overrides=values,
        )
    except ValueError as error:  # what a port refuses
        raise InputError(str(error).splitlines()[0]) from None
    builder.metadata.label = label or '-'.join(elements)
    if dry_run:
        click.echo(
            yaml.safe_dump(
                protocol_inputs('screen', protocol, values, backend=backend), sort_keys=False
            )
        )
        return
    known = None if again else screen_with_inputs(builder)
    if known is not None:
        state = 'is done' if known.is_terminated else 'is running'
        raise InputError(f'screen {known.pk} of the same inputs {state}; --again launches another')
    screen = submit(builder)
    click.echo(f'screen {screen.pk} of {"-".join(elements)}, uuid {screen.uuid}')
    click.echo(f'see how it goes: aiida-mtp screen status {screen.pk}')


def _yaml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: no YAML: {str(error).splitlines()[0]}') from None
    if not isinstance(values, dict):
        raise InputError(f'{path}: must hold keys and values, such as `prototypes: {{fcc: 6}}`')
    return values


@command.command('list')
def list_screens() -> None:
    """List all screens, the newest first."""
    from rich.table import Table

    from aiida_mtp.cli.output import console
    from aiida_mtp.cli.screens import all_screens

    load()
    table = Table('pk', 'started', 'elements', 'label', 'state')
    for screen in all_screens():
        state = screen.process_state.value
        if screen.is_finished:
            state = 'hull found' if screen.is_finished_ok else f'failed [{screen.exit_status}]'
        elements = '-'.join(screen.inputs.elements)
        started = f'{screen.ctime:%Y-%m-%d %H:%M}'
        table.add_row(str(screen.pk), started, elements, screen.label, state)
    console().print(table)


@command.command('status')
@SCREEN
@click.option('--watch', is_flag=True, help='Until it ends; Ctrl-C leaves it running.')
def status(screen: WorkChainNode | None, watch: bool) -> None:  # noqa: FBT001
    """Show how SCREEN (pk or uuid, by default the newest) stands."""
    from aiida_mtp.cli.output import console
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.cli.status import show_until_it_ends, status_tree

    load()
    node = screen or find_screen()
    if watch:
        show_until_it_ends(node, console())
    else:
        console().print(status_tree(node))


@command.command('pause')
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


@command.command('resume')
@SCREEN
def resume(screen: WorkChainNode | None) -> None:
    """Let SCREEN (by default the newest that runs) go on, and all it called that is paused."""
    from aiida_mtp.cli import control

    node = _running(screen)
    resumed = control.resume(node)
    if not resumed:
        raise InputError(f'screen {node.pk} is not paused, nor is anything it called')
    click.echo(f'screen {node.pk} goes on: {_processes(resumed)}')


@command.command('kill')
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


@command.command('diff')
@click.argument('first', type=ScreenType())
@click.argument('second', type=ScreenType())
@click.option('--json', 'for_scripts', is_flag=True, help='For scripts: eV/atom, null for unknown.')
def diff(first: WorkChainNode, second: WorkChainNode, for_scripts: bool) -> None:  # noqa: FBT001
    """Show what the screens FIRST and SECOND (pk or uuid) did differently, and what came of it."""
    from aiida_mtp.cli.diff import difference, difference_tables
    from aiida_mtp.cli.output import as_json, console

    found = difference(first, second)
    if for_scripts:
        click.echo(as_json(found.to_mapping()))
        return
    for table in difference_tables(found):
        console().print(table)


def _running(screen: WorkChainNode | None) -> Any:
    from aiida_mtp.cli.screens import find_screen

    load()
    return screen or find_screen(running=True)


def _processes(processes: list[Any]) -> str:
    return f'{len(processes)} process{"" if len(processes) == 1 else "es"}'


@command.command('report')
@SCREEN
@click.option(
    '-o',
    '--output',
    type=click.Path(dir_okay=False, path_type=Path),
    help='Write an HTML report with a picture of the hull.',
)
def report(screen: WorkChainNode | None, output: Path | None) -> None:
    """Show the hull that SCREEN (by default the newest finished one) found."""
    from aiida_mtp.cli.hull_table import hull_table
    from aiida_mtp.cli.output import console
    from aiida_mtp.cli.report import report_data
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.core.screening.published import published_energies
    from aiida_mtp.core.screening.report import write_report

    load()
    node = screen or find_screen(finished=True)
    if 'hull' not in node.outputs:
        raise InputError(f'screen {node.pk} has no hull yet; see aiida-mtp screen status {node.pk}')
    hull = node.outputs.hull.get_batch()
    terminal = console()
    terminal.print(hull_table(hull, published_energies(hull.species)))
    if output is not None:
        write_report(output, report_data(node))
        terminal.print(f'report: {output.resolve()}')


@command.command('archive')
@click.argument('path', type=click.Path(dir_okay=False, path_type=Path))
@SCREEN
def archive(path: Path, screen: WorkChainNode | None) -> None:
    """Write all of SCREEN (by default the newest finished one) to PATH, an archive of AiiDA.

    It holds every process and all data behind the hull; `verdi archive import` reads it elsewhere,
    and the report is the same there.
    """
    from aiida_mtp.cli.archive import write_archive
    from aiida_mtp.cli.screens import find_screen

    load()
    node = screen or find_screen(finished=True)
    write_archive(node, path)
    click.echo(f'wrote screen {node.pk} to {path}')
    click.echo(f'elsewhere: verdi archive import {path.name}; aiida-mtp screen report {node.uuid}')
