"""What the hull says of the phases DFT has relaxed: computed once, told in many places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.hull import HullOfSet, hull_of
from aiida_mtp.core.screening.report.data import DONE

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Ints
    from aiida_mtp.core.structures import StructureBatch

MOST_SHOWN = 1_000  # phases of DFT that are drawn, each with its structure


@dataclass(frozen=True)
class Findings:
    """The phases DFT has relaxed, and their hull.

    Parameters
    ----------
    phases
        All that DFT has relaxed.
    found
        Their hull; nothing where an element is missing.
    stable
        The lowest structure of each stable composition, in order of composition.
    shown
        Those that are drawn and can be looked at: the stable ones and the nearest to the hull.
    """

    phases: StructureBatch
    found: HullOfSet | None
    stable: Ints
    shown: Ints

    @cached_property
    def formulas(self) -> list[str]:
        """Reduced formulas of all phases."""
        return self.phases.formulas

    @property
    def compounds(self) -> Ints:
        """The stable ones of more than one element."""
        counts = self.phases.compositions[self.stable]
        compounds: Ints = self.stable[np.count_nonzero(counts, axis=1) > 1]
        return compounds

    def place_of(self, row: int) -> int | None:
        """Return where a phase is among those shown, if it is."""
        place = int(np.searchsorted(self.shown, row))
        is_shown = place < len(self.shown) and self.shown[place] == row
        return place if is_shown else None


def findings_of(hull: StructureBatch) -> Findings:
    """Return what is found in a set that DFT was asked to relax."""
    phases = hull.take(hull.status == DONE)
    nothing = np.empty(0, dtype=np.int64)
    if not len(phases):
        return Findings(phases, None, nothing, nothing)
    try:
        found = hull_of(phases)
    except InputError:  # an element has failed
        return Findings(phases, None, nothing, nothing)
    fractions = phases.compositions[found.stable] / phases.n_atoms[found.stable, None]
    nearest = np.argsort(found.e_above_hull, kind='stable')[:MOST_SHOWN]
    return Findings(
        phases=phases,
        found=found,
        stable=found.stable[np.lexsort(fractions.T)],
        shown=np.union1d(nearest, found.stable),
    )
