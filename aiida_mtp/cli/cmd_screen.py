"""``aiida-mtp screen``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import JSON, SCREEN, ScreenType, examples, output
from aiida_mtp.cli.root import load
from aiida_mtp.cli.screen_control import kill, pause, resume
from aiida_mtp.cli.screen_exchange import archive, export, replay
from aiida_mtp.cli.screen_launch import launch
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


@click.group(
    'screen',
    epilog=examples(
        'aiida-mtp screen launch Al Ni --engine mtp-engine@localhost --dft mtp-dft@localhost '
        '--dry-run',
        'aiida-mtp screen status --watch  # how the newest stands',
        'aiida-mtp screen report -o report.html  # what it found',
    ),
)
def command() -> None:
    """Launch screens, see how they stand, and report what they found.

    Where a command takes a SCREEN, that is a pk or uuid; without one, the newest that will do is
    meant.
    """


for _command in (launch, pause, resume, kill, archive, export, replay):
    command.add_command(_command)


@command.command(
    'list',
    epilog=examples(
        'aiida-mtp screen list',
        'aiida-mtp screen list --json  # for scripts',
    ),
)
@JSON
def list_screens(for_scripts: bool) -> None:  # noqa: FBT001
    """List all screens, the newest first."""
    from rich.table import Table

    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.cli.screens import all_screens, state_of

    load()
    rows = [
        {
            'pk': screen.pk,
            'uuid': screen.uuid,
            'started': f'{screen.ctime:%Y-%m-%d %H:%M}',
            'elements': list(screen.inputs.elements),
            'label': screen.label,
            'state': state_of(screen),
        }
        for screen in all_screens()
    ]
    if for_scripts:
        click.echo(as_json(rows))
        return
    table = Table('pk', 'started', 'elements', 'label', 'state')
    for row in rows:
        elements = '-'.join(row['elements'])
        table.add_row(str(row['pk']), row['started'], elements, row['label'], row['state'])
    console().print(table)


@command.command(
    'status',
    epilog=examples(
        'aiida-mtp screen status  # of the newest',
        'aiida-mtp screen status 1234 --watch  # anew every two seconds, until it ends',
        'aiida-mtp screen status --json  # the same numbers, for scripts',
    ),
)
@SCREEN
@click.option('--watch', is_flag=True, help='Until it ends; Ctrl-C leaves it running.')
@JSON
def status(screen: WorkChainNode | None, watch: bool, for_scripts: bool) -> None:  # noqa: FBT001
    """Show how SCREEN (by default the newest) stands.

    What it does now; how many structures DFT has done, failed on, or is busy with; what the
    potential has learnt, how well, and how many labels it may still ask for; the time that is left;
    then its parts with their iterations. It only reads: the screen does not wait for it.
    """
    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.cli.standing import standing_of
    from aiida_mtp.cli.status import show_until_it_ends, status_view

    if watch and for_scripts:
        raise InputError('--json tells how it stands once; leave out --watch')
    load()
    node = screen or find_screen()
    if for_scripts:
        click.echo(as_json(standing_of(node).to_mapping()))
    elif watch:
        show_until_it_ends(node, console())
    else:
        console().print(status_view(node))


@command.command(
    'diff',
    epilog=examples(
        'aiida-mtp screen diff 1234 2345',
        'aiida-mtp screen diff 1234 2345 --json  # for scripts',
    ),
)
@click.argument('first', type=ScreenType())
@click.argument('second', type=ScreenType())
@JSON
def diff(first: WorkChainNode, second: WorkChainNode, for_scripts: bool) -> None:  # noqa: FBT001
    """Show what the screens FIRST and SECOND did differently, and what came of it."""
    from aiida_mtp.cli.diff import difference, tell_difference

    tell_difference(difference(first, second), for_scripts=for_scripts)


@command.command(
    'report',
    epilog=examples(
        'aiida-mtp screen report  # phases on and near the hull',
        'aiida-mtp screen report 1234 -o report.html  # and all else, as a page',
        'aiida-mtp screen report --reference mp-entries.json  # beside a database',
        'aiida-mtp screen report --json  # for scripts',
    ),
)
@SCREEN
@output('Write an interactive HTML report.')
@click.option(
    '--reference',
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Compare with the phases of a database: entries of pymatgen or the Materials Project '
    '(JSON), or formulas and formation energies in eV/atom, as of OQMD or AFLOW (CSV).',
)
@JSON
def report(
    screen: WorkChainNode | None,
    output: Path | None,
    reference: Path | None,
    for_scripts: bool,  # noqa: FBT001
) -> None:
    """Show the hull that SCREEN (by default the newest finished one) found."""
    from dataclasses import replace

    from aiida_mtp.cli.hull_table import comparison_table, hull_table
    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.cli.report import report_data
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.core.screening.published import published_energies
    from aiida_mtp.core.screening.reference_files import read_reference
    from aiida_mtp.core.screening.reference_hull import compare
    from aiida_mtp.core.screening.report import write_report
    from aiida_mtp.core.screening.report.summary import report_summary

    load()
    node = screen or find_screen(finished=True)
    if 'hull' not in node.outputs:
        raise InputError(f'screen {node.pk} has no hull yet; see aiida-mtp screen status {node.pk}')
    hull = node.outputs.hull.get_batch()
    comparison = (
        None if reference is None else compare(hull, read_reference(reference, hull.species))
    )
    terminal = console()
    if not for_scripts:
        terminal.print(hull_table(hull, published_energies(hull.species)))
        if comparison is not None:
            terminal.print(comparison_table(comparison))
    if output is None and not for_scripts:
        return
    data = replace(report_data(node), comparison=comparison)
    if output is not None:
        write_report(output, data)
    if for_scripts:
        click.echo(as_json(report_summary(data)))
    elif output is not None:
        terminal.print(f'report: {output.resolve()}')
