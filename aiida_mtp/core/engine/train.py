"""Train a potential on labelled structures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiida_mtp.core.engine.progress import progress
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.training.settings import TrainingSettings

if TYPE_CHECKING:
    import argparse

    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.fit import Training

SUFFIXES = ('.mtp', '.almtp', '.als')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('training', metavar='SET', help='structures with labels')
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        metavar='POTENTIAL',
        help='.mtp; with the suffix .almtp (or .als) the active set of SET is made and written too',
    )
    parser.add_argument(
        '--init',
        metavar='POTENTIAL',
        help='potential to start from (with --level, from its radial functions only), or else:',
    )
    parser.add_argument('--level', type=int, help='level of a new potential, 2, 4 … 28')
    parser.add_argument('--species', nargs='+', metavar='X', help='its elements')
    parser.add_argument('--cutoff', type=float, metavar='Å', help='of its radial functions')
    parser.add_argument('--settings', metavar='JSON', help='settings of the training')
    parser.add_argument('--report', metavar='JSON', help='where to write errors and bad frames')
    parser.add_argument('--seed', type=int, help='of the random starts, in place of the settings')


def run(args: argparse.Namespace) -> None:
    """Train."""
    output = Path(args.output)
    if output.suffix not in SUFFIXES:
        raise InputError(f'{output}: name the potential {" or ".join(SUFFIXES)}')
    settings = _settings(args)
    training = _trained(args, settings)
    if output.suffix == '.mtp':
        from aiida_mtp.core.potential.mlip import write_potential

        write_potential(output, training.model)
    else:
        _write_with_active_set(output, training.model, _read(args.training, training.model.species))
    if args.report is not None:
        content = json.dumps(training.report.to_dict(), indent=1, allow_nan=False)
        with atomic_path(args.report) as temporary:
            temporary.write_text(content + '\n', encoding='utf-8')


def _settings(args: argparse.Namespace) -> TrainingSettings:
    """Return the settings of the file, with the seed of the command line."""
    values = {}
    if args.settings is not None:
        try:
            values = json.loads(Path(args.settings).read_text(encoding='utf-8'))
        except ValueError as error:
            raise InputError(f'{args.settings}: not a JSON file ({error})') from None
        if not isinstance(values, dict):
            raise InputError(f'{args.settings}: expected settings by name, {{"name": value, …}}')
    try:
        settings = TrainingSettings.from_mapping(values)
    except InputError as error:
        raise InputError(f'{args.settings}: {error}') from None
    return settings if args.seed is None else replace(settings, seed=args.seed)


def _trained(args: argparse.Namespace, settings: TrainingSettings) -> Training:
    """Train from a potential or anew."""
    from aiida_mtp.core.potential.mlip import read_potential
    from aiida_mtp.core.potential.model import raised
    from aiida_mtp.core.training.fit import n_steps, train_further, train_new

    new = {
        f'--{name}': getattr(args, name)
        for name in ('level', 'species', 'cutoff')
        if getattr(args, name) is not None
    }
    if args.init is not None:
        level = new.pop('--level', None)
        if new:
            raise InputError(f'--init brings its own basis: leave out {", ".join(new)}')
        model = read_potential(args.init)
        if level is not None:
            model = raised(model, level, seed=settings.seed)
        batch = _read(args.training, model.species)
        with progress('training', n_steps(settings, is_new=False)) as advance:
            return train_further(batch, model, settings, advance)
    if len(new) < 3:
        raise InputError('give --level, --species and --cutoff, or --init with a potential')
    batch = _read(args.training, args.species)
    with progress('training', n_steps(settings, is_new=True)) as advance:
        return train_new(batch, args.level, args.species, args.cutoff, settings, advance)


def _read(path: str, species: tuple[str, ...] | list[str]) -> StructureBatch:
    """Read a training set; the types of a .cfg file are the species of the potential."""
    batch = read_structures(path, species if path.lower().endswith('.cfg') else None)
    if not len(batch):
        raise InputError(f'{path}: the training set is empty')
    return batch


def _write_with_active_set(path: Path, model: MtpModel, batch: StructureBatch) -> None:
    """Write a potential with the active set of its training set."""
    from aiida_mtp.core.active.grade import build_active_set
    from aiida_mtp.core.active.state_files import write_active_state

    batch = batch.with_species(model.species)
    write_active_state(path, model, build_active_set(model, batch))
