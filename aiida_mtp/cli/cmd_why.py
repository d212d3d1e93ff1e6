"""``aiida-mtp why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import JSON, ScreenType, examples
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode


@click.command(
    'why',
    epilog=examples(
        'aiida-mtp why Al3Ni  # of this composition the candidate that came nearest to the hull',
        'aiida-mtp why fcc-4-10:Al3Ni --screen 1234',
        'aiida-mtp why Al3Ni --json  # for scripts',
    ),
)
@click.argument('name')
@click.option('--screen', type=ScreenType(), help='Pk or uuid.  [default: the newest]')
@JSON
def command(name: str, screen: WorkChainNode | None, for_scripts: bool) -> None:  # noqa: FBT001
    """Tell why NAME was kept or dropped at each stage, with the numbers of that moment.

    NAME is the id of a candidate, or a formula with its elements in any order.
    """
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
