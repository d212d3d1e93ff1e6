"""The same pictures for notebooks, with plotly: point at a mark for its numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.report.text import formula_html
from aiida_mtp.plots.points import (
    ACCENT,
    CLOUDS,
    ENERGY,
    FAINT,
    ROOF,
    WARM,
    candidate_points,
    errors_of,
    funnel_steps,
    grade_bins,
    hull_points,
    known_on_both,
    learning_steps,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiida_mtp.core._typing import Bools, Floats
    from aiida_mtp.core.screening.report.data import ScreenReport, StageReport
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.plots.points import HullPoints

__all__ = ['plot_funnel', 'plot_grades', 'plot_hull', 'plot_learning_curve', 'plot_parity']


def plot_hull(batch: StructureBatch, stages: Sequence[StageReport] = ()) -> Any:
    """Return a plotly figure of the hull of a binary or ternary system.

    The arguments and errors are those of `aiida_mtp.plots.plot_hull`.
    """
    points = hull_points(batch)
    is_triangle = len(points.elements) == 3
    figure = _figure()
    if not is_triangle:
        for colour, stage in zip(CLOUDS, stages, strict=False):
            x, y = candidate_points(stage, points.elements)
            name = escape(stage.name)
            figure.add_scattergl(
                x=x, y=y, mode='markers', marker={'size': 3, 'color': colour}, name=name
            )
    x, y = (_joined(points.lines[:, :, axis]) for axis in (0, 1))
    _line(figure, x, y, ACCENT, 1.5)
    high = ROOF * points.depth
    near = points.above <= 50.0 if is_triangle else points.energies <= high
    _marks(
        figure,
        points,
        ~points.stable & near,
        'DFT',
        {'size': 7, 'color': 'white', 'line': {'color': WARM, 'width': 1.3}},
    )
    _marks(figure, points, points.stable, 'stable', {'size': 10, 'color': ACCENT})
    if is_triangle:
        for name, place in zip(points.elements, [(0, 0), (1, 0), (0.5, 0.75**0.5)], strict=True):
            up = 16 if place[1] else -16
            figure.add_annotation(
                x=place[0], y=place[1], text=f'<b>{escape(name)}</b>', showarrow=False, yshift=up
            )
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False, scaleanchor='x')
        return figure
    first, second = (escape(name) for name in points.elements)
    figure.update_xaxes(
        title=f'<i>x</i> in {first}<sub>1−x</sub>{second}<sub>x</sub>', range=[-0.02, 1.02]
    )
    figure.update_yaxes(title=ENERGY, range=[-1.2 * points.depth, high])
    return figure


def plot_parity(
    reference: Floats,
    predicted: Floats,
    *,
    quantity: str = 'formation energy',
    names: Sequence[str] = (),
) -> Any:
    """Return a plotly figure of what a potential predicts over what DFT finds.

    Parameters
    ----------
    names
        Of the structures, to be shown; as many as there are values, or none.

    The other arguments and the errors are those of `aiida_mtp.plots.plot_parity`.
    """
    x, y, rmse, mae = errors_of(reference, predicted)
    if names and len(names) != len(reference):
        raise InputError(f'{len(names)} names for {len(reference)} values')
    known = known_on_both(reference, predicted)
    words = [escape(str(name)) for name, keep in zip(names, known, strict=False) if keep]
    figure = _figure()
    ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
    _line(figure, ends, ends, FAINT, 1)
    figure.add_scattergl(
        x=x,
        y=y,
        mode='markers',
        marker={'color': ACCENT, 'opacity': 0.6, 'size': 6},
        text=words or None,
        showlegend=False,
    )
    figure.update_xaxes(title=f'{escape(quantity)} by DFT (meV/atom)')
    figure.update_yaxes(title=f'{escape(quantity)} by the potential (meV/atom)', scaleanchor='x')
    figure.update_layout(
        title=f'RMSE {rmse:.1f} meV/atom, MAE {mae:.1f} meV/atom, {len(x)} structures'
    )
    return figure


def plot_learning_curve(stages: Sequence[StageReport]) -> Any:
    """Return a plotly figure of errors of energies and size of the training set.

    The arguments and errors are those of `aiida_mtp.plots.plot_learning_curve`.
    """
    figure = _figure()
    for index, (stage, steps) in enumerate(learning_steps(stages).items()):
        name, colour = escape(stage), (ACCENT, WARM)[index % 2]
        for key, dash in (('left out', 'solid'), ('rmse', 'dash')):
            words = 'left out' if key == 'left out' else 'trained on'
            figure.add_scatter(
                x=steps['training'],
                y=steps[key],
                name=f'{name}, {words}',
                line={'color': colour, 'dash': dash},
            )
        figure.add_scatter(
            x=steps['training'],
            y=steps['size'],
            name=f'{name}, training set',
            yaxis='y2',
            line={'color': FAINT, 'shape': 'hvh'},
        )
    figure.update_xaxes(title='training', dtick=1)
    figure.update_layout(
        yaxis={'title': 'RMSE of energies (meV/atom)', 'type': 'log'},
        yaxis2={
            'title': 'configurations in the training set',
            'overlaying': 'y',
            'side': 'right',
            'rangemode': 'tozero',
            'tickmode': 'auto',
            'showgrid': False,
        },
    )
    return figure


def plot_funnel(report: ScreenReport) -> Any:
    """Return a plotly figure of how many structures went how far, on a logarithmic scale."""
    steps = funnel_steps(report)
    figure = _figure()
    sizes = list(steps.values())
    figure.add_bar(
        x=sizes,
        y=[escape(name) for name in steps],
        orientation='h',
        text=sizes,
        marker_color=ACCENT,
    )
    figure.update_xaxes(title='structures', type='log')
    figure.update_yaxes(autorange='reversed')
    return figure


def plot_grades(grades: Mapping[str, Floats], *, n_bins: int = 40) -> Any:
    """Return a plotly histogram of extrapolation grades.

    The arguments and errors are those of `aiida_mtp.plots.plot_grades`.
    """
    edges, counts = grade_bins(grades, n_bins)
    figure = _figure()
    for index, (name, heights) in enumerate(counts.items()):
        figure.add_bar(
            x=np.sqrt(edges[:-1] * edges[1:]),
            width=np.diff(edges),
            y=heights,
            name=escape(name),
            marker_color=(ACCENT, WARM)[index % 2],
            opacity=0.6,
            showlegend=True,
        )
    figure.add_vline(x=1.0, line={'dash': 'dot', 'width': 1})
    figure.update_xaxes(title='extrapolation grade', type='log')
    figure.update_yaxes(title='structures')
    figure.update_layout(barmode='overlay')
    return figure


def _figure() -> Any:
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise InputError('plotly is needed: pip install aiida-mtp[plots]') from None
    above = {'orientation': 'h', 'y': 1.02, 'yanchor': 'bottom'}  # where it covers nothing
    return go.Figure(layout={'template': 'simple_white', 'legend': above})


def _line(figure: Any, x: Any, y: Any, colour: str, width: float) -> None:
    """Add a line that says nothing when it is pointed at."""
    line = {'color': colour, 'width': width}
    figure.add_scatter(x=x, y=y, mode='lines', line=line, hoverinfo='skip', showlegend=False)


def _joined(ends: Floats) -> Floats:
    """Return the ends of many lines as one that is broken between them."""
    gaps = np.full((len(ends), 1), np.nan)
    joined: Floats = np.concatenate([ends, gaps], axis=1).ravel()
    return joined


def _marks(
    figure: Any, points: HullPoints, shown: Bools, name: str, marker: dict[str, Any]
) -> None:
    """Add phases with their numbers."""
    words = [
        f'<b>{formula_html(points.formulas[row])}</b><br>{escape(points.ids[row])}<br>'
        f'{points.energies[row]:.1f} meV/atom<br>{points.above[row]:.1f} meV/atom above the hull'
        for row in np.flatnonzero(shown)
    ]
    figure.add_scatter(
        x=points.x[shown],
        y=points.y[shown],
        mode='markers',
        marker=marker,
        name=name,
        text=words,
        hovertemplate='%{text}<extra></extra>',
    )
