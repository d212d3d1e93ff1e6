"""The tables of a report: stable phases, those near the hull, and what DFT could not do."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.screening.competitors import competitor_of, decomposition_of
from aiida_mtp.core.screening.report.data import DONE
from aiida_mtp.core.screening.report.text import (
    MISSING,
    code,
    formula_html,
    milli,
    number,
    space_group_html,
    table,
)
from aiida_mtp.core.screening.symmetry import SYMPREC, symmetry_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core.screening.report.data import ScreenReport
    from aiida_mtp.core.screening.report.findings import Findings
    from aiida_mtp.core.structures import StructureBatch

NEAR = 0.03  # eV/atom: up to here phases are listed
MOST_NEAR = 20


def stable_section(report: ScreenReport, findings: Findings) -> str:
    """Return the stable phases as HTML, each with what competes with it."""
    found, phases = findings.found, findings.phases
    if found is None:
        return ''
    published = report.published
    head = ['phase', 'space group<br>prototype', 'formation energy<br>meV/atom']
    head += ['published<br>meV/atom'] if published else []
    head += ['below the<br>others', 'next structure<br>above it']
    head += ['lattice<br>Å, degrees', 'volume<br>Å³/atom']
    numeric = (2, 3, 4, 7) if published else (2, 3, 6)
    lines: list[list[str]] = []
    sources: dict[str, int] = {}
    for row in findings.stable:
        group, lattice, volume = _crystal(phases, row)
        line = [_button(findings, row), f'{group}<br>{code(phases.ids[row])}']
        line.append(milli(found.formation_energies[row]))
        if published:
            line.append(_published(published, findings.formulas[row], sources))
        rival = competitor_of(phases, row)
        line.append(milli(rival.margin))
        name = '' if rival.row < 0 else f'{milli(rival.distance)}<br>{code(phases.ids[rival.row])}'
        lines.append([*line, name, lattice, volume])
    notes = '; '.join(f'<sup>{mark}</sup> {escape(source)}' for source, mark in sources.items())
    note = f'<p class="note">Published values, for comparison: {notes}.</p>' if notes else ''
    words = (
        '<p class="note">How firmly a phase is stable, in meV/atom: how far it lies below the hull '
        'of all other compositions, and how far above it the next crystal of its own composition '
        'is that DFT has relaxed.</p>'
    )
    return f'<h2>Stable phases</h2>{words}{table(head, lines, numeric)}{note}'


def near_section(findings: Findings) -> str:
    """Return the phases near the hull as HTML, each with what it decomposes into."""
    found, phases = findings.found, findings.phases
    if found is None:
        return ''
    near = np.setdiff1d(np.flatnonzero(found.e_above_hull < NEAR), findings.stable)
    near = near[np.argsort(found.e_above_hull[near], kind='stable')]
    if not len(near):
        return ''
    lines = [
        [
            _button(findings, row),
            milli(found.e_above_hull[row]),
            milli(found.formation_energies[row]),
            _decomposition(findings, row),
            _crystal(phases, row)[0],
            code(phases.ids[row]),
        ]
        for row in near[:MOST_NEAR]
    ]
    head = ['phase', 'above hull<br>meV/atom', 'formation energy<br>meV/atom', 'decomposes into']
    rest = len(near) - len(lines)
    more = f'<p class="note">… and {number(rest)} more.</p>' if rest else ''
    return (
        f'<h2>Near the hull</h2><p class="note">Relaxed by DFT to less than {milli(NEAR, 0)} '
        'meV/atom above the hull; shares are of the atoms.</p>'
        f'{table([*head, "space group", "prototype"], lines, (1, 2))}{more}'
    )


def failures_section(report: ScreenReport) -> str:
    """Name what DFT could not relax, which may be missing from the hull, or label."""
    relaxations = _not_done(report.hull)
    labels = '' if report.failed_labels is None else _not_done(report.failed_labels)
    html = ''
    if relaxations:
        html += (
            '<h2>Not relaxed</h2><p class="note">DFT did not finish these; a stable phase among '
            f'them would be missing above.</p>{relaxations}'
        )
    if labels:
        html += (
            '<h2>Not learnt from</h2><p class="note">DFT did not finish these; the potentials were '
            f'trained without them.</p>{labels}'
        )
    return html


def _button(findings: Findings, row: int) -> str:
    """Return the formula of a phase, which opens its structure if that is in the page."""
    formula = formula_html(findings.formulas[row])
    place = findings.place_of(row)
    return formula if place is None else f'<button data-phase="{place}">{formula}</button>'


def _published(
    published: Mapping[str, tuple[float, str]], formula: str, sources: dict[str, int]
) -> str:
    """Return a published value with the mark of its source."""
    value, source = published.get(formula, (np.nan, ''))
    if not source:
        return ''
    return f'{milli(value, 0)}<sup>{sources.setdefault(source, len(sources) + 1)}</sup>'


def _decomposition(findings: Findings, row: int) -> str:
    """Return what a phase decomposes into; one of the same composition without a share."""
    assert findings.found is not None  # noqa: S101 - the caller has looked
    parts = decomposition_of(findings.found.hull, findings.phases, row)
    if len(parts) == 1:
        return formula_html(parts[0][0])
    return ' + '.join(f'{number(share, 2)} {formula_html(name)}' for name, share in parts)


def _crystal(batch: StructureBatch, row: int) -> tuple[str, str, str]:
    """Return space group, lattice parameters and volume of a structure."""
    atoms = batch.atoms_of(row)
    volume = number(batch.volumes[row] / batch.n_atoms[row], 2)
    symmetry = symmetry_of(batch.cells[row], batch.positions[atoms], batch.types[atoms], SYMPREC)
    if symmetry is None:
        return MISSING, MISSING, volume
    lengths, angles = symmetry.lengths, symmetry.angles
    cell = [f'a\xa0=\xa0{number(lengths[0], 3)}']
    cell += [
        f'{name}\xa0=\xa0{number(lengths[i], 3)}'
        for i, name in ((1, 'b'), (2, 'c'))
        if not np.isclose(lengths[i], lengths[0], atol=1e-4)
    ]
    cell += [
        f'{name}\xa0=\xa0{number(angles[i], 1)}'
        for i, name in enumerate('αβγ')
        if not any(np.isclose(angles[i], usual, atol=1e-2) for usual in (90, 120))
    ]
    group = f'<span class="keep">{space_group_html(symmetry.symbol)} ({symmetry.number})</span>'
    return group, ', '.join(cell), volume


def _not_done(batch: StructureBatch) -> str:
    """Return a table of the structures DFT did not finish, with the reasons; empty if all are."""
    failed = batch.take(batch.status != DONE)
    messages = failed.column('message', '')
    lines = [
        [
            formula_html(formula),
            escape(str(failed.status[row]).replace('_', ' ')),
            escape(str(messages[row])),
            code(failed.ids[row]),
        ]
        for row, formula in enumerate(failed.formulas)
    ]
    return table(['phase', 'status', 'reason', 'prototype'], lines) if lines else ''
