"""``aiida-mtp set``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import STRUCTURES
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from aiida_mtp.data.structures import StructureSetData

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
MOST_ROWS = 40  # rows that `show` prints


@click.group('set')
def command() -> None:
    """List, show, export and import sets of structures."""


@command.command('list')
@click.option('--limit', default=50, show_default=True, help='Most sets listed.')
def list_sets(limit: int) -> None:
    """List sets of structures, the newest first."""
    from rich.table import Table

    from aiida_mtp.cli.nodes import all_of, maker_of
    from aiida_mtp.cli.output import console
    from aiida_mtp.data.structures import StructureSetData

    load()
    table = Table('pk', 'species', 'structures', 'labelled', 'status', 'made by')
    for node in all_of(StructureSetData, limit):
        status = ', '.join(f'{n} {word}' for word, n in sorted(node.status_counts.items()))
        labelled = str(node.base.attributes.get('n_labelled'))
        table.add_row(
            str(node.pk), '-'.join(node.species), str(len(node)), labelled, status, maker_of(node)
        )
    console().print(table)


@command.command('show')
@STRUCTURES
def show(structures: StructureSetData) -> None:
    """Show what is in the set STRUCTURES (pk or uuid)."""
    from rich.table import Table

    from aiida_mtp.cli.nodes import headline
    from aiida_mtp.cli.output import console

    batch = structures.get_batch()
    click.echo(headline('set', structures))
    table = Table('id', 'formula', 'atoms', 'eV/atom', 'status', 'origin')
    for row in range(min(len(batch), MOST_ROWS)):
        energy = batch.energies_per_atom[row]
        table.add_row(
            str(batch.ids[row]),
            batch.formulas[row],
            str(batch.n_atoms[row]),
            '' if energy != energy else f'{energy:.4f}',  # noqa: PLR0124 - NaN
            str(batch.status[row]),
            str(batch.origins[row]),
        )
    console().print(table)
    if len(batch) > MOST_ROWS:
        click.echo(f'… and {len(batch) - MOST_ROWS} more; export the set to see all')


@command.command('export')
@STRUCTURES
@click.argument('path', type=OUTPUT)
@click.option('--id', 'structure_id', help='Only the structure with this id.')
def export(structures: StructureSetData, path: Path, structure_id: str | None) -> None:
    """Write the set STRUCTURES to PATH.

    The suffix tells the format: .parquet, .extxyz, .cfg, .json (entries of pymatgen); one
    structure: .cif, .vasp.
    """
    from aiida_mtp.core.errors import InputError
    from aiida_mtp.core.files import write_structures

    batch = structures.get_batch()
    if structure_id is not None:
        try:
            batch = batch.take([batch.index_of(structure_id)])
        except KeyError as error:
            raise InputError(str(error.args[0])) from None
    write_structures(path, batch)
    click.echo(f'wrote {len(batch)} structures to {path}')


@command.command('import')
@click.argument('path', type=INPUT)
@click.option('--species', multiple=True, help='The species, where the file does not name them.')
def import_set(path: Path, species: tuple[str, ...]) -> None:
    """Store the structures in PATH as a set."""
    from aiida_mtp.core.errors import InputError
    from aiida_mtp.data.structures import StructureSetData

    load()
    node = StructureSetData.from_file(path, list(species) or None)
    if not len(node):
        raise InputError(f'{path}: holds no structures')
    node.store()
    click.echo(f'set {node.pk}, uuid {node.uuid}: {len(node)} structures')
