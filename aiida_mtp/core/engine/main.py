"""The executable ``mtp-engine``: one verb per task, files in and files out.

Every verb is a module of this package with ``add_arguments(parser)`` and ``run(args)``; what is
slow to import is imported in ``run``, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from aiida_mtp import __version__
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
    'convert': Verb('convert a file of structures', has_kernels=False),
    'evaluate': Verb('energies, forces, stresses and extrapolation grades of structures'),
    'prototypes': Verb('enumerate candidate structures'),
    'train': Verb('train a potential'),
    'select': Verb('choose the structures worth a DFT calculation'),
    'relax': Verb('relax structures with a potential'),
}


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f'{message}; see {self.prog} --help')


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
    except InputError as error:
        return _failed(str(error))
    except OSError as error:
        where = f'{error.filename}: ' if error.filename is not None else ''
        return _failed(f'{where}{error.strerror or error}')
    except MemoryError:
        return _failed('out of memory; give it fewer structures at a time')
    except KeyboardInterrupt:
        _failed('interrupted')
        return 130
    return 0


def _failed(message: str) -> int:
    """Tell what is wrong, in one line."""
    print(f'{PROG}: error: {" ".join(message.split())}', file=sys.stderr)  # noqa: T201
    return 2


def _run(argv: list[str]) -> None:
    """Read the command line and run the verb."""
    parser = _Parser(prog=PROG, description='Moment tensor potentials that find stable alloys.')
    parser.add_argument('--version', action='version', version=f'{PROG} {__version__}')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for name, verb in VERBS.items():
        summary = f'{verb.summary[0].upper()}{verb.summary[1:]}.'
        sub = verbs.add_parser(name, help=verb.summary, description=summary)
        if name in argv[:1]:  # the others are not imported
            _module(name).add_arguments(sub)
            sub.add_argument(
                '--threads', type=_positive, metavar='N', help='threads to use (default: all cores)'
            )
    args = parser.parse_args(argv)
    if VERBS[args.verb].has_kernels:
        from aiida_mtp.core._numba import use_threads

        use_threads(args.threads)
    _module(args.verb).run(args)


def _module(verb: str) -> Any:
    """Return the module of a verb."""
    return import_module(f'aiida_mtp.core.engine.{verb}')


def _positive(text: str) -> int:
    """Read a number of threads."""
    if not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f'must be a positive integer, not {text!r}')
    return int(text)


if __name__ == '__main__':
    sys.exit(main())
