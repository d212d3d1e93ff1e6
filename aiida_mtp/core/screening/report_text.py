"""Numbers and formulas as a reader wants them, in HTML and SVG."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MISSING = '–'


def number(value: float, digits: int = 0) -> str:
    """Return a number with a true minus sign and thin spaces between thousands."""
    if not np.isfinite(value):
        return MISSING
    text = f'{value:,.{digits}f}'
    if float(text.replace(',', '')) == 0:
        text = text.lstrip('-')
    return text.replace(',', '\u2009').replace('-', '−')


def milli(value: float, digits: int = 1) -> str:
    """Return a value in thousandths, such as eV/atom in meV/atom."""
    return number(value * 1e3, digits)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if not np.isfinite(seconds):
        return MISSING
    for unit, length in (('year', 31_557_600), ('day', 86_400), ('hour', 3600), ('minute', 60)):
        if seconds >= 2 * length:
            return f'{number(seconds / length, 0 if seconds >= 20 * length else 1)} {unit}s'
    return f'{number(seconds)} seconds'


def formula_html(formula: str) -> str:
    """Return a formula with its numbers as subscripts."""
    return re.sub(r'(\d+)', r'<sub>\1</sub>', escape(formula))


def formula_svg(formula: str) -> str:
    """Return a formula as the content of an SVG text."""
    parts = []
    for symbol, count in re.findall(r'([A-Z][a-z]?|[^A-Z\d]+)(\d*)', formula):
        parts.append(f'<tspan>{escape(symbol)}</tspan>')
        if count:
            parts.append(f'<tspan class="sub" dy="3">{count}</tspan><tspan dy="-3">\u200b</tspan>')
    return ''.join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Return an HTML table; head and cells are HTML already.

    Parameters
    ----------
    numeric
        Columns whose cells stand to the right.
    """

    def line(cells: Sequence[str], tag: str) -> str:
        return ''.join(
            f'<{tag} class="n">{cell}</{tag}>' if i in numeric else f'<{tag}>{cell}</{tag}>'
            for i, cell in enumerate(cells)
        )

    body = ''.join(f'<tr>{line(row, "td")}</tr>' for row in rows)
    return (
        '<div class="scroll"><table>'
        f'<thead><tr>{line(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'
    )
