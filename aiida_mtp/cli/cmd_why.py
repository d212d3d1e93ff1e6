"""``aiida-mtp why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import ScreenType
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


@click.command('why')
@click.argument('name', metavar='ID-OR-FORMULA')
@click.option(
    '--screen', type=ScreenType(), help='Pk or uuid of the screen, by default the newest.'
)
@click.option('--json', 'for_scripts', is_flag=True, help='For scripts: eV/atom, null for unknown.')
def command(name: str, screen: WorkChainNode | None, for_scripts: bool) -> None:  # noqa: FBT001
    """Tell why a structure was kept or dropped at each stage, with the numbers of that moment."""
    from aiida_mtp.cli.output import as_json
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.cli.why import lines_of, why

    load()
    fate = why(screen or find_screen(), name)
    if for_scripts:
        click.echo(as_json(fate.to_mapping()))
        return
    for line in lines_of(fate):
        click.echo(line)
