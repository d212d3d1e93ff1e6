"""Choose the structures a potential would learn most from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.active.active_set import Mode
from aiida_mtp.core.commands import positive
from aiida_mtp.core.engine.inputs import add_species, read_for, write_report
from aiida_mtp.core.files import write_structures
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import argparse

    from aiida_mtp.core.active.select import Selection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        '--potential',
        required=True,
        metavar='POTENTIAL',
        help='.mtp, .almtp or .als; an untrained one will do',
    )
    parser.add_argument(
        '--training', metavar='SET', help='structures that are labelled already, if there are any'
    )
    parser.add_argument(
        '--candidates', required=True, metavar='SET', help='structures to choose from'
    )
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        metavar='OUT',
        help='the candidates that hold a row of the largest volume over both sets, with their '
        'extrapolation grade towards the training set as column `grade`',
    )
    parser.add_argument('--limit', type=positive, metavar='N', help='most structures to choose')
    parser.add_argument(
        '--mode',
        choices=[str(mode) for mode in Mode],
        default=str(Mode.CONFIGURATION),
        help='describe whole structures, for small cells, or atoms, for large ones '
        '(default: %(default)s)',
    )
    parser.add_argument('--report', metavar='JSON', help='where to write the counts')
    add_species(parser)


def run(args: argparse.Namespace) -> None:
    """Select."""
    from aiida_mtp.core.active.select import select
    from aiida_mtp.core.potential.mlip import read_potential

    model = read_potential(args.potential, args.species)
    candidates = read_for(model, args.candidates)
    training = StructureBatch.empty(model.species)
    if args.training is not None:
        training = read_for(model, args.training)
    selection = select(model, training, candidates, mode=Mode(args.mode), limit=args.limit)
    write_structures(args.output, _chosen(candidates, selection))
    write_report(args.report, selection.report.to_mapping())


def _chosen(candidates: StructureBatch, selection: Selection) -> StructureBatch:
    return candidates.with_columns(grade=selection.grades).take(selection.indices)
