"""The phases of a hull as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from aiida_mtp.core.screening.duplicates import find_duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Ints
    from aiida_mtp.core.screening.reference_hull import Comparison
    from aiida_mtp.core.structures import StructureBatch

NEAR = 0.02  # eV/atom: how far above the hull a phase is still worth a row
STABLE = 1e-6  # eV/atom: rounding of a difference of energies


def hull_table(hull: StructureBatch, known: Mapping[str, tuple[float, str]] | None = None) -> Table:
    """Return the stable phases and those close to them.

    Parameters
    ----------
    known
        Published formation energies: formula → eV/atom and its source.
    """
    known = known or {}
    table = Table(
        title=f'{"-".join(hull.species)}: phases on and near the hull', title_style='bold'
    )
    table.add_column('formula')
    table.add_column('structure')
    table.add_column('formation energy\nmeV/atom', justify='right')
    table.add_column('above hull\nmeV/atom', justify='right')
    if known:
        table.add_column('published\nPBE, meV/atom', justify='right')
        table.add_column('source')
    distance = hull.columns['e_above_hull']
    found = set()
    rows, n_copies = _distinct(hull)
    for row in rows:
        stable = distance[row] < STABLE
        formula = hull.formulas[row]
        cells = [
            formula,
            str(hull.ids[row]),
            f'{hull.columns["formation_energy"][row] * 1e3:.1f}',
            'stable' if stable else f'{distance[row] * 1e3:.1f}',
        ]
        if formula in known and stable:
            found.add(formula)
            value, source = known[formula]
            cells += [f'{value * 1e3:.0f}', source]
        table.add_row(*cells, style='bold' if stable else 'dim')
    notes = [f'{n_copies} more are the same crystals as these'] if n_copies else []
    missing = sorted(set(known) - found, key=lambda formula: known[formula][0])
    if missing:
        listed = ', '.join(f'{formula} {known[formula][0] * 1e3:.0f}' for formula in missing)
        notes.append(f'published as well, but not stable or not screened here: {listed}')
    table.caption = '\n'.join(notes) or None
    return table


def _distinct(hull: StructureBatch) -> tuple[Ints, int]:
    """Return the rows worth showing, by composition, and how many more are the same crystals."""
    distance = hull.columns['e_above_hull']
    fraction = hull.compositions[:, -1] / hull.n_atoms
    is_pure = np.isin(fraction, (0.0, 1.0))  # stable, or another structure of an element
    order = np.lexsort((distance, fraction))
    near = order[distance[order] < np.where(is_pure[order], STABLE, NEAR)]  # not what has none
    alone = find_duplicates(hull.take(near)) == np.arange(len(near))
    return near[alone], int(np.sum(~alone))


def comparison_table(comparison: Comparison) -> Table:
    """Return the stable compounds of two hulls: new, confirmed and missing ones."""
    table = Table(title=f'beside {comparison.source}', title_style='bold')
    table.add_column('formula')
    table.add_column('')
    for words in ('here', 'reference', 'from the\nother hull'):
        table.add_column(f'{words}\nmeV/atom', justify='right')
    table.add_column('in the reference')
    for phase in comparison.phases:
        values = (phase.energy, phase.reference_energy, phase.distance)
        numbers = (f'{value * 1e3:.1f}' if np.isfinite(value) else '' for value in values)
        table.add_row(phase.formula, phase.verdict, *numbers, phase.reference_id)
    return table
