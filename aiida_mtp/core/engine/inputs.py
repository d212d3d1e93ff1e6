"""Files the verbs read and write besides structures and potentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.files.atomic import atomic_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch

    Settings = TypeVar('Settings')


def add_species(parser: argparse.ArgumentParser) -> None:
    """Declare the option that names the species of a potential."""
    parser.add_argument(
        '--species',
        nargs='+',
        metavar='X',
        help='names of the species of a potential that has none, in the order of their numbers',
    )


def read_for(model: MtpModel, path: str) -> StructureBatch:
    """Read structures in the species of a potential.

    Raises
    ------
    InputError
        If there are others in them.
    """
    if path.lower().endswith('.cfg'):  # it has no names: its types are those of the potential
        return read_structures(path, model.species)
    batch = read_structures(path)
    try:
        return batch.with_species(model.species)
    except InputError as error:
        raise InputError(f'{path}: {error}, the species of the potential') from None


def read_settings(
    path: str | None, make: Callable[[Mapping[str, Any]], Settings], **overrides: Any
) -> Settings:
    """Return the settings of a JSON file, if there is one, with those of the command line in front.

    Parameters
    ----------
    overrides
        Values by name; None leaves that of the file.

    Raises
    ------
    InputError
        If the file is not a mapping in JSON, or the settings make no sense.
    """
    values: Any = {}
    if path is not None:
        try:
            values = json.loads(Path(path).read_text(encoding='utf-8'))
        except ValueError as error:  # UnicodeDecodeError is one
            raise InputError(f'{path}: not a JSON file ({error})') from None
        if not isinstance(values, dict):
            raise InputError(f'{path}: a mapping is needed, not {type(values).__name__}')
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return make({**values, **given})
    except InputError as error:
        raise InputError(f'{path}: {error}' if path else str(error)) from None


def write_report(path: str | None, report: Mapping[str, Any]) -> None:
    """Write a report as JSON, if it is wanted; equal reports give equal bytes."""
    if path is None:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1, sort_keys=True) + '\n', encoding='utf-8')
