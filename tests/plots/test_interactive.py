from dataclasses import replace

import numpy as np
import pytest
from finished import finished_report, finished_set

from aiida_mtp.core.errors import InputError
from aiida_mtp.plots import interactive


def named(figure):
    return {trace.name: trace for trace in figure.data}


def test_a_binary_hull():
    report = finished_report()
    figure = interactive.plot_hull(report.hull, report.stages)
    traces = named(figure)
    assert set(traces) == {'Screen-1', None, 'DFT', 'stable'}
    assert sorted(traces['stable'].y) == pytest.approx([-661.0, -432.0, 0.0, 0.0])
    assert (
        '<b>AlNi<sub>3</sub></b><br>fcc-4-9:AlNi3<br>-432.0 meV/atom<br>0.0 meV/atom above the hull'
        in traces['stable'].text
    )
    assert figure.layout.yaxis.title.text == 'formation energy (meV/atom)'
    assert 'plotly' in figure.to_html(include_plotlyjs=False)


def test_a_ternary_hull():
    figure = interactive.plot_hull(finished_set(3))
    assert [note.text for note in figure.layout.annotations] == [
        '<b>Al</b>',
        '<b>Ni</b>',
        '<b>Ti</b>',
    ]
    assert len(named(figure)['stable'].x) == 6


def test_names_are_no_markup():
    hull = finished_set().replaced(
        ids=np.array([f'<a href="x">{i}' for i in range(6)], dtype=object)
    )
    (first, *_) = named(interactive.plot_hull(hull))['stable'].text
    assert '<a' not in first
    assert '&lt;a' in first


def test_parity():
    reference = np.array([0.0, np.nan, 0.1])
    figure = interactive.plot_parity(reference, reference + 0.02, names=['a', 'b', '<c>'])
    assert figure.layout.title.text == 'RMSE 20.0 meV/atom, MAE 20.0 meV/atom, 2 structures'
    assert list(figure.data[1].text) == ['a', '&lt;c&gt;']
    with pytest.raises(InputError, match='2 names for 3 values'):
        interactive.plot_parity(reference, reference, names=['a', 'b'])


def test_a_learning_curve():
    stage = finished_report().stages[0]
    figure = interactive.plot_learning_curve([stage, replace(stage, name='Screen-2')])
    assert list(named(figure)['Screen-2, left out'].x) == [3, 4]
    assert figure.layout.yaxis.type == 'log'


def test_a_funnel():
    (bars,) = interactive.plot_funnel(finished_report()).data
    assert list(bars.x) == [2000, 40, 5, 4]
    assert list(bars.y) == ['candidates', 'kept by Screen-1', 'relaxed by DFT', 'stable']


def test_grades():
    figure = interactive.plot_grades(
        {'Screen-1': np.array([0.5, 1.0, 3.0]), 'Screen-2': np.ones(2)}
    )
    assert [sum(trace.y) for trace in figure.data] == [3, 2]
