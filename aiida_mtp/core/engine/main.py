"""The executable ``mtp-engine``: one verb per task, files in and files out.

Every verb is a module of this package with ``add_arguments(parser)`` and ``run(args)``; what is
slow to import is imported in ``run``, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from aiida_mtp import __version__
from aiida_mtp.core.commands import Parser, failed, positive
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROG = 'mtp-engine'


class Verb(NamedTuple):
    """One task: its summary, and whether it runs kernels on several threads."""

    summary: str
    has_kernels: bool = True


VERBS = {
    'init': Verb('make an untrained potential', has_kernels=False),
    'convert': Verb('convert structures to another format, join files of them', has_kernels=False),
    'evaluate': Verb('energies, forces, stresses and extrapolation grades of structures'),
    'prototypes': Verb('enumerate candidate structures'),
    'train': Verb('train a potential'),
    'select': Verb('choose the structures worth a DFT calculation'),
    'relax': Verb('relax structures with a potential'),
    'speed': Verb('measure how fast potentials are on this machine'),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Returns
    -------
    int
        0 if all went well; 2, and one line on stderr, if something is wrong with the input or
        with the disk; 130 if interrupted.
    """
    try:
        _run(sys.argv[1:] if argv is None else list(argv))
    except (InputError, OSError) as error:
        return failed(PROG, error)
    except MemoryError:
        return failed(PROG, MemoryError('out of memory; give it fewer structures at a time'))
    except KeyboardInterrupt:
        print(f'{PROG}: interrupted', file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _run(argv: list[str]) -> None:
    """Read the command line and run the verb."""
    parser = Parser(prog=PROG, description='Moment tensor potentials that find stable alloys.')
    parser.add_argument('--version', action='version', version=f'{PROG} {__version__}')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for name, verb in VERBS.items():
        summary = f'{verb.summary[0].upper()}{verb.summary[1:]}.'
        sub = verbs.add_parser(name, help=verb.summary, description=summary)
        if name in argv[:1]:  # the others are not imported
            _module(name).add_arguments(sub)
            sub.add_argument(
                '--threads', type=positive, metavar='N', help='threads to use (default: all cores)'
            )
    args = parser.parse_args(argv)
    if VERBS[args.verb].has_kernels:
        from aiida_mtp.core._numba import use_threads

        use_threads(args.threads)
    _module(args.verb).run(args)


def _module(verb: str) -> Any:
    """Return the module of a verb."""
    return import_module(f'aiida_mtp.core.engine.{verb}')


if __name__ == '__main__':
    sys.exit(main())
