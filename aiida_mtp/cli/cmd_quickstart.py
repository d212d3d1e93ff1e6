"""``aiida-mtp quickstart``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_mtp.cli.parameters import examples
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, WorkChainNode
    from rich.console import Console

PATIENCE = 300.0  # s: how long DFT may take to say that it works


@click.command(
    'quickstart',
    epilog=examples(
        'aiida-mtp quickstart --dft emt  # a toy, in about a minute',
        'aiida-mtp quickstart  # Al-Ni with PBE; needs GPAW',
        'aiida-mtp quickstart --again  # once more, from the cache',
    ),
)
@click.option(
    '--dft',
    type=click.Choice(['gpaw', 'emt']),
    default='gpaw',
    show_default=True,
    help='gpaw: Al-Ni with PBE. emt: Cu-Pt with a toy potential in its place, in a minute.',
)
@click.option(
    '--report',
    type=click.Path(dir_okay=False, path_type=Path),
    help='Where the report goes.  [default: quickstart-report-ELEMENTS.html]',
)
@click.option(
    '--profile', default='aiida-mtp', show_default=True, help='Name of the AiiDA profile.'
)
@click.option('--cores', type=click.IntRange(1), help='Cores to use, by default all.')
@click.option('--again', is_flag=True, help='Screen again, though a screen of this kind is done.')
def command(dft: str, report: Path | None, profile: str, cores: int | None, again: bool) -> None:  # noqa: FBT001
    """Run a whole screen: from nothing to a hull of DFT energies, and a report.

    It makes an AiiDA profile that needs no server, starts its daemon, and screens a binary system.
    Run it again and it finds what it has computed.
    """
    from aiida_mtp.cli.output import console as make_console
    from aiida_mtp.cli.profile import ensure_ready

    console = make_console()
    with console.status('profile, codes, daemon'):
        codes = ensure_ready(profile)
        check_dft(codes['mtp-dft'], dft)
    names = ', '.join(code.full_label for code in codes.values())
    console.print(f'profile {profile}, codes {names}', highlight=False)
    screen = _screen(_builder(codes, dft, cores), console, again=again)
    _watch(screen, console, profile)
    elements = '-'.join(screen.inputs.elements)
    _show(screen, console, report or Path(f'quickstart-report-{elements}.html'), profile)


def check_dft(code: AbstractCode, calculator: str) -> None:
    """Ask the DFT executable whether it can compute, before anything is submitted.

    Raises
    ------
    InputError
        If it does not answer, in the words of the executable.
    """
    import json
    import subprocess
    import tempfile

    from aiida_mtp.workchains.protocols import quickstart_screen, screen_settings

    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / 'settings.json'
        settings.write_text(
            json.dumps(screen_settings(quickstart_screen(calculator))), encoding='utf-8'
        )
        path = str(code.filepath_executable)
        try:
            answer = subprocess.run(  # noqa: S603 - our own executable
                [path, 'check', str(settings)],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f'DFT does not answer: {error}') from None
    if answer.returncode:
        lines = (answer.stderr or answer.stdout).strip().splitlines() or ['no answer']
        raise InputError(f'DFT does not answer: {lines[-1]}')


def _builder(codes: dict[str, AbstractCode], dft: str, cores: int | None) -> Any:
    from os import cpu_count

    from aiida_mtp.workchains.protocols import quickstart_screen
    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    wanted = quickstart_screen(dft)
    overrides = wanted['overrides']
    options: dict[str, Any] = {
        'resources': {
            'num_machines': 1,
            'num_mpiprocs_per_machine': 1,
            'num_cores_per_mpiproc': cores or cpu_count() or 1,
        }
    }
    for part in ('engine', 'dft'):
        overrides.setdefault(part, {})['options'] = options
    builder: Any = MtpScreenWorkChain.get_builder_from_protocol(
        wanted['elements'],
        codes['mtp-engine'],
        codes['mtp-dft'],
        protocol=wanted['protocol'],
        overrides=overrides,
    )
    builder.metadata.label = f'quickstart {dft}'
    return builder


def _screen(builder: Any, console: Console, *, again: bool) -> WorkChainNode:
    """Return the screen of these inputs there is, or a new one."""
    from aiida.engine import submit

    from aiida_mtp.cli.screens import screen_with_inputs

    elements = '-'.join(builder.elements)
    known = screen_with_inputs(builder)
    if known is not None and not known.is_terminated:
        console.print(f'screen {known.pk} of {elements} is running already', highlight=False)
        return known
    if known is not None and not again:
        console.print(
            f'screen {known.pk} of {elements} is done; --again makes another, '
            'which takes from the cache what was computed',
            highlight=False,
        )
        return known
    screen: Any = submit(builder)
    console.print(f'screen {screen.pk} of {elements}, uuid {screen.uuid}', highlight=False)
    return screen


def _watch(screen: WorkChainNode, console: Console, profile: str) -> None:
    from aiida_mtp.cli.follow import follow

    if screen.is_terminated:
        return
    try:
        follow(screen, console)
    except KeyboardInterrupt:
        console.print(
            f'\nThe screen goes on without you. See how it stands: '
            f'aiida-mtp -p {profile} screen status {screen.pk}; '
            'come back to it: aiida-mtp quickstart',
            highlight=False,
            soft_wrap=True,
        )
        raise SystemExit(130) from None


def _show(screen: WorkChainNode, console: Console, report: Path, profile: str) -> None:
    from aiida_mtp.cli.hull_table import hull_table
    from aiida_mtp.cli.report import report_data
    from aiida_mtp.cli.screens import why_failed
    from aiida_mtp.core.screening.published import published_energies
    from aiida_mtp.core.screening.report import write_report

    if not screen.is_finished_ok:
        raise InputError(f'screen {screen.pk} failed: {why_failed(screen)}')
    hull = screen.outputs.hull.get_batch()
    console.print(hull_table(hull, published_energies(hull.species)))
    write_report(report, report_data(screen))
    lines = [f'report: {report.resolve()}']
    compounds = [p for p in screen.outputs.stable['phases'] if p['formation_energy'] < -1e-6]
    if compounds:
        lowest = min(compounds, key=lambda phase: phase['formation_energy'])
        lines += [
            'Where does a number come from? Ask:',
            f'  aiida-mtp -p {profile} trace {lowest["formula"]}',
            f'  verdi -p {profile} process show {screen.pk}',
        ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
