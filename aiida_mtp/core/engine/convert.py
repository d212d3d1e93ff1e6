"""Convert structures to another format, and join files of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import KNOWN, read_structures, write_structures
from aiida_mtp.core.files.names import type_number
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        'structures', nargs='+', metavar='IN', help=f'the names tell the formats: {KNOWN}'
    )
    parser.add_argument('-o', '--output', required=True, metavar='OUT')
    parser.add_argument(
        '--species',
        nargs='+',
        metavar='X',
        help='the species in the order of their type numbers; a .cfg file has no names of its own',
    )


def run(args: argparse.Namespace) -> None:
    """Read, join and write."""
    batches = [read_structures(path, args.species) for path in args.structures]
    nameless = [
        path
        for path, batch in zip(args.structures, batches, strict=True)
        if any(type_number(name) is not None for name in batch.species)
    ]
    if 0 < len(nameless) < len(batches):
        raise InputError(f'{nameless[0]} has no names of species, others have: give --species')
    write_structures(args.output, StructureBatch.concatenate(batches))
