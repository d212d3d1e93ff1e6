"""``aiida-mtp setup``."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from aiida_mtp.cli.parameters import examples
from aiida_mtp.cli.root import load
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiida.orm import AbstractCode, Computer

    from aiida_mtp.cli.remote import Remote

ENGINE, DFT = 'mtp.relax', 'mtp.dft'
NAMES = {ENGINE: 'mtp-engine', DFT: 'mtp-dft'}


@click.command(
    'setup',
    epilog=examples(
        'aiida-mtp setup  # asks for what it needs',
        'aiida-mtp setup --computer cluster --engine /sw/mtp/bin/mtp-engine --non-interactive',
        'aiida-mtp setup Al Ni --computer cluster --dft /sw/vasp/bin/vasp_std '
        "--potcar-family PBE.54 --prepend 'module load vasp'",
    ),
)
@click.argument('elements', nargs=-1)
@click.option('--computer', help='Label of the computer.')
@click.option('--engine', metavar='PATH', help='mtp-engine there.')
@click.option('--dft', metavar='PATH', help='The DFT code there: mtp-dft, vasp_std …')
@click.option('--plugin', help='Of the DFT code.  [default: from its name]')
@click.option(
    '--calculator', default='gpaw', show_default=True, help='What mtp-dft has to be able to run.'
)
@click.option('--prepend', default='', help='To be done before each, such as: module load vasp.')
@click.option('--potcar-family', help='Name of the potentials of VASP.')
@click.option(
    '--potcar-folder',
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help='Where to read them from, if AiiDA has no such family.',
)
@click.option('--pseudo-family', help='Name of the pseudopotentials of Quantum ESPRESSO.')
@click.option('--non-interactive', is_flag=True, help='Ask nothing: what is not given is found.')
def command(
    elements: tuple[str, ...],
    computer: str | None,
    engine: str | None,
    dft: str | None,
    plugin: str | None,
    calculator: str,
    prepend: str,
    potcar_family: str | None,
    potcar_folder: Path | None,
    pseudo_family: str | None,
    non_interactive: bool,  # noqa: FBT001
) -> None:
    """Set up a computer and its codes, and check that they can do what a screen needs.

    With VASP and Quantum ESPRESSO, the potentials of ELEMENTS are looked for. Codes that are there
    are used; what is missing is made, once it has been found to work. Where the engine and DFT run
    on two computers, call it once for each.
    """
    from aiida_mtp.cli.potentials import check_potcars, check_pseudos
    from aiida_mtp.cli.remote import Remote

    load()
    ask = _take_default if non_interactive else _ask
    codes = {}
    with Remote.connect(_computer(computer, ask)) as remote:
        click.echo(remote.check_scheduler())
        click.echo(remote.check_folder())
        where = remote.computer.label
        engine = engine or ask(f'mtp-engine on {where}', _found(remote, [ENGINE]))
        dft = dft or ask(f'DFT code on {where}', _found(remote, _dft_plugins()))
        plugin = (plugin or _plugin_of(remote, dft)) if dft else ''
        if plugin.startswith('vasp.'):
            family = potcar_family or ask('family of potentials', '')
            if not family:
                raise InputError('VASP needs potentials: give --potcar-family')
            click.echo('\n'.join(check_potcars(family, elements, potcar_folder)))
        elif plugin.startswith('quantumespresso.'):
            family = pseudo_family or ask('family of pseudopotentials', '')
            if not family:
                raise InputError('Quantum ESPRESSO needs pseudopotentials: give --pseudo-family')
            click.echo('\n'.join(check_pseudos(family, elements)))
        if engine:
            codes['engine'] = _code(remote, engine, ENGINE, prepend, remote.check_engine)
        if dft:

            def check(path: str) -> str:
                is_ours = plugin == DFT
                return remote.check_dft(path, calculator) if is_ours else remote.check_file(path)

            codes['dft'] = _code(remote, dft, plugin, prepend, check)
    if not codes:
        raise InputError(f'{where} has no mtp-engine and no DFT code; give --engine or --dft')
    words = ' '.join(f'--{role} {code.full_label}' for role, code in codes.items())
    click.echo(f'ready: aiida-mtp screen launch {" ".join(elements) or "Al Ni"} {words}')


def _ask(question: str, default: str) -> str:
    """Ask the user; an empty answer means none."""
    answer: str = click.prompt(question, default=default, show_default=bool(default))
    return answer.strip()


def _take_default(_: str, default: str) -> str:
    return default


def _computer(label: str | None, ask: Callable[[str, str], str]) -> Computer:
    """Return a computer that AiiDA knows, or this one."""
    from aiida_mtp.cli.profile import LOCALHOST, ensure_computer

    known = _computers()
    names = ', '.join(known) or 'none yet'
    label = label or ask(f'computer ({names})', next(iter(known), LOCALHOST))
    if label == LOCALHOST:
        return ensure_computer()
    if label not in known:
        raise InputError(
            f'no computer {label!r} in this profile, there are: {names}; '
            'make it with verdi computer setup and verdi computer configure, and say this again'
        )
    return known[label]


def _computers() -> dict[str, Any]:
    """Return all computers by label, the newest first."""
    from aiida.orm import Computer, QueryBuilder

    query = QueryBuilder().append(Computer, project='*', tag='computer')
    query.order_by({'computer': {'id': 'desc'}})
    return {computer.label: computer for computer in query.all(flat=True)}


def _found(remote: Remote, plugins: list[str]) -> str:
    """Return the executable of a code there is, or of ours in the computer's path; '' if none."""
    from aiida_mtp.cli.codes import codes_on

    for code in codes_on(remote.computer):
        if code.default_calc_job_plugin in plugins:
            return str(code.filepath_executable)
    name = NAMES[ENGINE if ENGINE in plugins else DFT]
    beside = Path(sys.executable).parent / name
    is_here = remote.computer.transport_type == 'core.local' and beside.is_file()
    return str(beside) if is_here else remote.find(name)


def _dft_plugins() -> list[str]:
    from aiida_mtp.workchains.backends import backend_names, load_backend

    return [plugin for name in backend_names() for plugin in load_backend(name).code_plugins]


def _plugin_of(remote: Remote, path: str) -> str:
    """Return the plugin of the code of an executable, or the one its name tells: ``vasp_std``."""
    from aiida_mtp.cli.codes import codes_on

    plugins = _dft_plugins()
    for code in codes_on(remote.computer):
        known: str = code.default_calc_job_plugin
        if str(code.filepath_executable) == path and known in plugins:
            return known
    for plugin in plugins:
        if plugin.rpartition('.')[2] in PurePosixPath(path).name:
            return plugin
    raise InputError(f'{path}: for which DFT code? Give --plugin, one of {", ".join(plugins)}')


def _code(
    remote: Remote, path: str, plugin: str, prepend: str, check: Callable[[str], str]
) -> AbstractCode:
    """Return the code of an executable that passes a check; a new one only if there is none."""
    from rich.text import Text

    from aiida_mtp.cli.codes import ensure_code, known_code
    from aiida_mtp.cli.output import console

    known = known_code(remote.computer, path, plugin, prepend)
    remote.prepend = known.prepend_text if known else prepend
    doing = f'asking {path}; where it is new, its kernels compile for a minute'
    with console().status(Text(doing)):
        answer = check(path)
    name = NAMES.get(plugin, plugin.rpartition('.')[2])
    code = ensure_code(remote.computer, name, path, plugin, prepend)
    click.echo(f'code {code.full_label}: {answer}')
    return code
