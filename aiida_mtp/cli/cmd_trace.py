"""``aiida-mtp trace``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import JSON, OF_SCREEN, examples, output
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from pathlib import Path

    from aiida.orm import WorkChainNode


@click.command(
    'trace',
    epilog=examples(
        'aiida-mtp trace AlNi3  # the lowest structure of this composition, of the newest screen',
        'aiida-mtp trace fcc-4-19:AlNi3 --screen 1234',
        'aiida-mtp trace 2345  # a potential, or a set, by its pk',
        'aiida-mtp trace AlNi3 -o alni3.svg  # as a picture: .svg, .png, .pdf, .dot',
        'aiida-mtp trace AlNi3 --json  # for scripts, with full uuids',
    ),
)
@click.argument('name')
@OF_SCREEN
@click.option('--all', 'everything', is_flag=True, help='List every training configuration.')
@JSON
@output('Draw a graph of it: .svg, .png, .pdf, or .dot of Graphviz.')
def command(
    name: str,
    screen: WorkChainNode | None,
    everything: bool,  # noqa: FBT001
    for_scripts: bool,  # noqa: FBT001
    output: Path | None,
) -> None:
    """Walk from NAME back to everything it rests on.

    NAME is a structure of the hull, by its id or formula; a training configuration, by its id; or a
    potential or set, by its pk or uuid. The way leads to prototypes, potentials, training sets, and
    the DFT runs behind them.
    """
    from aiida_mtp.cli.graph import check_format, write_graph
    from aiida_mtp.cli.lineage import is_node, lineage, lineage_tree
    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.cli.screens import find_screen

    check_format(output)
    load()
    found = lineage(None if is_node(name) else screen or find_screen(finished=True), name)
    if for_scripts:
        click.echo(as_json(found.to_mapping()))
    else:
        console().print(lineage_tree(found, everything=everything))
    if output is not None:
        write_graph(output, found)
        if not for_scripts:
            click.echo(f'drawn: {output}')
