"""Label structures with the energies, forces and stresses of a potential."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.engine.inputs import add_species
from aiida_mtp.core.engine.progress import progress, warn
from aiida_mtp.core.engine.streams import opened, writer
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    import argparse

    from aiida_mtp.core.active.active_set import ActiveSet
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('potential', metavar='POTENTIAL', help='.mtp, .almtp or .als')
    parser.add_argument('structures', metavar='STRUCTURES')
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        metavar='OUT',
        help='the structures with labels, and column `grade` if the potential has an active set',
    )
    add_species(parser)


def run(args: argparse.Namespace) -> None:
    """Evaluate."""
    from aiida_mtp.core.active.state_files import read_active_state
    from aiida_mtp.core.potential.mlip import read_potential

    model = read_potential(args.potential, args.species)
    active_set = read_active_state(args.potential, model)
    closest = np.inf
    with ExitStack() as stack:
        write = stack.enter_context(writer(args.output, model.species))
        count, batches = opened(args.structures, model.species)
        advance = stack.enter_context(progress('evaluating', count))
        for batch in batches:
            known = _in_species_of(model, batch, args.structures)
            labelled, distance = _labelled(model, active_set, known)
            closest = min(closest, distance)
            write(labelled)
            advance(len(labelled))
    if closest < model.min_dist:
        warn(
            f'{args.structures}: atoms come as close as {closest:.3f} Å; the potential was trained '
            f'on distances above {model.min_dist:.3f} Å and knows nothing of closer ones'
        )


def _in_species_of(model: MtpModel, batch: StructureBatch, path: str) -> StructureBatch:
    """Return structures of a file in the species of the potential."""
    try:
        return batch.with_species(model.species)
    except InputError as error:
        raise InputError(
            f'{path}: {error}, the species of the potential; --species names them anew'
        ) from None


def _labelled(
    model: MtpModel, active_set: ActiveSet | None, batch: StructureBatch
) -> tuple[StructureBatch, float]:
    """Return structures with the labels of the potential, and the smallest distance in them, Å."""
    from aiida_mtp.core.active.grade import evaluate_with_grades

    found, grades = evaluate_with_grades(model, batch, active_set)
    labelled = batch.replaced(energies=found.energies, forces=found.forces, stresses=found.stresses)
    if active_set is not None:
        labelled = labelled.with_columns(grade=grades)
    return labelled, float(np.min(found.min_dist, initial=np.inf))
