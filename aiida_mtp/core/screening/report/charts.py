"""Small charts in SVG that take their colours from the page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.screening.report.text import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats

WIDTH, HEIGHT = 440.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 426.0, 14.0, 252.0


@dataclass(frozen=True)
class Axis:
    """A range of values and what they are.

    Parameters
    ----------
    low, high
        The ends, `low` < `high`.
    label
        Name and unit.
    is_log
        Whether equal factors take equal lengths.
    ticks
        Where to write numbers; by default round ones.
    """

    low: float
    high: float
    label: str
    is_log: bool = False
    ticks: tuple[float, ...] = ()

    @classmethod
    def around(cls, values: Floats, label: str, *, is_log: bool = False) -> Axis:
        """Return an axis that shows all values that are numbers, with a margin."""
        known = values[np.isfinite(values) & ((values > 0) | (not is_log))]
        if not len(known):
            return cls(1.0, 10.0, label, is_log)
        low, high = float(known.min()), float(known.max())
        if is_log:
            return cls(low / 1.25, high * 1.25, label, is_log=True)
        margin = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
        return cls(low - margin, high + margin, label)

    def at(self, values: Floats) -> Floats:
        """Return where values lie between the ends: 0 … 1."""
        values = np.asarray(values, dtype=np.float64)
        if self.is_log:
            scale = np.log(self.high / self.low)
            positions: Floats = np.log(np.maximum(values, 1e-300) / self.low) / scale
        else:
            positions = (values - self.low) / (self.high - self.low)
        return positions

    def marks(self) -> list[float]:
        """Return the values that get a number."""
        if self.ticks:
            return [value for value in self.ticks if self.low <= value <= self.high]
        if self.is_log:
            return _log_marks(self.low, self.high)
        step = nice_step(self.high - self.low)
        first, last = np.ceil(self.low / step), np.floor(self.high / step)
        return [float(value) for value in np.arange(first, last + 1) * step]


def nice_step(span: float, parts: int = 5) -> float:
    """Return a round distance between about so many ticks."""
    rough = span / parts
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(m for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9)) * power)


def _log_marks(low: float, high: float) -> list[float]:
    """Return powers of ten, with 2 and 5 between them where there is room."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    marks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5)):
        values = [float(power * step) for power in powers for step in steps]
        marks = [value for value in values if low <= value <= high]
        if len(marks) >= 3:
            break
    return marks[:: 1 + len(marks) // 8]


def grade_edges(grades: Floats, n_bins: int = 40) -> Floats:
    """Return the edges of bins of equal factors that hold all grades, and 1 among them."""
    low, high = np.log10([min(grades.min(), 0.5), 1.01 * max(grades.max(), 2.0)])
    edges: Floats = np.logspace(low, high, n_bins + 1)
    return edges


def chart(title: str, x: Axis, y: Axis, parts: Sequence[str]) -> str:
    """Return a chart: axes with their labels, and what was drawn between them.

    Parameters
    ----------
    parts
        SVG in the coordinates of `places`.
    """
    frame = []
    for value in y.marks():
        (_,), (height,) = places(x, y, [x.low], [value])
        frame.append(f'<path class="grid" d="M{LEFT:g} {height:.1f}H{RIGHT:g}"/>')
        frame.append(_text(LEFT - 7, height + 4, _tick(value, y), 'tick', 'end'))
    for value in x.marks():
        (place,), (_,) = places(x, y, [value], [y.low])
        frame.append(f'<path class="axis" d="M{place:.1f} {BOTTOM:g}v4"/>')
        frame.append(_text(place, BOTTOM + 18, _tick(value, x), 'tick'))
    frame.append(f'<path class="axis" d="M{LEFT:g} {BOTTOM:g}H{RIGHT:g}"/>')
    frame.append(_text((LEFT + RIGHT) / 2, BOTTOM + 40, escape(x.label)))
    middle = (TOP + BOTTOM) / 2
    frame.append(
        f'<text transform="translate(13 {middle:g}) rotate(-90)" text-anchor="middle">'
        f'{escape(y.label)}</text>'
    )
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(title)}">{"".join([*frame, *parts])}</svg></figure>'
    )


def places(
    x: Axis, y: Axis, values: Sequence[float] | Floats, heights: Sequence[float] | Floats
) -> tuple[Floats, Floats]:
    """Return where points lie in a chart."""
    along, up = x.at(np.asarray(values)), y.at(np.asarray(heights))
    return LEFT + (RIGHT - LEFT) * along, BOTTOM - (BOTTOM - TOP) * up


def line(kind: str, x: Floats, y: Floats) -> str:
    """Return a line through points, each with a dot."""
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return ''
    path = 'L'.join(f'{a:.1f} {b:.1f}' for a, b in zip(x[known], y[known], strict=True))
    marks = ''.join(
        f'<circle class="{kind} mark" cx="{a:.1f}" cy="{b:.1f}" r="3.2"/>'
        for a, b in zip(x[known], y[known], strict=True)
    )
    return f'<path class="{kind} line" d="M{path}"/>{marks}'


def dots(kind: str, x: Floats, y: Floats) -> str:
    """Return many dots as one path; those that would cover each other are drawn once."""
    points = np.unique(np.rint(2 * np.column_stack([x, y])), axis=0) / 2
    return f'<path class="{kind} dots" d="{"".join(f"M{a:g} {b:g}h0" for a, b in points)}"/>'


def bars(kind: str, x: Axis, y: Axis, edges: Floats, counts: Floats) -> str:
    """Return the bars of a histogram."""
    left, height = places(x, y, edges[:-1], counts)
    right, _ = places(x, y, edges[1:], counts)
    return ''.join(
        f'<rect class="{kind} bar" x="{a + 0.5:.1f}" y="{h:.1f}" '
        f'width="{max(b - a - 1, 0.5):.1f}" height="{BOTTOM - h:.1f}"/>'
        for a, b, h, n in zip(left, right, height, counts, strict=True)
        if n
    )


def note(x: float, y: float, words: str, kind: str = '', anchor: str = 'start') -> str:
    """Return words at a place of a chart."""
    return _text(x, y, escape(words), f'note {kind}'.strip(), anchor)


def _tick(value: float, axis: Axis) -> str:
    if axis.is_log:
        digits = max(0, -int(np.floor(np.log10(value) + 1e-9)))
    else:
        step = nice_step(axis.high - axis.low)
        digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
        digits += not np.isclose(round(step, digits), step)
    return number(value, digits)


def _text(x: float, y: float, content: str, kind: str = '', anchor: str = 'middle') -> str:
    named = f' class="{kind}"' if kind else ''
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{content}</text>'
