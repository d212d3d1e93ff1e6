"""What goes on from one stage of a screen to the next, and why the rest does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.duplicates import DuplicateSettings, find_duplicates
from aiida_mtp.core.screening.hull import hull_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Bools, Floats, Strings
    from aiida_mtp.core.structures import StructureBatch


class Reason(StrEnum):
    """Why a structure goes on, or does not."""

    ELEMENT = 'element'
    NEAR_HULL = 'near_hull'
    ABOVE_HULL = 'above_hull'
    DUPLICATE = 'duplicate'
    UNRELIABLE = 'unreliable'


KEPT = (Reason.ELEMENT, Reason.NEAR_HULL)


@dataclass(frozen=True)
class RetainSettings:
    """What is within reach of the hull.

    Parameters
    ----------
    k
        Reach above the hull, in units of the error σ of the energies.
    min_sigma
        Smallest σ that is believed, eV/atom: a training on few structures flatters itself.
    max_sigma
        Largest σ that counts, eV/atom; null for no limit.
    reliable
        The statuses of relaxations whose energy counts. All others are `unreliable`.
    duplicates
        Tolerances of `DuplicateSettings`.
    """

    k: float = 4.0
    min_sigma: float = 0.002
    max_sigma: float | None = None
    reliable: tuple[str, ...] = ('converged', 'max_steps')
    duplicates: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ('k', 'min_sigma'):
            if not getattr(self, name) > 0:
                raise InputError(f'retain.{name} must be positive, not {getattr(self, name)!r}')
        if self.max_sigma is not None and self.max_sigma < self.min_sigma:
            raise InputError(
                f'retain.max_sigma {self.max_sigma} is below min_sigma {self.min_sigma}'
            )
        DuplicateSettings.from_mapping(self.duplicates)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RetainSettings:
        """Make settings from plain values.

        Raises
        ------
        InputError
            If there is a key that is no setting, or a value that makes no sense.
        """
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            known = ', '.join(cls.__dataclass_fields__)
            raise InputError(f'retain: {", ".join(unknown)} unknown; there are {known}')
        settings = dict(values)
        if 'reliable' in settings:
            settings['reliable'] = tuple(settings['reliable'])
        return cls(**settings)

    def sigma(self, error: float) -> float:
        """Return the σ to use where the error (eV/atom) was measured."""
        if not np.isfinite(error):
            raise InputError('retain: the training reports no error of the energy to reckon with')
        highest = np.inf if self.max_sigma is None else self.max_sigma
        return float(min(max(error, self.min_sigma), highest))


@dataclass(frozen=True)
class Retained:
    """The verdict on each structure of a set.

    Parameters
    ----------
    keep
        shape (n_structures,).
    reasons
        shape (n_structures,): values of `Reason`.
    formation_energies, e_above_hull
        shape (n_structures,), eV/atom; NaN where the energy does not count.
    twins
        shape (n_structures,): the id of the structure that stands for a duplicate, else ''.
    sigma
        eV/atom.
    """

    keep: Bools
    reasons: Strings
    formation_energies: Floats
    e_above_hull: Floats
    twins: Strings
    sigma: float

    def counts(self) -> dict[str, int]:
        """Return the number of structures of each reason; they add up to all."""
        names, numbers = np.unique(self.reasons.astype(str), return_counts=True)
        return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def retain(batch: StructureBatch, error: float, settings: RetainSettings) -> Retained:
    """Judge the structures of a stage.

    Parameters
    ----------
    batch
        Relaxed structures; the elements must be among those whose energy counts.
    error
        Error of the energies, eV/atom.

    Raises
    ------
    InputError
        If an element has no structure whose energy counts.

    Notes
    -----
    Of equal structures only the lowest goes on. The lowest structure of each element always does.
    """
    n = len(batch)
    sigma = settings.sigma(error)
    counts = np.isfinite(batch.energies) & np.isin(batch.status.astype(str), settings.reliable)
    rows = np.flatnonzero(counts)
    trusted = batch.take(rows)
    found = hull_of(trusted)
    formation, distance = np.full(n, np.nan), np.full(n, np.nan)
    formation[rows], distance[rows] = found.formation_energies, found.e_above_hull
    reasons = np.full(n, Reason.UNRELIABLE.value, dtype=object)
    is_near = distance <= settings.k * sigma
    reasons[counts] = np.where(is_near[counts], Reason.NEAR_HULL.value, Reason.ABOVE_HULL.value)
    near = np.flatnonzero(is_near)
    stands_for = near[
        find_duplicates(
            batch.take(near), DuplicateSettings.from_mapping(settings.duplicates), distance[near]
        )
    ]
    twins = np.full(n, '', dtype=object)
    is_copy = stands_for != near
    reasons[near[is_copy]] = Reason.DUPLICATE.value
    twins[near[is_copy]] = batch.ids[stands_for[is_copy]]
    is_element = (batch.compositions > 0).sum(axis=1) == 1
    lowest = is_element & (distance <= 0.0) & (reasons == Reason.NEAR_HULL.value)
    reasons[lowest] = Reason.ELEMENT.value
    keep = np.isin(reasons.astype(str), [reason.value for reason in KEPT])
    return Retained(keep, reasons, formation, distance, twins, sigma)
