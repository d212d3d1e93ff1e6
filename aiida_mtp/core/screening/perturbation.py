"""Strained and rattled copies of prototypes: the first things a potential learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Settings
from aiida_mtp.core.structures import NEW

if TYPE_CHECKING:
    from aiida_mtp.core.structures import StructureBatch

# Status of structures that cannot be crystals: atoms in one place, coordinates that are no numbers.
# One alone would fill an initial training set: its row is 10¹⁰ times as long as the others.
MIN_DIST, NOT_FINITE = 'min_dist', 'not_finite'


@dataclass(frozen=True)
class PerturbationSettings(Settings):
    """How far the copies are from their prototypes.

    Parameters
    ----------
    copies
        Copies made of each structure, the first of them unchanged.
    strain
        Standard deviation of the six components of a random strain, dimensionless.
    volume_range
        Smallest and largest volume, in units of the prototype's; copies are spread evenly.
    rattle
        Standard deviation of each coordinate of each atom, Å.
    max_atoms
        Larger structures are left out: a first potential learns as much from small cells.
    """

    kind: ClassVar[str] = 'perturbation'

    copies: int = 3
    strain: float = 0.03
    volume_range: tuple[float, float] = (0.88, 1.15)
    rattle: float = 0.08
    max_atoms: int = 8

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.copies < 1:
            raise InputError(f'perturb.copies must be at least 1, not {self.copies}')
        if min(self.strain, self.rattle) < 0:
            raise InputError('perturb.strain and perturb.rattle must not be negative')
        low, high = self.volume_range
        if not 0 < low <= high:
            raise InputError(f'perturb.volume_range must be two rising numbers, not {low}, {high}')

    @classmethod
    def parsed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values with the range as a tuple."""
        if 'volume_range' in values:
            values['volume_range'] = tuple(values['volume_range'])
        return values


def perturbed(
    structures: StructureBatch, settings: PerturbationSettings, seed: int
) -> StructureBatch:
    """Return copies of each structure at other volumes, strained and rattled.

    Those that cannot be crystals, by their status, are left out.
    The id of copy ``c`` of ``x`` is ``x~c``; its origin is ``x``. The unchanged copy keeps its id.

    Parameters
    ----------
    structures
        The prototypes, near their equilibrium volume.
    settings
        How many copies, and how far from their prototype.
    seed
        Equal seeds give equal copies.
    """
    is_sound = ~np.isin(structures.status, (MIN_DIST, NOT_FINITE))
    is_small = structures.n_atoms <= settings.max_atoms
    small = structures.take(is_sound & is_small).without_labels()
    n, copies = len(small), settings.copies
    rows = np.repeat(np.arange(n), copies)
    copy = np.tile(np.arange(copies), n)
    batch = small.take(rows)
    random = np.random.default_rng(seed)
    changed = copy > 0
    low, high = settings.volume_range
    volume = np.where(changed, random.uniform(low, high, len(batch)), 1.0)
    strain = random.normal(0.0, settings.strain, (len(batch), 3, 3)) * changed[:, None, None]
    deformation = np.eye(3) + 0.5 * (strain + strain.transpose(0, 2, 1))
    deformation *= np.cbrt(volume / np.linalg.det(deformation))[:, None, None]
    of_atom = batch.structure_of_atom
    shift = random.normal(0.0, settings.rattle, batch.positions.shape) * changed[of_atom, None]
    ids = batch.ids.copy()
    ids[changed] = [f'{i}~{c}' for i, c in zip(batch.ids[changed], copy[changed], strict=True)]
    status = np.full(len(batch), NEW, dtype=object)
    return batch.replaced(
        cells=batch.cells @ deformation,
        positions=np.einsum('ai,aij->aj', batch.positions, deformation[of_atom]) + shift,
        ids=ids,
        origins=batch.ids,
        status=status,
    )
