"""Generate the candidates of a screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        'spec',
        metavar='SPEC.json',
        type=Path,
        help='elements; fcc, bcc, hcp and aflow with the atoms in their largest cells; files of '
        'prototypes and structures, beside it; atomic_volumes in Å³',
    )
    parser.add_argument('-o', '--output', metavar='OUT', type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Generate and write."""
    from aiida_mtp.core.files import write_structures
    from aiida_mtp.core.screening.prototypes import make_prototypes
    from aiida_mtp.core.screening.spec import PrototypeSpec

    try:
        values = json.loads(args.spec.read_text(encoding='utf-8'))
    except ValueError as error:  # UnicodeDecodeError is one
        raise InputError(f'{args.spec}: not a JSON file ({error})') from None
    if not isinstance(values, dict):
        raise InputError(f'{args.spec}: a mapping is needed, not {type(values).__name__}')
    try:
        spec = PrototypeSpec.from_mapping(values)
    except InputError as error:
        raise InputError(f'{args.spec}: {error}') from None
    write_structures(args.output, make_prototypes(spec, folder=args.spec.parent))
