from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from finished import finished_report, finished_set, report_of_many

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.plots import (
    plot_funnel,
    plot_grades,
    plot_hull,
    plot_learning_curve,
    plot_parity,
)


def saved(ax, path):
    """Write the figure, as a user would, and return whether it holds something."""
    ax.figure.savefig(path)
    pixels = plt.imread(path)
    return float(pixels[..., :3].std()) > 0.01


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_a_binary_hull(tmp_path):
    report = finished_report()
    ax = plot_hull(report.hull, report.stages)
    assert ax.get_xlabel() == '$x$ in Al$_{1-x}$Ni$_x$'
    assert ax.get_ylabel() == 'formation energy (meV/atom)'
    assert words(ax) == ['AlNi', 'AlNi$_{3}$']
    lines = {tuple(map(tuple, line.get_xydata().round(3))) for line in ax.lines[:3]}
    expected = {
        ((0.0, 0.0), (0.5, -661.0)),
        ((0.5, -661.0), (0.75, -432.0)),
        ((0.75, -432.0), (1.0, 0.0)),
    }
    assert {tuple(sorted(line)) for line in lines} == expected
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ['Screen-1', 'DFT', 'stable']
    assert saved(ax, tmp_path / 'hull.png')


def test_a_ternary_hull(tmp_path):
    batch = finished_set(3)
    ax = plot_hull(batch)
    found = hull_of(batch)
    # of a triangulated triangle, faces and corners fix the edges (Euler)
    assert len(ax.lines) == len(found.hull.facets) + len(found.hull.vertices) - 1
    assert {'AlNi', 'AlNi$_{3}$', 'AlTi', 'Al', 'Ni', 'Ti'} == set(words(ax))
    assert saved(ax, tmp_path / 'hull.png')


def test_axes_that_are_given_are_drawn_on():
    _, (left, right) = plt.subplots(1, 2)
    assert plot_hull(finished_set(), ax=left) is left
    assert plot_grades({'all': np.ones(3)}, ax=right) is right
    assert len(plt.get_fignums()) == 1


def test_four_elements_are_refused():
    with pytest.raises(InputError, match='4 elements'):
        plot_hull(finished_set(4))


def test_parity(tmp_path):
    reference = np.array([-0.1, 0.0, 0.2, np.nan])
    ax = plot_parity(reference, reference + np.array([0.01, -0.01, 0.01, 1.0]), quantity='energy')
    assert words(ax) == ['RMSE 10.0 meV/atom\nMAE 10.0 meV/atom\n3 structures']
    assert ax.get_xlabel() == 'energy by DFT (meV/atom)'
    assert ax.get_xlim() == ax.get_ylim()
    assert saved(ax, tmp_path / 'parity.png')


@pytest.mark.parametrize(('reference', 'predicted'), [([1.0], [1.0, 2.0]), ([np.nan], [1.0])])
def test_nothing_to_compare(reference, predicted):
    with pytest.raises(InputError, match='parity plot needs'):
        plot_parity(np.array(reference), np.array(predicted))


def test_a_learning_curve(tmp_path):
    stage = finished_report().stages[0]
    ax = plot_learning_curve([stage, replace(stage, name='Screen-2')])
    assert ax.get_ylabel() == 'RMSE of energies (meV/atom)'
    assert np.allclose(ax.lines[0].get_xydata(), [[1, 30.0], [2, 12.4]])
    assert np.allclose(ax.lines[2].get_xdata(), [3, 4])
    assert saved(ax, tmp_path / 'learning.png')
    with pytest.raises(InputError, match='no training'):
        plot_learning_curve([replace(stage, learning=())])


def test_a_funnel(tmp_path):
    ax = plot_funnel(finished_report())
    assert [bar.get_width() for bar in ax.patches] == [2000, 40, 5, 4]
    assert words(ax) == ['2\u2009000', '40', '5', '4']
    assert saved(ax, tmp_path / 'funnel.png')


def test_grades(tmp_path):
    report = report_of_many(200)
    grades = np.random.default_rng(0).lognormal(size=200)
    ax = plot_grades({report.stages[0].name: grades})
    (stairs,) = ax.patches
    assert stairs.get_data().values.sum() == 200
    assert ax.get_xscale() == 'log'
    assert saved(ax, tmp_path / 'grades.png')
    with pytest.raises(InputError, match='there are none'):
        plot_grades({'none': np.array([np.nan])})
