"""What a relaxation is to reach, when it stops, and why it stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Settings


class StopReason(StrEnum):
    """Why the relaxation of a structure ended; its status thereafter."""

    CONVERGED = 'converged'
    EXTRAPOLATING = 'extrapolating'
    MAX_STEPS = 'max_steps'
    MIN_DIST = 'min_dist'
    VOLUME = 'volume'
    NOT_FINITE = 'not_finite'
    UNKNOWN_SPECIES = 'unknown_species'
    UNFINISHED = 'unfinished'
    """Not begun: the time was up. It is as it was given."""


@dataclass(frozen=True)
class RelaxSettings(Settings):
    """Settings of the relaxation of cell and positions.

    Parameters
    ----------
    fmax
        Converged when no atom feels a larger force, eV/Å …
    smax
        … and no component of stress plus pressure is larger, eV/Å³.
    pressure
        External pressure, eV/Å³.
    max_steps
        Most evaluations of the potential for one structure.
    max_step
        Largest displacement of an atom or of a cell vector in one step, Å.
    threshold_save
        A frame with a larger extrapolation grade is a candidate for labelling.
    threshold_break
        At a larger extrapolation grade the relaxation stops as extrapolating.
    min_dist
        It stops when two atoms come closer than this, Å; by default 0.7 of the potential's own.
    min_volume, max_volume
        It stops when the volume leaves this range, in units of the one it started from.
    scan_volume
        Start from the volume of lowest energy, not from the one given; but what is near rest as it
        is, as after a relaxation with an earlier potential, starts from there.
    scan_min, scan_max
        Range of that scan, in units of the given volume.
    scan_points
        Its number of points.
    """

    kind: ClassVar[str] = 'relaxation'

    fmax: float = 1e-3
    smax: float = 1e-4
    pressure: float = 0.0
    max_steps: int = 300
    max_step: float = 0.2
    threshold_save: float = 2.1
    threshold_break: float = 10.0
    min_dist: float | None = None
    min_volume: float = 0.4
    max_volume: float = 2.5
    scan_volume: bool = False
    scan_min: float = 0.7
    scan_max: float = 1.5
    scan_points: int = 17

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        self.check_types()
        for name, (is_valid, requirement) in {
            'fmax': (self.fmax > 0, 'positive'),
            'smax': (self.smax > 0, 'positive'),
            'max_steps': (self.max_steps >= 1, 'at least 1'),
            'max_step': (0 < self.max_step <= 1, 'between 0 and 1 Å'),
            'threshold_save': (self.threshold_save > 0, 'positive'),
            'threshold_break': (
                self.threshold_break >= self.threshold_save,
                'not below threshold_save',
            ),
            'min_dist': (self.min_dist is None or self.min_dist >= 0, 'not negative'),
            'min_volume': (0 < self.min_volume < 1, 'between 0 and 1'),
            'max_volume': (self.max_volume > 1, 'above 1'),
            'scan_min': (0 < self.scan_min < 1, 'between 0 and 1'),
            'scan_max': (self.scan_max > 1, 'above 1'),
            'scan_points': (self.scan_points >= 3, 'at least 3'),
        }.items():
            if not is_valid:
                value = getattr(self, name)
                raise InputError(f'{self.name_of(name)}={value}: it must be {requirement}')

    @classmethod
    def parsed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values with thresholds of null, for JSON knows no infinity, never met."""
        never = {name: math.inf for name in _THRESHOLDS if name in values and values[name] is None}
        return {**values, **never}


_THRESHOLDS = ('threshold_save', 'threshold_break')
