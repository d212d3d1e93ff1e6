"""The executable ``mtp-dft``: labels and relaxes structures with an ASE calculator."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from aiida_mtp import __version__
from aiida_mtp.core.dft.settings import TASKS, DftSettings
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROG = 'mtp-dft'


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f'{message}; see {self.prog} --help')


def main(argv: Sequence[str] | None = None) -> int:
    """Run a task.

    Returns
    -------
    int
        0 if every structure has a status; 2, and one line on stderr, if something is wrong with the
        input or with the disk; 130 if interrupted.
    """
    # one process, one core: the pool spreads structures, not linear algebra
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    try:
        _run(_arguments(sys.argv[1:] if argv is None else list(argv)))
    except (InputError, OSError) as error:
        print(f'{PROG}: error: {error}', file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog=PROG, description='Label and relax structures with an ASE calculator.')
    parser.add_argument('--version', action='version', version=f'{PROG} {__version__}')
    tasks = parser.add_subparsers(dest='task', required=True, metavar='TASK')
    summaries = ('energy, forces and stress as they are', 'cell and positions relaxed')
    for task, summary in zip(TASKS, summaries, strict=True):
        sub = tasks.add_parser(task, help=summary, description=summary)
        sub.add_argument('structures', metavar='STRUCTURES')
        sub.add_argument('settings', metavar='SETTINGS.json', type=Path)
        sub.add_argument('-o', '--output', required=True, metavar='OUT')
        sub.add_argument('--processes', type=int, default=1, help='structures done at a time')
        sub.add_argument(
            '--results',
            type=Path,
            default=Path('results'),
            metavar='DIR',
            help='where each finished structure is kept (default: %(default)s)',
        )
    check = tasks.add_parser('check', help='tell whether the calculator works')
    check.add_argument('settings', metavar='SETTINGS.json', type=Path)
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> None:
    settings = _settings(args.settings)
    if args.task == 'check':
        print(f'{settings.version}, settings {_checked(settings)}')  # noqa: T201
        return
    from aiida_mtp.core.dft.calculators import check_elements
    from aiida_mtp.core.dft.run import run_batch
    from aiida_mtp.core.files import read_structures, write_structures

    if args.processes < 1:
        raise InputError(f'--processes {args.processes}: at least 1')
    batch = read_structures(args.structures)
    if not len(batch):
        raise InputError(f'{args.structures}: holds no structures')
    check_elements(settings, [batch.species[t] for t in sorted(set(batch.types.tolist()))])
    done = run_batch(batch, settings, args.task, args.results, n_processes=args.processes)
    write_structures(args.output, done)


def _settings(path: Path) -> DftSettings:
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{path}: not a JSON file ({error})') from None
    if not isinstance(values, dict):
        raise InputError(f'{path}: expected settings by name')
    return DftSettings.from_mapping(values)


def _checked(settings: DftSettings) -> str:
    """Compute fcc Al, or raise `InputError` with what goes wrong; return the digest."""
    from ase.build import bulk

    from aiida_mtp.core.dft.compute import compute

    found = compute(bulk('Al', 'fcc', a=4.05), settings, 'static')
    if found.energy is None:
        raise InputError(f'calculator {settings.calculator!r} does not work: {found.message}')
    return settings.digest()


if __name__ == '__main__':
    sys.exit(main())
