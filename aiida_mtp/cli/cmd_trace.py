"""``aiida-mtp trace``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import ScreenType
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


@click.command('trace')
@click.argument('name', metavar='ID-OR-FORMULA')
@click.option(
    '--screen',
    type=ScreenType(),
    help='Pk or uuid of the screen, by default the newest with a hull.',
)
@click.option('--all', 'everything', is_flag=True, help='List every training configuration.')
def command(name: str, screen: WorkChainNode | None, everything: bool) -> None:  # noqa: FBT001
    """Walk from a structure of the hull to its prototype, potentials, training and DFT."""
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.cli.trace import lines_of, trace

    load()
    found = trace(screen or find_screen(finished=True), name)
    for line in lines_of(found, everything=everything):
        click.echo(line)
