"""The section of a report that holds the hull against one of others."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.screening.reference_hull import CONFIRMED, MISSING, NEW
from aiida_mtp.core.screening.report.text import code, formula_html, milli, number, table

if TYPE_CHECKING:
    from aiida_mtp.core.screening.reference_hull import ComparedPhase, Comparison

WORDS = {NEW: 'new', CONFIRMED: 'confirmed', MISSING: 'missing'}


def comparison_section(comparison: Comparison | None) -> str:
    """Return the section as HTML; empty if no reference was given."""
    if comparison is None:
        return ''
    counts = ', '.join(
        f'{number(comparison.count(verdict))} {word}' for verdict, word in WORDS.items()
    )
    lines = [
        [
            formula_html(phase.formula),
            f'<span class="verdict {phase.verdict}">{WORDS[phase.verdict]}</span>',
            milli(phase.energy),
            milli(phase.reference_energy),
            milli(phase.energy - phase.reference_energy),
            _meaning(phase),
            code(phase.reference_id) if phase.reference_id else '',
        ]
        for phase in comparison.phases
    ]
    head = ['phase', '', 'here<br>meV/atom', 'reference<br>meV/atom', 'difference<br>meV/atom']
    return (
        '<h2>Beside a reference hull</h2>'
        f'<p>Stable compounds here and in {escape(comparison.source)}, which has '
        f'{number(comparison.n_reference)} compositions of this system: {counts}.</p>'
        f'{table([*head, "", "in the reference"], lines, (2, 3, 4))}'
        '<p class="note">Lowest formation energies of a composition; here and there they are '
        'counted from the elements of each, and their settings of DFT may differ.</p>'
    )


def _meaning(phase: ComparedPhase) -> str:
    if phase.verdict == CONFIRMED or not np.isfinite(phase.distance):
        return ''
    side = 'below' if phase.distance < 0 else 'above'
    far = milli(abs(phase.distance))
    if phase.verdict == NEW:
        return f'{far} meV/atom {side} the hull of the reference'
    known = '' if np.isfinite(phase.energy) else '; DFT relaxed nothing of this composition here'
    return f'the reference lies {far} meV/atom {side} the hull here{known}'
