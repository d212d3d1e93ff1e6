"""``aiida-mtp set``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import INPUT, JSON, STRUCTURES, examples, output
from aiida_mtp.cli.root import load
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from aiida_mtp.data.structures import StructureSetData

MOST_ROWS = 40  # rows that `show` prints


@click.group(
    'set',
    epilog=examples(
        'aiida-mtp set list',
        'aiida-mtp set export 1234 -o structures.extxyz',
    ),
)
def command() -> None:
    """List, show, export and import sets of structures."""


@command.command(
    'list',
    epilog=examples('aiida-mtp set list --limit 10', 'aiida-mtp set list --json  # for scripts'),
)
@click.option(
    '--limit',
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help='Most sets listed.',
)
@JSON
def list_sets(limit: int, for_scripts: bool) -> None:  # noqa: FBT001
    """List sets of structures, the newest first."""
    from rich.table import Table

    from aiida_mtp.cli.nodes import all_of, maker_of
    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.data.structures import StructureSetData

    load()
    rows = [
        {
            'pk': node.pk,
            'uuid': node.uuid,
            'species': node.species,
            'structures': len(node),
            'labelled': node.base.attributes.get('n_labelled'),
            'status': node.status_counts,
            'made_by': maker_of(node),
        }
        for node in all_of(StructureSetData, limit)
    ]
    if for_scripts:
        click.echo(as_json(rows))
        return
    table = Table('pk', 'species', 'structures', 'labelled', 'status', 'made by')
    for row in rows:
        status = ', '.join(f'{n} {word}' for word, n in sorted(row['status'].items()))
        counts = [str(row[key]) for key in ('structures', 'labelled')]
        table.add_row(str(row['pk']), '-'.join(row['species']), *counts, status, row['made_by'])
    console().print(table)


@command.command(
    'show',
    epilog=examples(
        'aiida-mtp set show 1234',
        'aiida-mtp set show 1234 --json  # all rows, with all that is known of them',
    ),
)
@STRUCTURES
@JSON
def show(structures: StructureSetData, for_scripts: bool) -> None:  # noqa: FBT001
    """Show what is in the set STRUCTURES (pk or uuid)."""
    from rich.table import Table

    from aiida_mtp.cli.nodes import headline, maker_of
    from aiida_mtp.cli.output import as_json, console

    batch = structures.get_batch()
    rows = [
        {
            'id': str(batch.ids[row]),
            'formula': batch.formulas[row],
            'n_atoms': int(batch.n_atoms[row]),
            'energy_per_atom': float(batch.energies_per_atom[row]),
            'status': str(batch.status[row]),
            'origin': str(batch.origins[row]),
            **{name: column[row] for name, column in batch.columns.items()},
        }
        for row in range(len(batch) if for_scripts else min(len(batch), MOST_ROWS))
    ]
    if for_scripts:
        node = {'pk': structures.pk, 'uuid': structures.uuid, 'made_by': maker_of(structures)}
        click.echo(as_json({**node, 'species': structures.species, 'structures': rows}))
        return
    click.echo(headline('set', structures))
    table = Table('id', 'formula', 'atoms', 'eV/atom', 'status', 'origin')
    for row in rows:
        energy = row['energy_per_atom']
        table.add_row(
            row['id'],
            row['formula'],
            str(row['n_atoms']),
            '' if energy != energy else f'{energy:.4f}',  # noqa: PLR0124 - NaN
            row['status'],
            row['origin'],
        )
    console().print(table)
    if len(batch) > MOST_ROWS:
        click.echo(f'… and {len(batch) - MOST_ROWS} more; export the set to see all')


@command.command(
    'export',
    epilog=examples(
        'aiida-mtp set export 1234 -o structures.extxyz',
        'aiida-mtp set export 1234 -o hull.json  # for pymatgen',
        'aiida-mtp set export 1234 --id fcc-4-10:AlNi3 -o alni3.cif',
    ),
)
@STRUCTURES
@output('Where to; the suffix tells the format.', required=True)
@click.option('--id', 'structure_id', help='Only the structure with this id.')
def export(structures: StructureSetData, output: Path, structure_id: str | None) -> None:
    """Write the set STRUCTURES (pk or uuid) to a file.

    The suffix tells the format: .parquet (everything), .extxyz, .cfg (MLIP), .json (entries of
    pymatgen), .jsonl (OPTIMADE), .cif; one structure: .vasp.
    """
    from aiida_mtp.core.files import write_structures

    batch = structures.get_batch()
    if structure_id is not None:
        try:
            batch = batch.take([batch.index_of(structure_id)])
        except KeyError as error:
            raise InputError(f'{error.args[0]}; see aiida-mtp set show {structures.pk}') from None
    write_structures(output, batch)
    click.echo(f'wrote {len(batch)} structure{"" if len(batch) == 1 else "s"} to {output}')


@command.command(
    'import',
    epilog=examples(
        'aiida-mtp set import mp.json',
        'aiida-mtp set import train.cfg --species Al --species Ni',
    ),
)
@click.argument('path', type=INPUT)
@click.option('--species', multiple=True, help='The species, where the file does not name them.')
@JSON
def import_set(path: Path, species: tuple[str, ...], for_scripts: bool) -> None:  # noqa: FBT001
    """Store the structures in PATH as a set; the suffix tells the format, as for export."""
    from aiida_mtp.cli.output import as_json
    from aiida_mtp.data.structures import StructureSetData

    load()
    node = StructureSetData.from_file(path, list(species) or None)
    if not len(node):
        raise InputError(f'{path}: holds no structures')
    node.store()
    if for_scripts:
        click.echo(as_json({'pk': node.pk, 'uuid': node.uuid, 'structures': len(node)}))
        return
    click.echo(f'set {node.pk}, uuid {node.uuid}: {len(node)} structures')
