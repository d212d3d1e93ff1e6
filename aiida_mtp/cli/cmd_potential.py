"""``aiida-mtp potential``."""

from __future__ import annotations

from pathlib import Path

import click

from aiida_mtp.cli.root import load

OUTPUT = click.Path(dir_okay=False, path_type=Path)


@click.group('potential')
def command() -> None:
    """List, show, export and import potentials."""
    load()


@command.command('list')
def list_potentials() -> None:
    """List all potentials, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from aiida_mtp.cli.nodes import all_of, maker_of
    from aiida_mtp.data.potential import MtpPotentialData

    table = Table('pk', 'species', 'level', 'cutoff', 'trained on', 'energy error', 'made by')
    for potential in all_of(MtpPotentialData):
        error = potential.errors.get('energy_rmse')
        table.add_row(
            str(potential.pk),
            '-'.join(potential.species),
            str(potential.level),
            f'{potential.cutoff:g} Å',
            str(potential.base.attributes.get('n_training') or ''),
            '' if error is None else f'{error * 1e3:.1f} meV/atom',
            maker_of(potential),
        )
    Console().print(table)


@command.command('show')
@click.argument('potential')
def show(potential: str) -> None:
    """Show what is known of POTENTIAL (pk or uuid)."""
    from aiida_mtp.cli.nodes import maker_of, one_of
    from aiida_mtp.data.potential import MtpPotentialData

    node = one_of(MtpPotentialData, potential)
    click.echo(f'potential {node.pk}, uuid {node.uuid}, made by {maker_of(node)}')
    for key in ('species', 'level', 'cutoff', 'min_dist', 'n_parameters', 'has_active_set'):
        click.echo(f'  {key:16s} {node.base.attributes.get(key)}')
    click.echo(f'  {"n_training":16s} {node.base.attributes.get("n_training")}')
    for name, value in sorted(node.errors.items()):
        click.echo(f'  {name:32s} {value:.6g}')


@command.command('export')
@click.argument('potential')
@click.argument('path', type=OUTPUT)
def export(potential: str, path: Path) -> None:
    """Write POTENTIAL to PATH: .mtp, or .almtp with its active set."""
    from aiida_mtp.cli.nodes import one_of
    from aiida_mtp.data.potential import MtpPotentialData

    one_of(MtpPotentialData, potential).export(path)
    click.echo(f'wrote {path}')


@command.command('import')
@click.argument('path', type=OUTPUT)
@click.option('--species', multiple=True, help='Names of the species, where the file has none.')
def import_potential(path: Path, species: tuple[str, ...]) -> None:
    """Store the potential in PATH: .mtp, .almtp or .als of MLIP."""
    from aiida_mtp.data.potential import MtpPotentialData

    node = MtpPotentialData.from_file(path, species=list(species) or None).store()
    click.echo(f'potential {node.pk}, uuid {node.uuid}')
