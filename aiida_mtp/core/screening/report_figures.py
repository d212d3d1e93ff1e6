"""Pictures of hulls, in SVG that takes its colours from the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.hull import HullOfSet, hull_of
from aiida_mtp.core.screening.report_data import DONE, STABLE
from aiida_mtp.core.screening.report_text import formula_svg, milli

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.screening.report_data import ScreenReport
    from aiida_mtp.core.structures import StructureBatch

TRUSTED = (DONE, 'converged', 'max_steps')
CHARACTER = 7.6  # width of a character of a label, in units of the picture


def hull_figure(report: ScreenReport) -> str:
    """Return the picture of a binary or ternary hull, '' for any other system."""
    done = np.flatnonzero(report.hull.status == DONE)
    found = hull_of(report.hull.take(done)) if len(done) else None
    if found is None or found.hull.species != report.elements:
        return ''
    if len(report.elements) == 2:
        return _binary(report, report.hull.take(done), found)
    if len(report.elements) == 3:
        return _ternary(report.hull.take(done), found)
    return ''


# Binary systems: formation energy over composition

LEFT, RIGHT, TOP, BOTTOM = 62.0, 880.0, 14.0, 440.0


def _binary(report: ScreenReport, phases: StructureBatch, found: HullOfSet) -> str:
    """Return formation energies over composition: candidates, DFT and the hull."""
    x = phases.compositions[:, 1] / phases.n_atoms
    energies = found.formation_energies
    depth = -float(energies.min())
    low = -1.16 * depth if depth > STABLE else -0.02
    high = max(0.4 * depth, 0.02)
    step = _nice_step(high - low)

    def at(fraction: Floats, energy: Floats) -> tuple[Floats, Floats]:
        rise = (np.asarray(energy) - low) / (high - low)
        return LEFT + (RIGHT - LEFT) * np.asarray(fraction), BOTTOM - (BOTTOM - TOP) * rise

    parts = []
    for level in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
        _, y = at(np.zeros(1), np.array([level]))
        kind = 'axis' if abs(level) < 1e-9 else 'grid'
        parts.append(f'<path class="{kind}" d="M{LEFT:g} {y[0]:.1f}H{RIGHT:g}"/>')
        parts.append(_text(LEFT - 9, y[0] + 4, milli(level, 0), 'tick', 'end'))
    for fraction in np.linspace(0, 1, 6):
        place = LEFT + (RIGHT - LEFT) * fraction
        parts.append(_text(place, BOTTOM + 20, f'{fraction:.1f}', 'tick'))
    parts.append(f'<path class="axis" d="M{LEFT:g} {BOTTOM:g}H{RIGHT:g}"/>')
    first, second = report.elements
    label = f'x in {first}<tspan class="sub" dy="3">1−x</tspan><tspan dy="-3">{second}</tspan>'
    parts.append(
        _text((LEFT + RIGHT) / 2, BOTTOM + 42, f'{label}<tspan class="sub" dy="3">x</tspan>')
    )
    middle = (TOP + BOTTOM) / 2
    parts.append(
        f'<text transform="translate(14 {middle:g}) rotate(-90)" text-anchor="middle">'
        'formation energy (meV/atom)</text>'
    )
    for kind, stage in zip(('one', 'two'), report.stages, strict=False):
        if stage.structures is not None:
            fractions, heights = _formation_energies(stage.structures, report.elements)
            inside = (heights <= high) & (heights >= low)
            parts.append(_dots(kind, *at(fractions[inside, 1], heights[inside])))
    order = np.argsort(found.hull.vertices[:, 1])
    line_x, line_y = at(found.hull.vertices[order, 1], found.hull.vertex_energies[order])
    path = 'L'.join(f'{a:.1f} {b:.1f}' for a, b in zip(line_x, line_y, strict=True))
    parts.append(f'<path class="hull" d="M{path}"/>')
    shown = np.flatnonzero(energies <= high)
    px, py = at(x[shown], energies[shown])
    parts += _phases(phases, found, shown, px, py)
    stable = found.stable[np.argsort(x[found.stable])]
    bottom = x[stable[np.argmin(energies[stable])]]
    sides = np.sign(x[stable] - bottom) * (np.abs(x[stable] - 0.5) < 0.49)  # away from the hull
    parts += _labels(
        [phases.formulas[row] for row in stable], *at(x[stable], energies[stable]), sides
    )
    parts.append(_legend(report, RIGHT))
    title = f'Formation energies and convex hull of {"-".join(report.elements)}'
    return _svg(900, 490, title, parts)


def _formation_energies(batch: StructureBatch, elements: Sequence[str]) -> tuple[Floats, Floats]:
    """Return mole fractions and formation energies by the potential of a stage."""
    known = np.isin(batch.status, TRUSTED) & np.isfinite(batch.energies)
    batch = batch.take(known).with_species(elements)
    try:
        hull = hull_of(batch).hull
    except InputError:  # an element is not among the trusted: no zero to count from
        return np.empty((0, len(elements))), np.empty(0)
    return batch.compositions / batch.n_atoms[:, None], hull.formation_energies(batch)


def _dots(kind: str, x: Floats, y: Floats) -> str:
    """Return many dots as one path; those that would cover each other are drawn once."""
    places = np.unique(np.rint(np.column_stack([x, y])), axis=0).astype(int)
    return f'<path class="{kind}" d="{"".join(f"M{a} {b}h0" for a, b in places)}"/>'


# Ternary systems: tie lines in the triangle of compositions

SIDE = 620.0
CORNER = (140.0, 590.0)


def _ternary(phases: StructureBatch, found: HullOfSet) -> str:
    """Return the triangle of compositions with the phases that coexist."""
    hull = found.hull

    def at(fractions: Floats) -> tuple[Floats, Floats]:
        x = CORNER[0] + SIDE * (fractions[:, 1] + 0.5 * fractions[:, 2])
        return x, CORNER[1] - SIDE * 0.75**0.5 * fractions[:, 2]

    vx, vy = at(hull.vertices)
    depth = max(-float(hull.vertex_energies.min()), 1e-12)
    parts = []
    for facet in hull.facets:
        shade = 0.03 + 0.35 * max(0.0, -float(hull.vertex_energies[facet].mean())) / depth
        corners = ' '.join(f'{vx[v]:.1f},{vy[v]:.1f}' for v in facet)
        parts.append(f'<polygon class="facet" fill-opacity="{shade:.2f}" points="{corners}"/>')
    for a, b in _edges(hull.facets):
        parts.append(f'<path class="tie" d="M{vx[a]:.1f} {vy[a]:.1f}L{vx[b]:.1f} {vy[b]:.1f}"/>')
    fractions = phases.compositions / phases.n_atoms[:, None]
    # of every composition the lowest phase, the nearest to the hull on top
    order = np.argsort(-found.e_above_hull, kind='stable')
    near = order[found.e_above_hull[order] < 0.05]
    parts += _phases(phases, found, near, *at(fractions[near]))
    inner = found.stable[np.count_nonzero(phases.compositions[found.stable], axis=1) > 1]
    parts += _labels(
        [phases.formulas[row] for row in inner], *at(fractions[inner]), np.zeros(len(inner))
    )
    ex, ey = at(np.eye(3))
    for name, x, y, (dx, dy, anchor) in zip(
        hull.species, ex, ey, ((-14, 16, 'end'), (14, 16, 'start'), (0, -16, 'middle')), strict=True
    ):
        parts.append(_text(x + dx, y + dy, escape(name), 'name', anchor))
    parts.append(
        '<g class="legend">'
        + _mark('stable', 700, 40, 5)
        + _text(712, 44, 'stable', '', 'start')
        + _mark('dft', 700, 62, 3.6)
        + _text(712, 66, 'within 50 meV/atom of the hull', '', 'start')
        + '<rect class="facet" fill-opacity=".3" x="694" y="77" width="12" height="12"/>'
        + _text(712, 88, 'the darker, the lower the hull', '', 'start')
        + '</g>'
    )
    return _svg(900, 625, f'Stable phases and tie lines of {"-".join(hull.species)}', parts)


def _edges(facets: Ints) -> list[tuple[int, int]]:
    """Return the edges of triangles, each once."""
    pairs = np.concatenate([facets[:, [0, 1]], facets[:, [1, 2]], facets[:, [0, 2]]])
    return [(int(a), int(b)) for a, b in np.unique(np.sort(pairs, axis=1), axis=0)]


# What both have


def _phases(
    phases: StructureBatch, found: HullOfSet, rows: Ints, x: Floats, y: Floats
) -> list[str]:
    """Return the phases of DFT, each with its numbers to be shown under the pointer."""
    stable = set(found.stable.tolist())
    drawn = []
    for row, a, b in zip(rows.tolist(), x, y, strict=True):
        distance = found.e_above_hull[row]
        where = 'on the hull' if row in stable else f'{milli(distance)} meV/atom above the hull'
        words = (
            f'{phases.formulas[row]}, {phases.ids[row]}: '
            f'{milli(found.formation_energies[row])} meV/atom, {where}'
        )
        kind, radius = ('stable', 5.0) if row in stable else ('dft', 3.4)
        drawn.append((row in stable, _mark(kind, a, b, radius, words)))
    return [mark for _, mark in sorted(drawn, key=lambda pair: pair[0])]  # stable ones on top


def _labels(formulas: Sequence[str], x: Floats, y: Floats, sides: Floats) -> list[str]:
    """Return formulas beside their points, where they cover neither another nor a point.

    Parameters
    ----------
    sides
        shape (n,): -1 to try the left of the point first, 1 the right, 0 below.
    """
    taken = [(a - 6, b - 6, a + 6, b + 6) for a, b in zip(x, y, strict=True)]
    labels = []
    for formula, a, b, side in zip(formulas, x, y, sides, strict=True):
        half = CHARACTER * len(formula) / 2
        places = [(side * (half + 6), 16 if side else 21), (0, 21), (0, -11)]
        places += [(half + 10, 5), (-half - 10, 5)]
        places += [(sign * half, dy) for dy in (21, -11, 36, -26) for sign in (1, -1)]
        boxes = [(a + dx - half, b + dy - 12, a + dx + half, b + dy + 3) for dx, dy in places]
        covered = [_overlap(box, taken) for box in boxes]
        best = int(np.argmin(covered))
        taken.append(boxes[best])
        dx, dy = places[best]
        labels.append(_text(a + dx, b + dy, formula_svg(formula), 'name halo'))
    return labels


def _overlap(
    box: tuple[float, float, float, float], others: list[tuple[float, float, float, float]]
) -> float:
    """Return the area a box shares with others."""
    return sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in others
    )


def _legend(report: ScreenReport, right: float) -> str:
    """Return what the marks of a binary picture mean, from the right to the left."""
    entries = [('stable', 'stable (DFT)'), ('dft', 'DFT')]
    drawn = [
        (kind, f'{stage.name} (potential)')
        for kind, stage in zip(('one', 'two'), report.stages, strict=False)
        if stage.structures is not None
    ]
    entries += drawn[::-1]
    parts, x = [], right
    for kind, words in entries:
        x -= CHARACTER * 0.92 * len(words)
        parts.append(_text(x, TOP + 6, escape(words), '', 'start'))
        if kind in {'one', 'two'}:
            parts.append(
                f'<path class="{kind}" style="stroke-width:6" d="M{x - 10:.1f} {TOP + 2:g}h0"/>'
            )
        else:
            parts.append(_mark(kind, x - 10, TOP + 2, 4))
        x -= 34
    return f'<g class="legend">{"".join(parts)}</g>'


def _mark(kind: str, x: float, y: float, radius: float, words: str = '') -> str:
    title = f'<title>{escape(words)}</title>' if words else ''
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{title}</circle>'


def _text(x: float, y: float, content: str, kind: str = '', anchor: str = 'middle') -> str:
    named = f' class="{kind}"' if kind else ''
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{content}</text>'


def _svg(width: int, height: int, title: str, parts: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f'{"".join(parts)}</svg>'
    )


def _nice_step(span: float) -> float:
    """Return a round distance between about six ticks."""
    rough = span / 6
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(m for m in (1, 2, 2.5, 5, 10) if m * power >= rough) * power)
