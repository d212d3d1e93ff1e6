"""``aiida-mtp screen launch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import yaml

from aiida_mtp.cli.parameters import INPUT, CodeType, NodeType, examples
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from aiida.orm import AbstractCode

    from aiida_mtp.cli.estimate import Cost
    from aiida_mtp.data.structures import StructureSetData

PROTOCOLS = ('fast', 'balanced', 'stringent')
CODES = '--engine mtp-engine@localhost --dft mtp-dft@localhost'


@click.command(
    'launch',
    epilog=examples(
        f'aiida-mtp screen launch Al Ni {CODES} --dry-run  # what would it cost?',
        f'aiida-mtp screen launch Al Ni {CODES} --yaml  # what can be overridden?',
        f'aiida-mtp screen launch Al Ni Ti {CODES} --overrides mine.yaml',
        f'aiida-mtp screen launch Al Ni {CODES} --structures mp.json',
    ),
)
@click.argument('elements', nargs=-1, required=True)
@click.option('--protocol', type=click.Choice(PROTOCOLS), default='balanced', show_default=True)
@click.option(
    '--engine',
    type=CodeType(entry_point='mtp.relax'),
    required=True,
    help='Code of mtp-engine, as label@computer.',
)
@click.option(
    '--dft', type=CodeType(), required=True, help='Code of the DFT backend, as label@computer.'
)
@click.option('--backend', help='By default the one that runs the code.')
@click.option(
    '--overrides', type=INPUT, help='YAML file with values in place of those of the protocol.'
)
@click.option(
    '--structures',
    type=INPUT,
    help='File with structures of your own: Parquet, extxyz, cfg, CIF, POSCAR, entries of pymatgen '
    '(.json), OPTIMADE (.jsonl).',
)
@click.option(
    '--training-set',
    type=NodeType(sub_classes=('aiida.data:mtp.structures',)),
    help='Labels of an earlier screen to begin with, of the same code and settings.',
)
@click.option('--label', default='', help='A name for the screen.')
@click.option('--again', is_flag=True, help='Though a screen of these inputs runs or is done.')
@click.option('--dry-run', is_flag=True, help='Say what it will cost; submit nothing.')
@click.option('--yaml', 'show_inputs', is_flag=True, help='Show all its inputs; submit nothing.')
@click.option('--json', 'for_scripts', is_flag=True, help='Answer for scripts.')
def launch(
    elements: tuple[str, ...],
    protocol: str,
    engine: AbstractCode,
    dft: AbstractCode,
    backend: str | None,
    overrides: Path | None,
    structures: Path | None,
    training_set: StructureSetData | None,
    label: str,
    again: bool,  # noqa: FBT001
    dry_run: bool,  # noqa: FBT001
    show_inputs: bool,  # noqa: FBT001
    for_scripts: bool,  # noqa: FBT001
) -> None:
    """Launch a screen of ELEMENTS, such as: Al Ni Ti.

    Everything is checked before anything is submitted. A screen of the same inputs that runs or has
    found its hull is not launched a second time, unless with --again.
    """
    from aiida_mtp.cli.output import as_json
    from aiida_mtp.data.structures import StructureSetData
    from aiida_mtp.workchains.backends import backend_of
    from aiida_mtp.workchains.protocols import protocol_inputs

    backend = backend or backend_of(dft)
    values = _yaml(overrides)
    own = StructureSetData.from_file(structures, list(elements)) if structures else None
    if own is not None and not len(own):
        raise InputError(f'{structures}: holds no structures')
    builder = _builder(elements, engine, dft, protocol, backend, own, values)
    if training_set is not None:
        builder.training_set = training_set
    builder.metadata.label = label or '-'.join(elements)
    inputs = protocol_inputs('screen', protocol, values, backend=backend)
    if show_inputs:
        click.echo(
            as_json(inputs) if for_scripts else yaml.safe_dump(inputs, sort_keys=False).rstrip()
        )
    if dry_run:
        has_labels = training_set is not None
        cost = _cost(elements, inputs, backend, own, has_labels=has_labels, quiet=for_scripts)
        if for_scripts:
            click.echo(as_json(cost.to_mapping()))
        else:
            _print_cost(elements, cost)
    if not (dry_run or show_inputs):
        _submit(builder, again=again, for_scripts=for_scripts)


def _builder(
    elements: tuple[str, ...],
    engine: AbstractCode,
    dft: AbstractCode,
    protocol: str,
    backend: str,
    own: StructureSetData | None,
    values: dict[str, Any],
) -> Any:
    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    try:
        return MtpScreenWorkChain.get_builder_from_protocol(
            list(elements),
            engine,
            dft,
            protocol=protocol,
            backend=backend,
            structures=own,
            overrides=values,
        )
    except ValueError as error:  # what a port refuses
        raise InputError(str(error).splitlines()[0]) from None


def _submit(builder: Any, *, again: bool, for_scripts: bool) -> None:
    from aiida.engine import submit

    from aiida_mtp.cli.output import as_json
    from aiida_mtp.cli.screens import screen_with_inputs

    known = None if again else screen_with_inputs(builder)
    if known is not None:
        state = 'is done' if known.is_terminated else 'is running'
        raise InputError(f'screen {known.pk} of the same inputs {state}; --again launches another')
    screen = submit(builder)
    if for_scripts:
        click.echo(as_json({'pk': screen.pk, 'uuid': screen.uuid}))
        return
    click.echo(f'screen {screen.pk} of {"-".join(builder.elements)}, uuid {screen.uuid}')
    click.echo(f'see how it goes: aiida-mtp screen status {screen.pk}')


def _cost(
    elements: tuple[str, ...],
    inputs: dict[str, Any],
    backend: str,
    own: StructureSetData | None,
    *,
    has_labels: bool,
    quiet: bool,
) -> Cost:
    from rich.console import Console

    from aiida_mtp.cli.estimate import estimate
    from aiida_mtp.cli.output import console
    from aiida_mtp.workchains.backends import load_backend

    rows = load_backend(backend).rows_per_job or inputs['dft'].get('rows_per_job')
    terminal = Console(quiet=True) if quiet else console()
    batch = own.get_batch() if own is not None else None
    with terminal.status('counting structures'):
        return estimate(elements, inputs, backend, batch, rows, has_labels=has_labels)


def _print_cost(elements: tuple[str, ...], cost: Cost) -> None:
    from rich.table import Table

    from aiida_mtp.cli.output import console

    terminal = console()
    about = '' if cost.counted else 'about '
    title = f'{"-".join(elements)}: {about}{cost.n_structures} structures to begin with'
    table = Table('', 'structures', 'atoms in the cell: structures', title=title)
    for source, sizes in cost.structures.items():
        counts = ', '.join(f'{size}: {n}' for size, n in sizes.items())
        table.add_row(source, str(sum(sizes.values())), counts)
    terminal.print(table)
    table = Table('', 'expected', 'at most', title='what it will cost')
    for name, amount, unit in (
        ('DFT labels to learn from', cost.labels, ''),
        ('DFT labels of the final stage', cost.final_labels, ''),
        ('relaxations with DFT', cost.final_relaxations, ''),
        ('processor time of DFT', cost.dft_hours, 'h'),
        ('processor time of relaxations with potentials', cost.engine_hours, 'h'),
        ('jobs', cost.jobs, ''),
        ('nodes in the database', cost.nodes, ''),
    ):
        most = '' if amount.most is None else _number(amount.most, unit)
        table.add_row(name, _number(amount.expected, unit), most)
    shards = ', '.join(f'{n} in {stage}' for stage, n in cost.shards.items())
    table.caption = f'relaxation jobs of an iteration: {shards}'
    terminal.print(table)
    for line in cost.basis:
        terminal.print(line, highlight=False)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return 'not known'
    if not unit:
        return f'{value:.0f}'
    for factor, smaller in ((1, 'h'), (60, 'min')):
        if value * factor >= 1:
            return f'{value * factor:.2g} {smaller}' if value < 100 else f'{value:.0f} h'
    return f'{value * 3600:.2g} s'


def _yaml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: no YAML: {str(error).splitlines()[0]}') from None
    if not isinstance(values, dict):
        raise InputError(f'{path}: must hold keys and values, such as `prototypes: {{fcc: 6}}`')
    return values
