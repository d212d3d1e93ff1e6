"""What the executables have in common: a mistake of the user is told in one line."""

from __future__ import annotations

import argparse
import math
import sys
from typing import NoReturn

from aiida_mtp.core.errors import InputError

FAILED = 2  # exit code
_MISTAKES = (
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise it instead of printing it."""
        raise InputError(f'{message}; see {self.prog} --help')


def failed(program: str, error: Exception | str) -> int:
    """Tell on stderr what is wrong, in one line, and return the exit code for it.

    An ``error`` is a mistake in the input; a ``failure`` is one of the machine, and it may be worth
    to try again.
    """
    word = 'failure' if isinstance(error, MemoryError) or _is_of_machine(error) else 'error'
    message = str(error)
    if isinstance(error, OSError):
        where = f'{error.filename}: ' if error.filename is not None else ''
        message = f'{where}{error.strerror or error}'
    print(f'{program}: {word}: {" ".join(message.split())}', file=sys.stderr)  # noqa: T201
    return FAILED


def _is_of_machine(error: Exception | str) -> bool:
    return isinstance(error, OSError) and not isinstance(error, _MISTAKES)


def positive(text: str) -> int:
    """Read a positive integer."""
    if not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f'must be a positive integer, not {text!r}')
    return int(text)


def duration(text: str) -> float:
    """Read a time in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise argparse.ArgumentTypeError(f'must be a number of seconds, not {text!r}')
    return seconds
