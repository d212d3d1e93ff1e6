"""Numbers and formulas as a reader wants them, in HTML."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MISSING = '–'
LONG = 24  # characters: a name that may be broken into lines


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


def space_group_html(symbol: str) -> str:
    """Return a Hermann-Mauguin symbol with overlined numbers and subscripts."""
    html, rest = '', symbol
    while rest:
        if rest.startswith('-') and len(rest) > 1:
            html += f'<span style="text-decoration:overline">{escape(rest[1])}</span>'
            rest = rest[2:]
        elif rest.startswith('_') and len(rest) > 1:
            html += f'<sub>{escape(rest[1])}</sub>'
            rest = rest[2:]
        else:
            html += f'<i>{escape(rest[0])}</i>' if rest[0].isalpha() else escape(rest[0])
            rest = rest[1:]
    return html


def code(text: object) -> str:
    """Return a name as it is typed."""
    kind = ' class="long"' if len(str(text)) > LONG else ''
    return f'<code{kind}>{escape(str(text))}</code>'


def pairs_table(pairs: Mapping[str, str]) -> str:
    """Return names and values as a table."""
    rows = ''.join(
        f'<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>'
        for name, value in pairs.items()
    )
    return f'<table class="pairs"><tbody>{rows}</tbody></table>'


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
