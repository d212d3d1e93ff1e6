"""``aiida-mtp potential``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiida_mtp.cli.parameters import INPUT, JSON, POTENTIAL, examples, output
from aiida_mtp.cli.root import load

if TYPE_CHECKING:
    from pathlib import Path

    from aiida_mtp.data.potential import MtpPotentialData

SHOWN = (
    *('species', 'level', 'cutoff', 'min_dist'),
    *('n_parameters', 'has_active_set', 'n_training'),
)


@click.group(
    'potential',
    epilog=examples(
        'aiida-mtp potential list',
        'aiida-mtp potential export 1234 -o al_ni.almtp  # for LAMMPS',
    ),
)
def command() -> None:
    """List, show, export and import potentials."""


@command.command(
    'list',
    epilog=examples('aiida-mtp potential list', 'aiida-mtp potential list --json  # for scripts'),
)
@JSON
def list_potentials(for_scripts: bool) -> None:  # noqa: FBT001
    """List all potentials, the newest first."""
    from rich.table import Table

    from aiida_mtp.cli.nodes import all_of
    from aiida_mtp.cli.output import as_json, console
    from aiida_mtp.data.potential import MtpPotentialData

    load()
    rows = [_known(potential) for potential in all_of(MtpPotentialData)]
    if for_scripts:
        click.echo(as_json(rows))
        return
    table = Table('pk', 'species', 'level', 'cutoff', 'trained on', 'energy error', 'made by')
    for row in rows:
        error = row['errors'].get('energy_rmse')
        table.add_row(
            str(row['pk']),
            '-'.join(row['species']),
            str(row['level']),
            f'{row["cutoff"]:g} Å',
            str(row['n_training'] or ''),
            '' if error is None else f'{error * 1e3:.1f} meV/atom',
            row['made_by'],
        )
    console().print(table)


def _known(potential: MtpPotentialData) -> dict[str, Any]:
    """Return what is known of a potential: Å, eV/atom and eV/Å."""
    from aiida_mtp.cli.nodes import maker_of

    known = potential.base.attributes.all
    return {
        'pk': potential.pk,
        'uuid': potential.uuid,
        'made_by': maker_of(potential),
        **{key: known.get(key) for key in SHOWN},
        'errors': potential.errors,
    }


@command.command(
    'show',
    epilog=examples('aiida-mtp potential show 1234', 'aiida-mtp potential show 1234 --json'),
)
@POTENTIAL
@JSON
def show(potential: MtpPotentialData, for_scripts: bool) -> None:  # noqa: FBT001
    """Show what is known of POTENTIAL (pk or uuid)."""
    from aiida_mtp.cli.nodes import headline
    from aiida_mtp.cli.output import as_json

    known = _known(potential)
    if for_scripts:
        click.echo(as_json(known))
        return
    click.echo(headline('potential', potential))
    for key in SHOWN:
        if known[key] is not None:
            click.echo(f'  {key:32s} {known[key]}')
    for name, value in sorted(potential.errors.items()):
        click.echo(f'  {name:32s} {value:.6g}')


@command.command(
    'export',
    epilog=examples(
        'aiida-mtp potential export 1234 -o al_ni.almtp  # with its active set, for MLIP-3',
        'aiida-mtp potential export 1234 -o al_ni.mtp  # for MLIP-2 too',
    ),
)
@POTENTIAL
@output('Where to: .mtp, or .almtp with its active set.', required=True)
def export(potential: MtpPotentialData, output: Path) -> None:
    """Write POTENTIAL (pk or uuid) to a file, and tell the lines that use it in LAMMPS."""
    potential.write(output)
    types = ', '.join(f'{number} {name}' for number, name in enumerate(potential.species, 1))
    click.echo(f'wrote {output}')
    click.echo(f'in LAMMPS with the interface of MLIP-3, units metal, atom types {types}:')
    click.echo(f'  pair_style mlip load_from={output}\n  pair_coeff * *')


@command.command(
    'import',
    epilog=examples(
        'aiida-mtp potential import al_ni.almtp',
        'aiida-mtp potential import pot.mtp --species Al --species Ni',
    ),
)
@click.argument('path', type=INPUT)
@click.option('--species', multiple=True, help='Names of the species, where the file has none.')
@JSON
def import_potential(path: Path, species: tuple[str, ...], for_scripts: bool) -> None:  # noqa: FBT001
    """Store the potential in PATH: .mtp, .almtp or .als of MLIP."""
    from aiida_mtp.cli.output import as_json
    from aiida_mtp.data.potential import MtpPotentialData

    load()
    node = MtpPotentialData.from_file(path, species=list(species) or None).store()
    if for_scripts:
        click.echo(as_json({'pk': node.pk, 'uuid': node.uuid}))
        return
    click.echo(f'potential {node.pk}, uuid {node.uuid}')
