"""``aiida-mtp screen export``, ``archive`` and ``replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiida_mtp.cli.parameters import JSON, SCREEN, CodeType, examples, output
from aiida_mtp.cli.root import load
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from aiida.orm import AbstractCode, WorkChainNode

    from aiida_mtp.core.structures import StructureBatch

WHAT = ('stable', 'hull', 'references', 'candidates', 'training')


@click.command(
    'export',
    epilog=examples(
        'aiida-mtp screen export -o hull.json  # for the phase diagrams of pymatgen',
        'aiida-mtp screen export -o hull.jsonl  # for a server of OPTIMADE',
        'aiida-mtp screen export 1234 --what stable -o stable.cif',
        'aiida-mtp screen export --what training -o train.cfg  # for MLIP',
    ),
)
@SCREEN
@output('Where to; the suffix tells the format.', required=True)
@click.option(
    '--what',
    type=click.Choice(WHAT),
    default='hull',
    show_default=True,
    help='hull: all that DFT relaxed; stable: the phases on the hull; training: all labels learnt '
    'from.',
)
def export(screen: WorkChainNode | None, output: Path, what: str) -> None:
    """Write structures of SCREEN (by default the newest finished one) to a file.

    The suffix tells the format: .json (entries of pymatgen, for its phase diagrams), .jsonl
    (OPTIMADE), .extxyz, .cif, .vasp (one structure), .cfg (MLIP), .parquet (everything).
    """
    from aiida_mtp.cli.screens import find_screen
    from aiida_mtp.core.files import write_structures

    load()
    node = screen or find_screen(finished=True)
    batch = _structures(node, what)
    write_structures(output, batch)
    click.echo(f'wrote {len(batch)} structures of screen {node.pk} ({what}) to {output}')


def _structures(screen: Any, what: str) -> StructureBatch:
    from aiida_mtp.cli.hull_table import STABLE
    from aiida_mtp.cli.trace import STAGES
    from aiida_mtp.core.dft.results import DONE

    if what == 'training':
        found = [stage for stage in STAGES if stage in screen.outputs]
        if found:
            batch: StructureBatch = screen.outputs[found[-1]].training_set.get_batch()
            return batch
    else:
        name = 'hull' if what == 'stable' else what
        if name in screen.outputs:
            batch = screen.outputs[name].get_batch()
            if what == 'hull':
                return batch.take(batch.status == DONE)
            is_stable = what == 'stable'
            return batch.take(batch.columns['e_above_hull'] < STABLE) if is_stable else batch
    pk = screen.pk
    raise InputError(f'screen {pk} has no {what} set yet; see aiida-mtp screen status {pk}')


@click.command(
    'archive',
    epilog=examples(
        'aiida-mtp screen archive -o al-ni.aiida  # the newest with a hull',
        'aiida-mtp screen archive 1234 -o al-ni.aiida',
    ),
)
@SCREEN
@output('The archive.', required=True)
def archive(screen: WorkChainNode | None, output: Path) -> None:
    """Write all of SCREEN (by default the newest finished one) to an archive of AiiDA.

    It holds every process and all data behind the hull; `verdi archive import` reads it elsewhere,
    and the report is the same there.
    """
    from aiida_mtp.cli.archive import write_archive
    from aiida_mtp.cli.screens import find_screen

    load()
    node = screen or find_screen(finished=True)
    write_archive(node, output)
    click.echo(f'wrote screen {node.pk} to {output}')
    click.echo(
        f'elsewhere: verdi archive import {output.name}; aiida-mtp screen report {node.uuid}'
    )
    click.echo(f'run it again there: aiida-mtp screen replay {output.name} --engine … --dft …')


@click.command(
    'replay',
    epilog=examples(
        'aiida-mtp screen replay 1234  # with its own codes; nothing is taken from a cache',
        'aiida-mtp screen replay al-ni.aiida --engine mtp-engine@localhost --dft mtp-dft@localhost',
        'aiida-mtp screen replay 1234 --cache --no-wait',
    ),
)
@click.argument('source', metavar='SCREEN|ARCHIVE')
@click.option(
    '--engine', type=CodeType(entry_point='mtp.relax'), help='In place of the code it ran with.'
)
@click.option('--dft', type=CodeType(), help='In place of the code it ran with.')
@click.option(
    '--cache/--no-cache',
    default=False,
    show_default=True,
    help='Take labels and jobs that are there already, or compute all anew.',
)
@click.option(
    '--wait/--no-wait', default=True, show_default=True, help='Until it ends; then compare.'
)
@JSON
def replay(
    source: str,
    engine: AbstractCode | None,
    dft: AbstractCode | None,
    cache: bool,  # noqa: FBT001
    wait: bool,  # noqa: FBT001
    for_scripts: bool,  # noqa: FBT001
) -> None:
    """Run a screen again from its inputs, and compare what comes of it.

    It is named by its pk or uuid, or by an archive that holds it, which is imported first. Its
    options of jobs (cores, time) are those it had. When it has ended, both are compared, as `screen
    diff` does.
    """
    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.cli.replay import screen_of, submit_again, wait_for

    load()
    first = screen_of(source)
    second = submit_again(first, engine=engine, dft=dft, cache=cache)
    if not for_scripts:
        click.echo(f'screen {second.pk} repeats screen {first.pk}, uuid {second.uuid}')
    if not wait:
        if for_scripts:
            click.echo(as_json({'screens': [first.pk, second.pk]}))
        else:
            click.echo(f'when it has ended: aiida-mtp screen diff {first.pk} {second.pk}')
        return
    wait_for(second, None if for_scripts else console())
    _compare(first, second, for_scripts=for_scripts)


def _compare(first: Any, second: Any, *, for_scripts: bool) -> None:
    from aiida_mtp.cli.diff import difference, tell_difference

    found = difference(first, second)
    tell_difference(found, for_scripts=for_scripts)
    if for_scripts:
        return
    same = 'the same hull' if not found.phases else f'{len(found.phases)} stable phases differ'
    click.echo(f'screens {first.pk} and {second.pk}: {same}')
