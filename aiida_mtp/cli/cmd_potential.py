"""``aiida-mtp potential``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_mtp.cli.parameters import POTENTIAL
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from aiida_mtp.data.potential import MtpPotentialData

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
SHOWN = (
    *('species', 'level', 'cutoff', 'min_dist'),
    *('n_parameters', 'has_active_set', 'n_training'),
)


@click.group('potential')
def command() -> None:
    """List, show, export and import potentials."""


@command.command('list')
def list_potentials() -> None:
    """List all potentials, the newest first."""
    from rich.table import Table

    from aiida_mtp.cli.nodes import all_of, maker_of
    from aiida_mtp.cli.output import console
    from aiida_mtp.data.potential import MtpPotentialData

    load()
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
    console().print(table)


@command.command('show')
@POTENTIAL
def show(potential: MtpPotentialData) -> None:
    """Show what is known of POTENTIAL (pk or uuid)."""
    from aiida_mtp.cli.nodes import headline

    click.echo(headline('potential', potential))
    known = potential.base.attributes.all
    for key in SHOWN:
        if known.get(key) is not None:
            click.echo(f'  {key:32s} {known[key]}')
    for name, value in sorted(potential.errors.items()):
        click.echo(f'  {name:32s} {value:.6g}')


@command.command('export')
@POTENTIAL
@click.argument('path', type=OUTPUT)
def export(potential: MtpPotentialData, path: Path) -> None:
    """Write POTENTIAL to PATH: .mtp, or .almtp with its active set; LAMMPS reads both."""
    potential.write(path)
    types = ', '.join(f'{number} {name}' for number, name in enumerate(potential.species, 1))
    click.echo(f'wrote {path}')
    click.echo(f'in LAMMPS with the interface of MLIP-3, units metal, atom types {types}:')
    click.echo(f'  pair_style mlip load_from={path}\n  pair_coeff * *')


@command.command('import')
@click.argument('path', type=INPUT)
@click.option('--species', multiple=True, help='Names of the species, where the file has none.')
def import_potential(path: Path, species: tuple[str, ...]) -> None:
    """Store the potential in PATH: .mtp, .almtp or .als of MLIP."""
    from aiida_mtp.data.potential import MtpPotentialData

    load()
    node = MtpPotentialData.from_file(path, species=list(species) or None).store()
    click.echo(f'potential {node.pk}, uuid {node.uuid}')
