"""What goes on to the next stage of a screen, and why the rest does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.duplicates import DuplicateSettings, find_duplicates
from aiida_mtp.core.screening.hull import Hull, hull_of
from aiida_mtp.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Bools, Floats, Strings
    from aiida_mtp.core.structures import StructureBatch

KEPT, ABOVE_HULL, DUPLICATE, UNRELIABLE = 'kept', 'above_hull', 'duplicate', 'unreliable'
REASONS = (KEPT, ABOVE_HULL, DUPLICATE, UNRELIABLE)


@dataclass(frozen=True)
class RetainSettings(Settings):
    """What is within reach of the hull, and whose energy is believed.

    Parameters
    ----------
    k
        What lies further above the hull than `k` times the error of the energies is left out.
    sigma
        That error, eV/atom; by default the one the training reports.
    smallest_sigma
        The error is never taken for less than this, eV/atom: no potential is that good on
        structures it has not seen.
    trusted
        Statuses whose energies make the hull. ``max_steps`` is one of them: a relaxation that was
        cut short within what the potential knows gives an upper bound of the energy.
    doubtful
        Statuses whose energies do not make the hull, but for elements of which there are no others,
        and that are kept if they end within reach.
        Whatever is in neither list, such as ``min_dist`` or ``not_finite``, is unreliable.
    duplicates
        How alike two structures must be for the higher one to be left out; nothing to keep all.
    """

    kind: ClassVar[str] = 'retain'

    k: float = 4.0
    sigma: float | None = None
    smallest_sigma: float = 1e-3
    trusted: tuple[str, ...] = ('converged', 'max_steps', 'done')
    doubtful: tuple[str, ...] = ('extrapolating',)
    duplicates: DuplicateSettings | None = field(default_factory=DuplicateSettings)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ('k', 'sigma', 'smallest_sigma'):
            _check_positive(name, getattr(self, name))
        both = sorted(set(self.trusted) & set(self.doubtful))
        if both:
            raise InputError(f'retain: {", ".join(both)} is both trusted and doubtful')

    @classmethod
    def parsed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values with lists as tuples, and the settings of duplicates made."""
        for key in ('trusted', 'doubtful'):
            if isinstance(values.get(key, ()), str):
                raise InputError(f'retain.{key} must be a list, not {values[key]!r}')
            if key in values:
                values[key] = tuple(values[key])
        if values.get('duplicates') is not None:
            values['duplicates'] = DuplicateSettings.from_mapping(values['duplicates'])
        return values


@dataclass(frozen=True)
class Verdict:
    """What is kept of a set, with a reason for every row.

    Parameters
    ----------
    keep
        shape (n_structures,).
    reasons
        shape (n_structures,): ``kept``, ``above_hull``, ``duplicate`` or ``unreliable``.
    duplicate_of
        shape (n_structures,): id of the structure that stands for a duplicate, '' for all others.
    formation_energies
        shape (n_structures,): eV/atom.
    e_above_hull
        shape (n_structures,): eV/atom; negative below a hull that is given.
    sigma
        The largest error that was used, eV/atom.
    hull
        The hull that distances are counted from.
    """

    keep: Bools
    reasons: Strings
    duplicate_of: Strings
    formation_energies: Floats
    e_above_hull: Floats
    sigma: float
    hull: Hull

    def counts(self) -> dict[str, int]:
        """Return how many structures there are of each reason; they add up to all."""
        return {reason: int(np.sum(self.reasons == reason)) for reason in REASONS}


def retain(
    batch: StructureBatch,
    sigma: float | Floats,
    settings: RetainSettings | None = None,
    *,
    references: Mapping[str, float] | None = None,
    verified: StructureBatch | None = None,
) -> Verdict:
    """Decide which structures go on to the next stage.

    The lowest structure of each element is always kept: without it there is no next hull.

    Parameters
    ----------
    batch
        Relaxed structures with energies and statuses.
    sigma
        Error of the energies, eV/atom: one for all, or one per structure, shape (n_structures,).
        `settings.sigma`, if set, is used in its place.
    settings
        What is within reach, and whose energy is believed.
    references
        Energies per atom of elements, eV, in place of the lowest in the set.
    verified
        Structures with energies of DFT. If they are given, distances are counted from *their*
        hull. The hull of a potential's energies, as a minimum over many with errors, is too low on
        the average, and hides stable structures that happen not to be underestimated.

    Raises
    ------
    InputError
        If the error is no number, or an element has no structure with an energy to be believed.
    """
    settings = settings or RetainSettings()
    energies = np.where(np.isfinite(batch.energies), batch.energies, np.nan)
    batch = batch.replaced(energies=energies)
    trusted, usable = _believed(batch, settings)
    errors = _errors(sigma, settings, len(batch))
    elements = _lowest_elements(batch, trusted, usable)
    makes_hull = trusted | elements
    hull = _hull(batch.take(makes_hull) if verified is None else verified, batch, references)
    formation_energies, e_above_hull = hull.formation_energies(batch), hull.distances(batch)
    if verified is None:  # it is below its own hull only by rounding
        e_above_hull[makes_hull] = np.maximum(e_above_hull[makes_hull], 0.0)
    within = usable & (e_above_hull <= settings.k * errors)
    keep = within | elements
    reasons = np.full(len(batch), UNRELIABLE, dtype=object)
    reasons[trusted] = ABOVE_HULL
    reasons[keep] = KEPT
    duplicate_of = strings([''] * len(batch))
    rows = np.flatnonzero(keep & ~elements)
    if settings.duplicates is not None and len(rows):
        # elements first: of equals, they are the ones that stay
        candidates = np.concatenate([np.flatnonzero(elements), rows])
        stands_for = candidates[
            find_duplicates(batch.take(candidates), settings.duplicates, e_above_hull[candidates])
        ]
        for row, other in zip(candidates, stands_for, strict=True):
            if row != other and not elements[row]:
                keep[row] = False
                reasons[row] = DUPLICATE
                duplicate_of[row] = batch.ids[other]
    return Verdict(
        keep=keep,
        reasons=reasons,
        duplicate_of=duplicate_of,
        formation_energies=formation_energies,
        e_above_hull=e_above_hull,
        sigma=float(errors.max(initial=0.0)),
        hull=hull,
    )


def hull_members(batch: StructureBatch, settings: RetainSettings | None = None) -> Bools:
    """Return which structures make the hull of a set, shape (n_structures,).

    Those whose energies are trusted, and the lowest structure of an element of which all are in
    doubt: without it there is no hull at all.
    """
    trusted, usable = _believed(batch, settings or RetainSettings())
    return trusted | _lowest_elements(batch, trusted, usable)


def _believed(batch: StructureBatch, settings: RetainSettings) -> tuple[Bools, Bools]:
    """Return whose energies are trusted, and whose are at least not unreliable."""
    known = np.isfinite(batch.energies)
    trusted = known & np.isin(batch.status, settings.trusted)
    return trusted, trusted | (known & np.isin(batch.status, settings.doubtful))


def _check_positive(name: str, value: Any) -> None:
    if value is None and name == 'sigma':
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InputError(f'retain.{name} must be a positive number, not {value!r}')


def _errors(sigma: float | Floats, settings: RetainSettings, n_structures: int) -> Floats:
    """Return the error of each energy."""
    chosen = np.asarray(sigma if settings.sigma is None else settings.sigma, dtype=np.float64)
    if not (np.isfinite(chosen).all() and (chosen >= 0).all()):
        raise InputError(
            f'the error of the energies is {sigma} eV/atom: the training reports none; '
            'set retain.sigma'
        )
    return np.maximum(np.broadcast_to(chosen, (n_structures,)), settings.smallest_sigma)


def _hull(
    phases: StructureBatch, batch: StructureBatch, references: Mapping[str, float] | None
) -> Hull:
    """Return the hull of phases, which must span the elements of the set."""
    present = {batch.species[index] for index in np.unique(batch.types)}
    covered = {phases.species[index] for index in np.unique(phases.types)} | set(references or {})
    missing = sorted(present - covered)
    if missing:
        raise InputError(
            f'no reference energy of {", ".join(missing)}: no structure with it has an energy to '
            'be believed'
        )
    return hull_of(phases, references).hull


def _lowest_elements(batch: StructureBatch, trusted: Bools, usable: Bools) -> Bools:
    """Return the lowest structure of each element, one whose energy is trusted if there is any."""
    lowest = np.zeros(len(batch), dtype=bool)
    pure = batch.compositions == batch.n_atoms[:, None]
    for column in range(len(batch.species)):
        for believed in (trusted, usable):
            rows = np.flatnonzero(pure[:, column] & believed)
            if len(rows):
                lowest[rows[np.argmin(batch.energies_per_atom[rows])]] = True
                break
    return lowest
