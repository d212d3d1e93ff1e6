"""Relax structures with a potential, watching on what it extrapolates."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.commands import duration
from aiida_mtp.core.engine.inputs import add_species, read_settings, write_report
from aiida_mtp.core.engine.progress import progress
from aiida_mtp.core.engine.streams import opened, writer
from aiida_mtp.core.relax.settings import RelaxSettings, StopReason

if TYPE_CHECKING:
    from aiida_mtp.core.relax.batch import Relaxed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        'potential', metavar='POTENTIAL', help='.almtp or .als; without an active set no grades'
    )
    parser.add_argument('structures', metavar='STRUCTURES')
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        metavar='OUT',
        help='every structure in order, relaxed, with the reason it stopped as status and columns '
        '`grade` (largest met) and `n_steps` (evaluations)',
    )
    parser.add_argument(
        '--candidates',
        metavar='CAND',
        help='of each structure whose grade passed threshold_save the frame of the largest',
    )
    parser.add_argument('--report', metavar='JSON', help='where to write the counts')
    parser.add_argument('--settings', metavar='JSON', help='file with settings; options go first')
    for name, (kind, text) in _OPTIONS.items():
        option = f'--{name.replace("_", "-")}'
        parser.add_argument(option, type=kind, metavar='X', help=text)
    parser.add_argument(
        '--scan-volume',
        action=argparse.BooleanOptionalAction,
        help='start from the volume of lowest energy instead of the one given',
    )
    parser.add_argument(
        '--stop-after',
        type=duration,
        default=math.inf,
        metavar='SECONDS',
        help='begin no structure later than this, and leave the rest as it is, as `unfinished`',
    )
    add_species(parser)


_DEFAULT = RelaxSettings()
_OPTIONS = {
    'fmax': (float, f'largest force when converged, eV/Å (default: {_DEFAULT.fmax:g})'),
    'smax': (float, f'largest stress when converged, eV/Å³ (default: {_DEFAULT.smax:g})'),
    'pressure': (float, f'eV/Å³ (default: {_DEFAULT.pressure:g})'),
    'max_steps': (int, f'most evaluations of a structure (default: {_DEFAULT.max_steps})'),
    'threshold_save': (float, f'grade of a candidate (default: {_DEFAULT.threshold_save:g})'),
    'threshold_break': (
        float,
        f'grade to stop at, `inf` for none (default: {_DEFAULT.threshold_break:g})',
    ),
    'min_dist': (float, "distance of atoms to stop at, Å (default: 0.7 of the potential's own)"),
}


def run(args: argparse.Namespace) -> None:
    """Relax."""
    end = time.monotonic() + args.stop_after
    from aiida_mtp.core.active.state_files import read_active_state
    from aiida_mtp.core.potential.mlip import read_potential
    from aiida_mtp.core.relax.batch import relax

    given = {name: getattr(args, name) for name in (*_OPTIONS, 'scan_volume')}
    settings = read_settings(args.settings, RelaxSettings.from_mapping, **given)
    model = read_potential(args.potential, args.species)
    active_set = read_active_state(args.potential, model)
    if active_set is None:
        print(  # noqa: T201
            f'{args.potential} has no active set: grades are not computed', file=sys.stderr
        )
    report = _Report()
    with ExitStack() as stack:
        write = stack.enter_context(writer(args.output))
        write_candidates = stack.enter_context(writer(args.candidates, model.species))
        count, batches = opened(args.structures, model.species)
        advance = stack.enter_context(progress('relaxing', count))
        for batch in batches:
            relaxed = relax(
                model,
                batch,
                settings,
                active_set,
                progress=advance,
                is_over=lambda: time.monotonic() > end,
            )
            write(relaxed.structures)
            write_candidates(relaxed.candidates.with_species(model.species))
            report.add(relaxed)
    write_report(args.report, report.to_mapping())


class _Report:
    """Counts of what became of the structures."""

    def __init__(self) -> None:
        self._status: Counter[str] = Counter()
        self._n_candidates = self._n_evaluations = 0
        self._max_grade = -np.inf

    def add(self, relaxed: Relaxed) -> None:
        """Count some structures."""
        structures = relaxed.structures
        self._status.update(str(status) for status in structures.status)
        self._n_candidates += len(relaxed.candidates)
        self._n_evaluations += int(structures.columns['n_steps'].sum())
        grades = structures.columns['grade']
        self._max_grade = max(self._max_grade, grades[np.isfinite(grades)].max(initial=-np.inf))

    def to_mapping(self) -> dict[str, Any]:
        """Return the counts; the largest grade is None where there are no grades."""
        return {
            'n_structures': self._status.total(),
            'status': {str(reason): self._status[str(reason)] for reason in StopReason},
            'n_candidates': self._n_candidates,
            'n_evaluations': self._n_evaluations,
            'max_grade': float(self._max_grade) if np.isfinite(self._max_grade) else None,
        }
