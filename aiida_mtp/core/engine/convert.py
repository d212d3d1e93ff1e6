"""Convert a file of structures to another format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.files import KNOWN, read_structures, write_structures

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('structures', metavar='IN', help=f'the names tell the formats: {KNOWN}')
    parser.add_argument('-o', '--output', required=True, metavar='OUT')
    parser.add_argument(
        '--species',
        nargs='+',
        metavar='X',
        help='the species in the order of their type numbers; a .cfg file has no names of its own',
    )


def run(args: argparse.Namespace) -> None:
    """Read and write."""
    write_structures(args.output, read_structures(args.structures, args.species))
