"""A hull that others have found, to hold one's own against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._arrays import reduced_formula
from aiida_mtp.core.screening.compositions import distinct_compositions, lowest_rows
from aiida_mtp.core.screening.hull import STABLE, hull_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.screening.hull import Hull
    from aiida_mtp.core.structures import StructureBatch

NEW, CONFIRMED, MISSING = 'new', 'confirmed', 'missing'


@dataclass(frozen=True)
class ReferenceHull:
    """The phases of a system as a database has them.

    Parameters
    ----------
    source
        Name of the file.
    hull
        Their hull.
    counts
        shape (n_phases, n_species): the lowest phase of each composition, its reduced composition.
    formation_energies, e_above_hull
        shape (n_phases,): eV/atom.
    ids
        What the file calls them; '' for nothing.
    """

    source: str
    hull: Hull
    counts: Ints
    formation_energies: Floats
    e_above_hull: Floats
    ids: tuple[str, ...]

    @property
    def formulas(self) -> list[str]:
        """Reduced formulas, the elements in alphabetical order."""
        return _formulas(self.hull.species, self.counts)


@dataclass(frozen=True)
class ComparedPhase:
    """A phase that is on one of two hulls, or on both.

    Parameters
    ----------
    formula
        Reduced.
    verdict
        ``new``: only on ours; ``confirmed``: on both; ``missing``: only on that of the reference.
    energy, reference_energy
        The lowest formation energies of that composition, eV/atom; NaN if it has none there.
    distance
        What is new: our energy above the hull of the reference; what is missing: the energy of the
        reference above our hull; eV/atom, negative below it.
    reference_id
        What the reference calls its phase; '' for nothing.
    """

    formula: str
    verdict: str
    energy: float
    reference_energy: float
    distance: float
    reference_id: str


@dataclass(frozen=True)
class Comparison:
    """Two hulls side by side.

    Parameters
    ----------
    source
        Where the reference is from.
    n_reference
        Number of compositions the reference has in this system.
    phases
        The compounds on one hull or both: new ones, confirmed ones, missing ones.
    """

    source: str
    n_reference: int
    phases: tuple[ComparedPhase, ...]

    def count(self, verdict: str) -> int:
        """Return how many phases have this verdict."""
        return sum(phase.verdict == verdict for phase in self.phases)


def compare(batch: StructureBatch, reference: ReferenceHull) -> Comparison:
    """Hold the hull of a set of structures against that of a reference.

    Both count formation energies from their own elements, so that what differs between them by
    terms linear in composition, such as corrections of elements, is not compared.

    Parameters
    ----------
    batch
        Structures with energies; NaN takes no part.
    """
    found = hull_of(batch)
    species = reference.hull.species
    counts, composition_of = distinct_compositions(batch.with_species(species).compositions)
    lowest = lowest_rows(composition_of, batch.energies_per_atom, len(counts))
    ours = {
        formula: (int(row), _is_compound(count))
        for formula, count, row in zip(_formulas(species, counts), counts, lowest, strict=True)
        if row >= 0
    }
    theirs = {formula: row for row, formula in enumerate(reference.formulas)}
    on_hull = set(found.stable.tolist())
    stable = {f for f, (row, compound) in ours.items() if compound and row in on_hull}
    known = {
        formula
        for formula, row in theirs.items()
        if _is_compound(reference.counts[row]) and reference.e_above_hull[row] < STABLE
    }
    phases = []
    for verdict, formulas in (
        (NEW, stable - known),
        (CONFIRMED, stable & known),
        (MISSING, known - stable),
    ):
        for formula in sorted(formulas):
            mine, other = ours.get(formula), theirs.get(formula)
            energy = np.nan if mine is None else float(found.formation_energies[mine[0]])
            value = np.nan if other is None else float(reference.formation_energies[other])
            distance = np.nan
            if verdict == NEW and mine is not None:
                row = batch.take([mine[0]]).with_species(species)
                at = row.compositions / row.n_atoms[:, None]
                distance = energy - float(reference.hull.energies_at(at)[0])
            elif verdict == MISSING and other is not None:
                at = reference.counts[[other]] / reference.counts[other].sum()
                height = found.hull.energies_at(_in_order(at, species, found.hull.species))
                distance = value - float(height[0])
            name = '' if other is None else reference.ids[other]
            phases.append(ComparedPhase(formula, verdict, energy, value, distance, name))
    return Comparison(reference.source, len(reference.ids), tuple(phases))


def _formulas(species: Sequence[str], counts: Ints) -> list[str]:
    order = np.argsort(species)
    return [reduced_formula(species, order, row) for row in counts]


def _is_compound(counts: Ints) -> bool:
    return int(np.count_nonzero(counts)) > 1


def _in_order(fractions: Floats, own: Sequence[str], wanted: Sequence[str]) -> Floats:
    """Return mole fractions in another order of elements."""
    ordered: Floats = fractions[:, [list(own).index(symbol) for symbol in wanted]]
    return ordered
