"""What a report tells of the time a screen took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.screening.report.text import duration, number, table

if TYPE_CHECKING:
    from aiida_mtp.core.screening.report.data import ScreenReport

PARTS = ('final relaxations with DFT', 'DFT to learn from', 'training', 'relaxing with potentials')
PUBLISHED = (0.90, 0.09, 0.01)  # of Gubaev et al.; training and relaxing are one there
SOURCE = 'Gubaev et al., Comput. Mater. Sci. 156, 148 (2019)'


def cost_section(report: ScreenReport) -> str:
    """Return where the computing time went, beside what was published of the recipe."""
    spent = report.spent_seconds()
    if not (np.isfinite(spent) and spent > 0 and report.n_labels):
        return ''
    seconds = [
        report.final_seconds(),
        report.label_seconds,
        report.training_seconds,
        report.relaxing_seconds,
    ]
    shares = [part / spent for part in seconds]
    rows = [
        [
            f'<i class="part{index}"></i>{name}',
            duration(part),
            _percent(share),
            f'{PUBLISHED[index]:.0%}' if index < 2 else ('1%, both' if index == 2 else ''),
        ]
        for index, (name, part, share) in enumerate(zip(PARTS, seconds, shares, strict=True))
    ]
    rows.append(['<b>all</b>', f'<b>{duration(spent)}</b>', '', ''])
    head = ['', 'computing time', 'share', 'published¹']
    return (
        '<h2>Cost</h2><div class="shares">'
        f'<span>this screen</span>{_bar(shares)}<span>published¹</span>{_bar(PUBLISHED)}</div>'
        f'<div class="narrow">{table(head, rows, (1, 2, 3))}</div>'
        f'<p class="note">DFT relaxations of all candidates at the mean cost of the final ones: '
        f'{duration(report.brute_force_seconds())}. ¹ {SOURCE}.</p>'
    )


def _bar(shares: list[float] | tuple[float, ...]) -> str:
    parts = ''.join(
        f'<span class="part{index}" style="flex-grow:{1000 * share:.0f}"></span>'
        for index, share in enumerate(shares)
        if share > 0
    )
    return f'<span class="share">{parts}</span>'


def _percent(share: float) -> str:
    return '&lt;0.1%' if 0 < share < 1e-3 else f'{number(100 * share, 1)}%'
