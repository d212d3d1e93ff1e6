"""Relax structures with a potential."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiida_mtp.core.engine.inputs import read_for, read_settings, write_report
from aiida_mtp.core.engine.progress import progress
from aiida_mtp.core.files import write_structures
from aiida_mtp.core.relax.settings import RelaxSettings

if TYPE_CHECKING:
    import argparse

NUMBERS = ('threshold_save', 'threshold_break', 'fmax', 'smax')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('potential', metavar='POTENTIAL', help='.almtp or .als with its active set')
    parser.add_argument('structures', metavar='STRUCTURES')
    parser.add_argument('-o', '--output', required=True, metavar='OUT', help='every row, relaxed')
    parser.add_argument('--candidates', metavar='SET', help='frames it extrapolated on')
    parser.add_argument('--settings', metavar='JSON', help='settings of the relaxation')
    for name in NUMBERS:
        parser.add_argument(f'--{name.replace("_", "-")}', type=float)
    parser.add_argument('--max-steps', type=int)
    parser.add_argument('--scan-volume', action='store_true', default=None)
    parser.add_argument('--report', metavar='JSON', help='where to write the counts')
    parser.add_argument('--species', nargs='+', metavar='X')


def run(args: argparse.Namespace) -> None:
    """Relax."""
    from aiida_mtp.core.active.state_files import read_active_state
    from aiida_mtp.core.potential.mlip import read_potential
    from aiida_mtp.core.relax.batch import relax

    given = {name: getattr(args, name) for name in (*NUMBERS, 'max_steps', 'scan_volume')}
    settings = read_settings(args.settings, RelaxSettings.from_mapping, **given)
    model = read_potential(args.potential, args.species)
    active_set = read_active_state(args.potential, model)
    batch = read_for(model, args.structures)
    with progress('relaxing', len(batch)) as advance:
        found = relax(model, batch, settings, active_set, progress=advance)
    write_structures(args.output, found.structures)
    if args.candidates:
        write_structures(args.candidates, found.candidates)
    status = dict(sorted(Counter(found.structures.status).items()))
    write_report(
        args.report,
        {'n_structures': len(batch), 'status': status, 'n_candidates': len(found.candidates)},
    )
