"""``aiida-mtp quickstart``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, WorkChainNode
    from rich.console import Console


@click.command('quickstart')
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
    default=Path('quickstart-report.html'),
    show_default=True,
    help='Where the report goes.',
)
@click.option(
    '--profile', default='aiida-mtp', show_default=True, help='Name of the AiiDA profile.'
)
@click.option('--cores', type=click.IntRange(1), help='Cores to use, by default all.')
def command(dft: str, report: Path, profile: str, cores: int | None) -> None:
    """Run a whole screen: from nothing to a hull of DFT energies, and a report.

    It makes an AiiDA profile that needs no server, starts its daemon, and screens a binary system.
    Run it again and it finds what it has computed.
    """
    from rich.console import Console

    from aiida_mtp.cli.profile import ensure_ready

    console = Console()
    with console.status('profile, codes, daemon'):
        codes = ensure_ready(profile)
    console.print(
        f'profile {profile}, codes {", ".join(code.full_label for code in codes.values())}'
    )
    check_dft(codes['mtp-dft'], dft)
    screen = _screen(codes, dft, cores, console)
    _watch(screen, console, profile)
    _show(screen, console, report, profile)


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
        path = str(code.filepath_executable)  # type: ignore[attr-defined]
        answer = subprocess.run(  # noqa: S603 - our own executable
            [path, 'check', str(settings)], capture_output=True, text=True, check=False
        )
    if answer.returncode:
        lines = (answer.stderr or answer.stdout).strip().splitlines() or ['no answer']
        raise InputError(lines[-1])


def _screen(
    codes: dict[str, AbstractCode], dft: str, cores: int | None, console: Console
) -> WorkChainNode:
    """Return the screen that is running, or a new one."""
    from os import cpu_count

    from aiida.engine import submit

    from aiida_mtp.cli.screens import running_screen
    from aiida_mtp.workchains.protocols import quickstart_screen
    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    wanted = quickstart_screen(dft)
    running = running_screen(wanted['elements'])
    if running is not None:
        console.print(f'screen {running.pk} of {"-".join(wanted["elements"])} is running already')
        return running
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
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        wanted['elements'],
        codes['mtp-engine'],
        codes['mtp-dft'],
        protocol=wanted['protocol'],
        overrides=overrides,
    )
    builder.metadata.label = f'quickstart {dft}'
    screen: WorkChainNode = submit(builder)
    console.print(f'screen {screen.pk} of {"-".join(wanted["elements"])}, uuid {screen.uuid}')
    return screen


def _watch(screen: WorkChainNode, console: Console, profile: str) -> None:
    from aiida_mtp.cli.follow import follow

    try:
        follow(screen, console)
    except KeyboardInterrupt:
        console.print(
            f'\nThe screen goes on. See it with: aiida-mtp -p {profile} screen status {screen.pk}'
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
    console.print(f'report: {report.resolve()}')
    compounds = [p for p in screen.outputs.stable['phases'] if p['formation_energy'] < -1e-6]
    if compounds:
        lowest = min(compounds, key=lambda phase: phase['formation_energy'])
        console.print('Where does a number come from? Ask:')
        console.print(f'  aiida-mtp -p {profile} trace {lowest["formula"]}')
        console.print(f'  verdi -p {profile} process show {screen.pk}')
