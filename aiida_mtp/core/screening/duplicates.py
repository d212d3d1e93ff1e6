"""Which relaxed structures are the same crystal."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.compositions import distinct_compositions
from aiida_mtp.core.screening.fingerprints import fingerprints
from aiida_mtp.core.settings import Settings
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiida_mtp.core._typing import Bools, Floats, Ints


@dataclass(frozen=True)
class DuplicateSettings(Settings):
    """How alike two structures of one composition must be to count as one.

    Parameters
    ----------
    energy
        Largest difference in energy, eV/atom.
    volume
        Largest relative difference in volume per atom.
    distance
        Largest difference between fingerprints, in units of the cube root of the volume per atom;
        0.01 is about 0.025 Å in a metal.
    confirm_below
        What lies less than this above the hull, eV/atom, is a duplicate only if pymatgen's
        StructureMatcher agrees. Costs a few milliseconds a pair.
    """

    kind: ClassVar[str] = 'duplicates'

    energy: float = 1e-3
    volume: float = 0.01
    distance: float = 0.01
    confirm_below: float = 0.0

    def __post_init__(self) -> None:
        """Refuse negative tolerances."""
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and value >= 0):
                raise InputError(f'duplicates.{name} must be a number of at least 0, not {value!r}')


def find_duplicates(
    batch: StructureBatch,
    settings: DuplicateSettings | None = None,
    e_above_hull: Floats | None = None,
) -> Ints:
    """Return for each structure the row of the one that stands for it, its own if it is unique.

    The lowest in energy of a group stands for all; of equals, the first.

    Parameters
    ----------
    batch
        Relaxed structures; one without an energy is never a duplicate.
    settings
        How alike is equal.
    e_above_hull
        shape (n_structures,): eV/atom; asked for by `confirm_below`.

    Raises
    ------
    InputError
        If `confirm_below` is set and there is no `e_above_hull`.

    Notes
    -----
    Structures are compared with those that are kept, never along chains: a row of small steps does
    not make its two ends equal.
    """
    settings = settings or DuplicateSettings()
    if settings.confirm_below and e_above_hull is None:
        raise InputError('duplicates.confirm_below needs distances from the hull')
    energies = batch.energies_per_atom
    volumes = batch.volumes / batch.n_atoms
    close = _with_close_energy(batch, energies, settings.energy)
    _, composition_of = distinct_compositions(batch.compositions[close])
    stands_for = np.arange(len(batch))
    confirm = _matcher(batch) if settings.confirm_below else None
    for members in _groups(close, composition_of):
        ordered = members[np.argsort(energies[members], kind='stable')]
        near = np.zeros(len(ordered), dtype=bool)
        if e_above_hull is not None:
            near = e_above_hull[ordered] < settings.confirm_below
        group = _Group(
            ordered, energies[ordered], volumes[ordered], fingerprints(batch.take(ordered)), near
        )
        stands_for[ordered] = ordered[_representatives(group, settings, confirm)]
    return stands_for


def is_referenced(batch: StructureBatch, references: StructureBatch) -> Bools:
    """Return which structures are, but for their exact geometry, among the references.

    Labels and energies play no part: the references come from DFT, the others from a potential.
    """
    elements = np.flatnonzero(np.count_nonzero(batch.compositions, axis=1) == 1)
    both = StructureBatch.concatenate([references, batch.take(elements)])
    both = both.replaced(energies=np.zeros(len(both)))
    stands_for = find_duplicates(both, DuplicateSettings(volume=0.2, distance=0.03))
    known = np.zeros(len(batch), dtype=bool)
    known[elements] = stands_for[len(references) :] < len(references)
    return known


def differences_in_shape(batch: StructureBatch, others: StructureBatch) -> Floats:
    """Return how unlike structures are to others in the same rows, shape (n_structures,).

    That is the largest difference between their fingerprints, in units of the cube root of the
    volume per atom: 0.01 is about 0.025 Å in a metal. Volumes play no part.

    Raises
    ------
    InputError
        If a composition is not that of the other.
    """
    found = np.zeros(len(batch))
    for rows, known in _of_equal_compositions(batch, others):
        if not np.array_equal(rows, known):
            raise InputError('structures are compared with others of the same compositions')
        own, other = _fingerprints_of_both(batch.take(rows), others.take(known))
        found[rows] = np.abs(own - other).max(axis=1)
    return found


def most_alike(batch: StructureBatch, others: StructureBatch) -> tuple[Ints, Floats]:
    """Return for each structure the row of the most alike of others, and how unlike that is.

    Differences, shape (n_structures,), are those of `differences_in_shape`; −1 and infinity where
    none of the others has the composition.
    """
    nearest, least = np.full(len(batch), -1), np.full(len(batch), np.inf)
    for rows, known in _of_equal_compositions(batch, others):
        if len(rows) and len(known):
            own, other = _fingerprints_of_both(batch.take(rows), others.take(known))
            apart = np.stack([np.abs(own - one).max(axis=1) for one in other])
            nearest[rows] = known[apart.argmin(axis=0)]
            least[rows] = apart.min(axis=0)
    return nearest, least


def _of_equal_compositions(
    batch: StructureBatch, others: StructureBatch
) -> list[tuple[Ints, Ints]]:
    """Return, for each composition, the rows of the structures and those of others that have it."""
    both = StructureBatch.concatenate([batch, others])
    _, composition_of = distinct_compositions(both.compositions)
    n = len(batch)
    groups = _groups(np.arange(len(both)), composition_of)
    return [(members[members < n], members[members >= n] - n) for members in groups]


def _fingerprints_of_both(batch: StructureBatch, others: StructureBatch) -> tuple[Floats, Floats]:
    values = fingerprints(StructureBatch.concatenate([batch, others]))
    return values[: len(batch)], values[len(batch) :]


@dataclass(frozen=True)
class _Group:
    """Structures of one composition in order of energy."""

    rows: Ints
    energies: Floats
    volumes: Floats
    fingerprints: Floats
    near_hull: Bools


def _with_close_energy(batch: StructureBatch, energies: Floats, tolerance: float) -> Ints:
    """Return the rows that have another of their composition within the tolerance."""
    known = np.flatnonzero(np.isfinite(energies))
    _, composition_of = distinct_compositions(batch.compositions[known])
    order = np.lexsort((energies[known], composition_of))
    ordered = known[order]
    if not len(ordered):
        return ordered
    close = (np.diff(energies[ordered]) <= tolerance) & (np.diff(composition_of[order]) == 0)
    rows: Ints = np.sort(ordered[np.append(close, False) | np.insert(close, 0, False)])
    return rows


def _groups(rows: Ints, group_of: Ints) -> list[Ints]:
    order = np.argsort(group_of, kind='stable')
    edges = np.flatnonzero(np.diff(group_of[order])) + 1
    return np.split(rows[order], edges) if len(rows) else []


def _representatives(
    group: _Group, settings: DuplicateSettings, confirm: Callable[[int, int], bool] | None
) -> Ints:
    """Return for each member the position in the group of the one that stands for it."""
    n = len(group.rows)
    stands_for = np.arange(n)
    kept = np.empty(n, dtype=np.int64)
    n_kept = first = 0  # kept[first:n_kept] are within reach in energy
    for member in range(n):
        while first < n_kept and (
            group.energies[member] - group.energies[kept[first]] > settings.energy
        ):
            first += 1
        others = kept[first:n_kept]
        volume = group.volumes[member]
        others = others[np.abs(group.volumes[others] - volume) <= settings.volume * volume]
        apart = np.abs(group.fingerprints[others] - group.fingerprints[member]).max(
            axis=1, initial=0.0
        )
        for other in others[apart <= settings.distance]:
            if (
                confirm is None
                or not group.near_hull[member]
                or confirm(int(group.rows[other]), int(group.rows[member]))
            ):
                stands_for[member] = other
                break
        else:
            kept[n_kept] = member
            n_kept += 1
    return stands_for


def _matcher(batch: StructureBatch) -> Callable[[int, int], bool]:
    """Return a function that tells by pymatgen whether two rows are the same crystal."""
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.io.ase import AseAtomsAdaptor

    matcher = StructureMatcher()
    adaptor = AseAtomsAdaptor()
    bare = batch.without_labels()

    def matches(row: int, other: int) -> bool:
        first, second = (adaptor.get_structure(bare.to_ase(index)) for index in (row, other))
        return bool(matcher.fit(first, second))

    return matches
