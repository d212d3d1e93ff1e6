"""The executable ``mtp-dft``: labels and relaxes structures with a calculator of ASE."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp import __version__
from aiida_mtp.core.commands import Parser, failed, positive
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from aiida_mtp.core.dft.run import Finished

PROG = 'mtp-dft'
_TASKS = {
    'static': 'energy, forces and stress of structures as they are',
    'relax': 'relax cells and positions',
}
_CHECK = 'tell whether a calculator works, and its version'


class Terminated(Exception):  # noqa: N818 not an error
    """The process was asked to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a task.

    Returns
    -------
    int
        0 if every structure has a status other than ``unfinished``; 2, and one line on stderr, if
        something is wrong with the input or with the disk; 130 or 143 if stopped, with what was
        finished in the output all the same.
    """
    try:
        args = _arguments(sys.argv[1:] if argv is None else list(argv))
        return _check(args) if args.task == 'check' else _run(args)
    except (InputError, OSError) as error:
        return failed(PROG, error)


def _arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog=PROG, description='Label and relax structures with DFT, through ASE.')
    parser.add_argument('--version', action='version', version=f'{PROG} {__version__}')
    tasks = parser.add_subparsers(dest='task', required=True, metavar='TASK')
    for name, summary in _TASKS.items():
        sub = tasks.add_parser(name, help=summary, description=f'{name}: {summary}.')
        sub.add_argument('structures', metavar='STRUCTURES')
        sub.add_argument('settings', type=Path, metavar='SETTINGS.json', help='see DftSettings')
        sub.add_argument(
            '-o',
            '--output',
            type=Path,
            required=True,
            metavar='OUT',
            help='every structure in order, with labels, a status and the reason',
        )
        sub.add_argument(
            '--processes', type=positive, default=1, metavar='N', help='structures at a time'
        )
        sub.add_argument(
            '--results',
            type=Path,
            metavar='DIR',
            help='where results are kept at once, for the next run to find (default: OUT.results)',
        )
    check = tasks.add_parser('check', help=_CHECK, description=f'check: {_CHECK}.')
    check.add_argument('settings', type=Path, metavar='SETTINGS.json')
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> int:
    """Compute, and write what was found, also when stopped half-way."""
    from aiida_mtp.core.dft.compute import Task
    from aiida_mtp.core.dft.results import FAILED, with_results
    from aiida_mtp.core.dft.run import results_of, run
    from aiida_mtp.core.files import read_structures, write_structures

    task = Task.make(args.task, _settings(args.settings))
    batch = read_structures(args.structures)
    folder = args.results or args.output.with_name(f'{args.output.name}.results')
    code = 0
    with _terminable():
        try:
            run(batch, task, folder, processes=args.processes, watch=_tell)
        except Terminated:
            code = 128 + signal.SIGTERM
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
    found = with_results(batch, results_of(batch, task, folder))
    write_structures(args.output, found)
    counts = ', '.join(f'{n} {status}' for status, n in Counter(found.status).items())
    print(f'{len(found)} structures: {counts or "nothing to do"}')  # noqa: T201
    if set(found.status) == {FAILED}:
        calculator, message = task.settings.calculator, found.columns['message'][0]
        return failed(PROG, f'calculator {calculator} could compute none of them: {message}')
    return code


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a first SIGTERM end the block in an orderly way; ignore further ones."""

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is stop:
            signal.signal(signal.SIGTERM, before)


def _tell(one: Finished) -> None:
    """Print a line on a structure that is done."""
    line = f'{one.done}/{one.total} {one.id} {one.status} {one.seconds:.1f} s {one.message}'
    print(line.rstrip(), flush=True)  # noqa: T201


def _check(args: argparse.Namespace) -> int:
    """Compute fcc aluminium with these settings and say so."""
    from aiida_mtp.core.dft.calculators import check_calculator
    from aiida_mtp.core.dft.compute import Task, compute
    from aiida_mtp.core.dft.results import DONE

    settings = _settings(args.settings)
    check_calculator(settings, ['Al'])
    a = 2.025
    cell = [[0.0, a, a], [a, 0.0, a], [a, a, 0.0]]
    job = {'structure': 'Al', 'symbols': ['Al'], 'positions': [[0.0, 0.0, 0.0]], 'cell': cell}
    found = compute(Task.make('static', settings), job)
    if found.status != DONE:
        raise InputError(f'calculator {settings.calculator} does not work: {found.message}')
    print(  # noqa: T201
        f'{settings.version}: works (fcc Al: {found.energy:.4f} eV/atom in {found.seconds:.1f} s); '
        f'settings {found.digest}'
    )
    return 0


def _settings(path: Path) -> DftSettings:
    """Read settings from a JSON file."""
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{path}: not a JSON file: {error}') from None
    if not isinstance(values, dict):
        raise InputError(f'{path}: not a mapping of settings, such as {{"calculator": "emt"}}')
    try:
        return DftSettings.from_mapping(values)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


if __name__ == '__main__':
    sys.exit(main())
