"""Pictures for papers, with matplotlib."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.plots.points import (
    ACCENT,
    CLOUDS,
    ENERGY,
    FAINT,
    INK,
    ROOF,
    WARM,
    candidate_points,
    errors_of,
    funnel_steps,
    grade_bins,
    hull_points,
    learning_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.screening.report.data import ScreenReport, StageReport
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.plots.points import HullPoints

P = ParamSpec('P')
COLUMN = 3.4  # inches: the width of a column of a journal
NEAR = 1e-6  # of an edge of the triangle
STYLE: dict[Any, Any] = {
    'figure.dpi': 200,
    'font.size': 8,
    'axes.linewidth': 0.6,
    'axes.edgecolor': INK,
    'xtick.direction': 'in',
    'ytick.direction': 'in',
    'xtick.major.width': 0.6,
    'ytick.major.width': 0.6,
    'legend.frameon': False,
    'legend.fontsize': 7,
    'pdf.fonttype': 42,  # letters stay letters
    'svg.fonttype': 'none',
}


def _in_style(draw: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a function draw in the style of this module; the settings of the user come back."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Axes:
        try:
            from matplotlib import rc_context
        except ImportError:
            raise InputError('matplotlib is needed: pip install aiida-mtp[plots]') from None
        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


@_in_style
def plot_hull(
    batch: StructureBatch, stages: Sequence[StageReport] = (), ax: Axes | None = None
) -> Axes:
    """Draw the hull of a binary or ternary system.

    Parameters
    ----------
    batch
        Structures with energies; those without one (NaN) are left out.
    stages
        Whose candidates to draw beside them, of a binary system.
    ax
        Where to draw; by default a new figure as wide as a column.

    Raises
    ------
    InputError
        If the system has neither two nor three elements, or an element has no energy.
    """
    points = hull_points(batch)
    if len(points.elements) == 3:
        ax = _axes(ax, 0.95)
        _triangle(ax, points)
        return ax
    ax = _axes(ax, 0.75)
    for colour, stage in zip(CLOUDS, stages, strict=False):
        x, y = candidate_points(stage, points.elements)
        ax.scatter(x, y, 2, colour, linewidths=0, label=stage.name, rasterized=True)
    low, high = -1.2 * points.depth, ROOF * points.depth
    shown = ~points.stable & (points.energies <= high)
    ax.scatter(
        points.x[shown], points.y[shown], 9, 'white', edgecolors=WARM, linewidths=0.7, label='DFT'
    )
    for ends in points.lines:
        ax.plot(ends[:, 0], ends[:, 1], color=ACCENT, linewidth=1)
    _stable(ax, points)
    ax.axhline(0, color=FAINT, linewidth=0.5, zorder=0)
    ax.set(xlim=(-0.02, 1.02), ylim=(low, high), ylabel=ENERGY)
    first, second = points.elements
    ax.set_xlabel(f'$x$ in {first}$_{{1-x}}${second}$_x$')
    _legend(ax, 4)
    return ax


@_in_style
def plot_parity(
    reference: Floats,
    predicted: Floats,
    ax: Axes | None = None,
    *,
    quantity: str = 'formation energy',
) -> Axes:
    """Draw what a potential predicts over what DFT finds, with the errors.

    Parameters
    ----------
    reference, predicted
        shape (n,): eV/atom; pairs with a NaN are left out.
    quantity
        What they are, for the labels.

    Raises
    ------
    InputError
        If they are not as many, or none is known on both sides.
    """
    x, y, rmse, mae = errors_of(reference, predicted)
    ax = _axes(ax, 1.0)
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    margin = 0.05 * (ends[1] - ends[0]) or 1.0
    ends = [ends[0] - margin, ends[1] + margin]
    ax.plot(ends, ends, color=FAINT, linewidth=0.6, zorder=0)
    ax.scatter(x, y, 6, ACCENT, alpha=0.6, linewidths=0, rasterized=len(x) > 2000)
    words = f'RMSE {rmse:.1f} meV/atom\nMAE {mae:.1f} meV/atom\n{len(x)} structures'
    ax.text(0.04, 0.96, words, transform=ax.transAxes, va='top', fontsize=7)
    ax.set(xlim=ends, ylim=ends, aspect='equal')
    ax.set_xlabel(f'{quantity} by DFT (meV/atom)')
    ax.set_ylabel(f'{quantity} by the potential (meV/atom)')
    return ax


@_in_style
def plot_learning_curve(stages: Sequence[StageReport], ax: Axes | None = None) -> Axes:
    """Draw errors of energies and size of the training set, training by training.

    The size is on an axis of its own, to the right.

    Raises
    ------
    InputError
        If nothing was trained.
    """
    found = learning_steps(stages)
    ax = _axes(ax, 0.75)
    from matplotlib.ticker import MaxNLocator

    right = ax.twinx()
    for index, (name, steps) in enumerate(found.items()):
        colour = (ACCENT, WARM)[index % 2]
        ax.plot(steps['training'], steps['left out'], 'o-', color=colour, ms=3, lw=1, label=name)
        ax.plot(steps['training'], steps['rmse'], 'o--', color=colour, ms=2, lw=0.7)
        right.plot(steps['training'], steps['size'], color=FAINT, lw=0.8, drawstyle='steps-mid')
    ax.plot([], [], '-', color=INK, lw=1, label='left out')
    ax.plot([], [], '--', color=INK, lw=0.7, label='trained on')
    ax.set(yscale='log', xlabel='training', ylabel='RMSE of energies (meV/atom)')
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_ylim(bottom=0)
    right.set_ylabel('configurations in the training set', color=FAINT)
    _plain(ax.yaxis)
    _legend(ax, 4)
    return ax


@_in_style
def plot_funnel(report: ScreenReport, ax: Axes | None = None) -> Axes:
    """Draw how many structures went how far, on a logarithmic scale."""
    steps = funnel_steps(report)
    ax = _axes(ax, 0.12 + 0.1 * len(steps))
    sizes = list(steps.values())
    ax.barh(list(steps), sizes, color=ACCENT, height=0.62)
    for row, size in enumerate(sizes):
        ax.text(
            max(size, 1) * 1.15, row, f'{size:,}'.replace(',', '\u2009'), va='center', fontsize=7
        )
    ax.set(xscale='log', xlabel='structures', xlim=(0.8, 4 * max(*sizes, 1)))
    ax.invert_yaxis()
    ax.spines[['top', 'right']].set_visible(False)
    ax.tick_params(axis='y', length=0)
    return ax


@_in_style
def plot_grades(grades: Mapping[str, Floats], ax: Axes | None = None, *, n_bins: int = 40) -> Axes:
    """Draw a histogram of extrapolation grades; up to 1 a potential interpolates.

    Parameters
    ----------
    grades
        Name of a set, such as a stage → shape (n,); NaN are left out.

    Raises
    ------
    InputError
        If there is no grade.
    """
    edges, counts = grade_bins(grades, n_bins)
    ax = _axes(ax, 0.7)
    for index, (name, heights) in enumerate(counts.items()):
        ax.stairs(heights, edges, fill=True, color=(ACCENT, WARM)[index % 2], alpha=0.6, label=name)
    ax.axvline(1.0, color=INK, linewidth=0.6, linestyle=':')
    ax.set(xscale='log', xlabel='extrapolation grade', ylabel='structures')
    _plain(ax.xaxis)
    _legend(ax, 3)
    return ax


def _axes(ax: Axes | None, height: float) -> Axes:
    """Return axes to draw on: given ones, or those of a new figure, so high for its width."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, new = plt.subplots(figsize=(COLUMN, height * COLUMN), layout='constrained')
    return new


def _legend(ax: Axes, columns: int) -> None:
    """Put the legend above the picture, where it covers nothing."""
    ax.legend(
        loc='lower left',
        bbox_to_anchor=(0, 1),
        ncols=columns,
        borderaxespad=0.3,
        columnspacing=1.2,
        handletextpad=0.4,
        handlelength=1.4,
    )


def _plain(axis: Axis) -> None:
    """Write 1, 2, 5, 10 … along a logarithmic axis, not powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter('{x:g}')
    axis.set_minor_formatter(NullFormatter())


def _triangle(ax: Axes, points: HullPoints) -> None:
    """Draw a ternary system: what coexists, and how far the others lie above the hull."""
    for ends in points.lines:
        ax.plot(ends[:, 0], ends[:, 1], color=ACCENT, linewidth=0.6, zorder=1)
    shown = ~points.stable & (points.above <= 50.0)
    order = np.flatnonzero(shown)[np.argsort(-points.above[shown])]
    drawn = ax.scatter(
        points.x[order],
        points.y[order],
        9,
        points.above[order],
        cmap='YlOrBr_r',
        vmin=0,
        vmax=60,
        edgecolors=WARM,
        linewidths=0.4,
    )
    if len(order):
        ax.figure.colorbar(drawn, ax=ax, shrink=0.6, label='above the hull (meV/atom)')
    _stable(ax, points)
    ax.set_aspect('equal')
    ax.set_axis_off()
    corners = [(0.0, 0.0, 'right'), (1.0, 0.0, 'left'), (0.5, 0.75**0.5, 'center')]
    for name, (x, y, side) in zip(points.elements, corners, strict=True):
        away = (0.03 if side == 'left' else -0.03, -0.03) if side != 'center' else (0.0, 0.03)
        ax.text(
            x + away[0],
            y + away[1],
            name,
            ha=side,
            va='center' if away[0] else 'bottom',
            weight='bold',
        )


def _stable(ax: Axes, points: HullPoints) -> None:
    """Draw the stable phases, compounds with their formulas, outside of the hull."""
    x, y = points.x[points.stable], points.y[points.stable]
    ax.scatter(x, y, 16, ACCENT, edgecolors='white', linewidths=0.5, label='stable', zorder=3)
    for row in np.flatnonzero(points.stable):
        formula = points.formulas[row]
        if formula in points.elements:
            continue
        place = _beside_triangle if len(points.elements) == 3 else _beside_hull
        ax.annotate(
            re.sub(r'(\d+)', r'$_{\1}$', formula),
            (points.x[row], points.y[row]),
            textcoords='offset points',
            fontsize=7,
            **place(points, int(row)),
        )


def _beside_hull(points: HullPoints, row: int) -> dict[str, Any]:
    """Return where a formula stands: away from the lowest phase."""
    side = np.sign(points.x[row] - points.x[int(np.argmin(points.energies))])
    align = {-1: 'right', 0: 'center', 1: 'left'}[int(side)]
    return {'xytext': (3 * side, -3 if side else -5), 'ha': align, 'va': 'top'}


def _beside_triangle(points: HullPoints, row: int) -> dict[str, Any]:
    """Return where a formula stands: outside of the edge it is on, or below an inner phase."""
    x, y = points.x[row], points.y[row]
    if y < NEAR:
        return {'xytext': (2, -4), 'ha': 'right', 'va': 'top', 'rotation': 45}
    if abs(0.75**0.5 * (1 - x) * 2 - y) < NEAR:
        return {'xytext': (5, 0), 'ha': 'left', 'va': 'center'}
    if abs(0.75**0.5 * x * 2 - y) < NEAR:
        return {'xytext': (-5, 0), 'ha': 'right', 'va': 'center'}
    box = {'fc': 'white', 'ec': 'none', 'alpha': 0.6, 'pad': 0.3}
    return {'xytext': (0, -5), 'ha': 'center', 'va': 'top', 'bbox': box}
