"""What a report tells of the way from candidates to phases, and of the potentials."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.screening.predictions import parity_of
from aiida_mtp.core.screening.report.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Axis,
    bars,
    chart,
    dots,
    grade_edges,
    line,
    note,
    places,
)
from aiida_mtp.core.screening.report.text import milli, number, pairs_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core.screening.report.data import ScreenReport, StageReport
    from aiida_mtp.core.screening.report.findings import Findings

DROPPED = {
    'above_hull': 'too high above the hull',
    'duplicate': 'the same crystal as another',
    'unreliable': 'without an energy to believe',
}


def funnel_section(report: ScreenReport, findings: Findings) -> str:
    """Return how many structures went how far, and why the others did not."""
    steps = [('candidates', report.n_candidates, '')]
    steps += [(f'kept by {stage.name}', stage.n_kept, _dropped(stage)) for stage in report.stages]
    asked = report.n_relaxed - len(findings.phases)
    failed = f'not finished by DFT: {number(asked)}' if asked else ''
    steps += [
        ('relaxed by DFT', len(findings.phases), failed),
        ('stable', len(findings.stable), ''),
    ]
    most = max(np.log1p(n) for _, n, _ in steps) or 1.0
    rows = ''.join(
        f'<span>{escape(name)}</span><span class="row"><span class="bar" '
        f'style="width:{74 * np.log1p(n) / most:.1f}%"></span>{number(n)}</span>'
        f'{f"<span class=note>{words}</span>" if words else ""}'
        for name, n, words in steps
    )
    return (
        f'<h2>From candidates to phases</h2><div class="funnel">{rows}</div>'
        '<p class="note">Lengths are logarithmic. The elements are relaxed by DFT besides.</p>'
    )


def _dropped(stage: StageReport) -> str:
    """Return why a stage has dropped what it has dropped, and by which measure."""
    reasons = [
        f'{number(n)} {escape(DROPPED.get(reason, reason.replace("_", " ")))}'
        for reason, n in stage.reasons.items()
        if reason != 'kept' and n
    ]
    dropped = f'Dropped: {", ".join(reasons)}. ' if reasons else ''
    return (
        f'{dropped}Kept up to {milli(stage.reach)} meV/atom above the hull, for an error of '
        f'{milli(stage.sigma)} meV/atom.'
    )


def potentials_section(report: ScreenReport) -> str:
    """Return what the potentials are, how they learnt, and how good they were."""
    if not report.stages:
        return ''
    blocks = ''
    for stage in report.stages:
        outcome = ', '.join(
            f'{number(n)} {escape(name.replace("_", " "))}' for name, n in stage.statuses.items()
        )
        pairs = {
            **stage.potential,
            'training set': f'{number(stage.n_training)} configurations',
            'rounds of learning': number(stage.n_iterations),
            **stage.errors,
            'relaxations': outcome,
        }
        blocks += f'<div><h3>{escape(stage.name)}</h3>{pairs_table(pairs)}</div>'
    return (
        f'<h2>Potentials</h2><div class="columns">{blocks}</div>'
        f'{_learning(report.stages)}{_parities(report)}{_grades(report.stages)}'
    )


def _learning(stages: Sequence[StageReport]) -> str:
    """Return errors and size of the training set, training by training through all stages."""
    steps = [step for stage in stages for step in stage.learning]
    if len(steps) < 2:
        return ''
    rounds = np.arange(1.0, len(steps) + 1)
    along = Axis(0.5, len(steps) + 0.5, 'training', ticks=_whole(len(steps)))
    trained, left_out = (
        1e3 * np.array([getattr(step, name) for step in steps])
        for name in ('rmse', 'rmse_validation')
    )
    size = np.array([step.n_training for step in steps], dtype=np.float64)
    errors = Axis.around(
        np.concatenate([trained, left_out]), 'RMSE of energies (meV/atom)', is_log=True
    )
    parts = [
        *_borders(stages, along, errors),
        line('s1', *places(along, errors, rounds, trained)),
        line('s0', *places(along, errors, rounds, left_out)),
    ]
    sizes = Axis(0.0, 1.08 * float(size.max()), 'configurations in the training set')
    grown = [*_borders(stages, along, sizes), line('s0', *places(along, sizes, rounds, size))]
    legend = '<span><i class="s1"></i>trained on</span>'
    if np.isfinite(left_out).any():
        legend = f'<span><i class="s0"></i>left out of the training</span>{legend}'
    return (
        '<h3>Learning</h3><div class="columns">'
        f'<div>{chart("RMSE by training", along, errors, parts)}'
        f'<p class="legend">{legend}</p></div>'
        f'<div>{chart("Size of the training set by training", along, sizes, grown)}</div></div>'
    )


def _borders(stages: Sequence[StageReport], along: Axis, up: Axis) -> list[str]:
    """Return the names of the stages, and lines where one ends and the next begins."""
    parts, start = [], 0
    for stage in stages:
        (place,), _ = places(along, up, [start + 0.5], [up.low])
        if start:
            parts.append(f'<path class="border" d="M{place:.1f} {TOP:g}V{BOTTOM:g}"/>')
        if stage.learning:
            parts.append(note(place + 6, TOP + 8, stage.name))
        start += len(stage.learning)
    return parts


def _whole(n: int) -> tuple[float, ...]:
    step = max(1, -(-n // 10))
    return tuple(float(value) for value in range(1, n + 1, step))


def _parities(report: ScreenReport) -> str:
    """Return what the potentials had predicted over what DFT has found."""
    blocks = ''
    for index, stage in enumerate(report.stages):
        if stage.structures is None:
            continue
        parity = parity_of(report.hull, stage.structures)
        if len(parity.reference) < 2:
            continue
        x, y = 1e3 * parity.reference, 1e3 * parity.predicted
        ends = Axis.around(np.concatenate([x, y]), '')
        along = Axis(ends.low, ends.high, 'formation energy by DFT (meV/atom)')
        up = Axis(ends.low, ends.high, f'by {stage.name} (meV/atom)')
        words = f'RMSE {milli(parity.rmse)} meV/atom, {number(len(x))} structures'
        parts = [
            f'<path class="border" d="M{LEFT:g} {BOTTOM:g}L{RIGHT:g} {TOP:g}"/>',
            dots(f's{index % 2}', *places(along, up, x, y)),
            note(LEFT + 8, TOP + 8, words),
        ]
        blocks += f'<div>{chart(f"Parity of {stage.name}", along, up, parts)}</div>'
    if not blocks:
        return ''
    return (
        '<h3>Predicted and found</h3><p class="note">Every structure DFT has relaxed that the '
        'stage has relaxed too, each at the geometry of its own method.</p>'
        f'<div class="columns">{blocks}</div>'
    )


def _grades(stages: Sequence[StageReport]) -> str:
    """Return how far the potentials had to extrapolate."""
    blocks = ''
    for index, stage in enumerate(stages):
        if stage.structures is None:
            continue
        grades = np.asarray(stage.structures.column('grade'), dtype=np.float64)
        grades = grades[np.isfinite(grades) & (grades > 0)]
        if len(grades) < 2:
            continue
        edges = grade_edges(grades)
        counts, _ = np.histogram(grades, edges)
        along = Axis(float(edges[0]), float(edges[-1]), 'extrapolation grade', is_log=True)
        up = Axis(0.0, 1.1 * float(counts.max()), f'structures of {stage.name}')
        (one,), _ = places(along, up, [1.0], [0.0])
        parts = [
            bars(f's{index % 2}', along, up, edges, counts.astype(float)),
            f'<path class="border" d="M{one:.1f} {TOP:g}V{BOTTOM:g}"/>',
        ]
        blocks += f'<div>{chart(f"Extrapolation grades of {stage.name}", along, up, parts)}</div>'
    if not blocks:
        return ''
    return (
        '<h3>Extrapolation</h3><p class="note">The largest grade that each relaxation met with the '
        'last potential of the stage; up to 1 (the line) it interpolates.</p>'
        f'<div class="columns">{blocks}</div>'
    )
