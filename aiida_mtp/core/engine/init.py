"""Make an untrained potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('--level', type=int, required=True, help='level of the basis, 2, 4 … 28')
    parser.add_argument('--species', nargs='+', required=True, metavar='X', help='elements')
    parser.add_argument(
        '--cutoff', type=float, required=True, metavar='Å', help='of the radial functions'
    )
    parser.add_argument(
        '--min-dist', type=float, default=1.5, metavar='Å', help='(default: %(default)s)'
    )
    parser.add_argument(
        '--radial-basis-size', type=int, default=8, metavar='N', help='(default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the start (default: %(default)s)')
    parser.add_argument('-o', '--output', required=True, metavar='POTENTIAL', help='.mtp file')


def run(args: argparse.Namespace) -> None:
    """Write the potential."""
    from aiida_mtp.core.potential.mlip import write_potential
    from aiida_mtp.core.potential.model import initial_model

    model = initial_model(
        args.level,
        args.species,
        args.cutoff,
        min_dist=args.min_dist,
        radial_basis_size=args.radial_basis_size,
        seed=args.seed,
    )
    write_potential(args.output, model)
