"""Where measured numbers are kept, and the pages made of them."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from aiida_mtp.core.files.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FOLDER = Path(__file__).parents[1] / 'docs' / 'benchmarks'


class Results:
    """Rows of a table, kept in a JSON file with the machine and the commit of each."""

    def __init__(self, name: str) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._path = FOLDER / f'{name}.json'
        self.rows: dict[str, Any] = (
            json.loads(self._path.read_text()) if self._path.exists() else {}
        )

    def keep(self, name: str, row: dict[str, Any]) -> None:
        """Keep a row, in place of an earlier one of this name."""
        self.rows[name] = {**row, 'machine': machine(), 'commit': commit()}
        with atomic_path(self._path) as temporary:
            temporary.write_text(json.dumps(self.rows, indent=1, ensure_ascii=False) + '\n')

    def write_page(self, text: str) -> None:
        """Write the page of the table, and below it where its numbers come from."""
        measured = sorted({(row['machine'], row['commit']) for row in self.rows.values()})
        origin = '\n'.join(f'- {where}, commit {which}' for where, which in measured)
        with atomic_path(self._path.with_suffix('.md')) as temporary:
            temporary.write_text(f'{text.rstrip()}\n\nMeasured on:\n\n{origin}\n', encoding='utf-8')


def machine() -> str:
    """Return the processor and the versions that matter."""
    processor = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith('model name')]
        processor = names[0].partition(':')[2].strip() if names else processor
    versions = f'Python {platform.python_version()}, numpy {np.__version__}'
    return f'{processor}, {versions}, numba {numba.__version__}'


def commit() -> str:
    """Return the commit of the sources; that tables were written meanwhile changes nothing."""
    number = _git('rev-parse', '--short', 'HEAD')
    changed = _git('status', '--porcelain', '--untracked-files=no', '--', ':!docs/benchmarks')
    return (number or 'unknown') + ('-dirty' if changed else '')


def _git(*words: str) -> str:
    command = ['git', '-C', str(Path(__file__).parents[1]), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a type of command-line words that refuses those which are no such name."""

    def name(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f'{word!r}: none of {", ".join(names)}')
        return word

    return name
