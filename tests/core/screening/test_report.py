import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from ase.build import bulk

from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.report import ScreenReport, StageReport, report_html, write_report
from aiida_mtp.core.screening.report_text import duration, formula_html, milli, number
from aiida_mtp.core.structures import StructureBatch

VOID = {'meta', 'path', 'circle', 'rect', 'polygon', 'br'}


class Page(HTMLParser):
    """Collects what a page says, and insists that its tags are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.words, self.cells, self.links, self.tags = [], [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.links += [value for name, value in attributes if name in {'href', 'src'}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in VOID:  # a circle may hold a title
            return
        assert self.open.pop() == tag

    def handle_data(self, data):
        if 'style' not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return ''.join(self.words)

    def count(self, tag, kind):
        return sum(t == tag and a.get('class') == kind for t, a in self.tags)


def finished_set(n_elements=2):
    """Al and Ni (and Ti); NiAl and Ni3Al; a phase near the hull, and one that failed."""
    atoms = [
        (bulk('Al', a=4.05), 0.0, 'fcc-1-1:Al'),
        (bulk('Ni', a=3.52), 0.0, 'fcc-1-2:Ni'),
        (bulk('NiAl', 'cesiumchloride', a=2.89), -0.661, 'bcc-2-1:AlNi'),
        (ordered('Ni3Al', 3.57), -0.432, 'fcc-4-9:AlNi3'),
        (ordered('Al3Ni', 3.8), -0.320, 'fcc-4-8:Al3Ni'),
        (ordered('Al3Ni', 3.9), np.nan, 'fcc-4-7:Al3Ni'),
    ]
    if n_elements == 3:
        atoms.append((bulk('Ti', 'hcp', a=2.95, c=4.68), 0.0, 'hcp-2-3:Ti'))
        atoms.append((bulk('TiAl', 'cesiumchloride', a=3.1), -0.3, 'bcc-2-5:AlTi'))
    status = ['not_converged' if np.isnan(energy) else 'done' for _, energy, _ in atoms]
    batch = StructureBatch.from_ase(
        [one for one, _, _ in atoms],
        species=('Al', 'Ni', 'Ti')[:n_elements],
        energies=[energy * len(one) for one, energy, _ in atoms],
        ids=[name for _, _, name in atoms],
        status=status,
    )
    found = hull_of(batch)
    return batch.with_columns(
        formation_energy=found.formation_energies,
        e_above_hull=found.e_above_hull,
        seconds=[60.0] * len(batch),
        message=['<no> convergence' if s != 'done' else '' for s in status],
    )


def ordered(formula, a):
    majority, minority = re.fullmatch(r'([A-Z][a-z])3([A-Z][a-z])', formula).groups()
    atoms = bulk(majority, 'fcc', a=a, cubic=True)
    atoms.symbols[0] = minority
    return atoms


@pytest.fixture
def report():
    stage = StageReport(
        name='Screen-1',
        structures=finished_set().replaced(status=np.array(['converged'] * 6, dtype=object)),
        reasons={'kept': 40, 'above_hull': 1900, 'duplicate': 50, 'unreliable': 10},
        statuses={'converged': 1990, 'min_dist': 10},
        sigma=0.0124,
        reach=0.0496,
        n_iterations=4,
        n_training=123,
        potential={'level': '10'},
        errors={'energy, left out': '12.4 meV/atom'},
    )
    return ScreenReport(
        hull=finished_set(),
        n_candidates=2000,
        n_labels=123,
        label_seconds=1230.0,
        engine_seconds=100.0,
        stages=(stage,),
        published={'AlNi': (-0.66, 'Materials <Project>')},
        settings={'DFT': {'calculator': 'gpaw'}},
        provenance={'screen': 'pk 17, uuid 0123'},
        commands=(('aiida-mtp trace AlNi', 'all behind one phase'),),
        finished='2026-11-23 10:00',
    )


def test_the_page_is_whole_and_needs_nothing_else(report, tmp_path):
    write_report(tmp_path / 'report.html', report)
    html = (tmp_path / 'report.html').read_text(encoding='utf-8')
    page = Page(html)
    assert page.links == []
    assert not re.search(r'https?:|url\(|@import|<script', html)
    assert len(html) < 40_000
    assert list(tmp_path.iterdir()) == [tmp_path / 'report.html']


def test_the_same_report_has_the_same_bytes(report):
    assert report_html(report) == report_html(report)


def test_what_it_says(report):
    text = Page(report_html(report)).text
    for words in (
        'Stable phases of Al–Ni',
        'Stable: AlNi, AlNi3.',
        '−661.0',
        '−432.0',
        '−6601',  # published, with the mark of its source
        'Materials <Project>',
        'Pm3m (221)',
        'a = 2.890',
        '10.5',  # Al3Ni above the hull
        '<no> convergence',
        'kept',
        '12.4 meV/atom',
        'aiida-mtp trace AlNi',
        'pk 17, uuid 0123',
        '2026-11-23 10:00',
    ):
        assert words in text, words


def test_the_saving_is_estimated_from_the_mean_relaxation(report):
    """2000 relaxations of a minute each, against six and what learning took."""
    spent = 6 * 60 + 1230 + 100
    assert report.spent_seconds() == spent
    assert report.brute_force_seconds() == 2000 * 60
    assert f'{2000 * 60 / spent:.0f}×' in Page(report_html(report)).text
    small = replace(report, n_candidates=20)
    assert '×' not in Page(report_html(small)).text
    untimed = replace(report, hull=report.hull.with_columns(seconds=[np.nan] * 6))
    assert 'Computing time' not in Page(report_html(untimed)).text


def test_the_picture_of_a_binary_system(report):
    page = Page(report_html(report))
    assert page.count('circle', 'stable') == 4 + 1  # and the legend
    assert page.count('circle', 'dft') == 1 + 1
    assert page.count('path', 'hull') == 1
    assert page.count('path', 'one') == 2
    assert 'AlNi, bcc-2-1:AlNi: −661.0 meV/atom, on the hull' in page.text
    dots = next(a['d'] for t, a in page.tags if t == 'path' and a.get('class') == 'one')
    assert dots.count('M') == 5  # all with an energy


def test_the_picture_of_a_ternary_system(report):
    page = Page(report_html(replace(report, hull=finished_set(3), stages=())))
    found = hull_of(finished_set(3))
    assert page.count('polygon', 'facet') == len(found.hull.facets)
    assert page.count('circle', 'stable') == len(found.stable) + 1
    # of a triangulated triangle, faces and corners fix the edges (Euler)
    assert page.count('path', 'tie') == len(found.hull.facets) + len(found.hull.vertices) - 1


def test_systems_that_have_no_picture(report):
    one = finished_set().take([0])
    assert '<svg' not in report_html(replace(report, hull=one.with_species(['Al', 'Ni'])))
    failed = finished_set().replaced(status=np.array(['failed'] * 6, dtype=object))
    html = report_html(replace(report, hull=failed))
    assert '<svg' not in html
    assert 'No compound is stable.' in html


def test_what_dft_could_not_do_is_listed(report):
    html = report_html(report)
    assert 'Not relaxed' in html
    assert '&lt;no&gt; convergence' in html
    assert 'Not learnt from' not in html
    failed = report.hull.take(report.hull.status != 'done')
    html = report_html(replace(report, hull=finished_set().take([0, 1]), failed_labels=failed))
    assert 'Not relaxed' not in html
    assert 'Not learnt from' in html
    assert '&lt;no&gt; convergence' in html


def test_a_report_of_the_bare_hull():
    page = Page(report_html(ScreenReport(hull=finished_set(), n_candidates=6)))
    assert 'Where these numbers come from' not in page.text
    assert 'published' not in page.text


def test_counts_of_a_stage(report):
    (stage,) = report.stages
    assert (stage.n_structures, stage.n_kept) == (2000, 40)


@pytest.mark.parametrize(
    ('found', 'expected'),
    [
        (number(380613), '380\u2009613'),
        (number(-0.4), '0'),
        (number(-1.26, 1), '−1.3'),
        (number(float('nan')), '–'),
        (milli(-0.0617), '−61.7'),
        (duration(30), '30 seconds'),
        (duration(600), '10.0 minutes'),
        (duration(86_400 * 400), '400 days'),
        (duration(float('inf')), '–'),
        (formula_html('Al3Ni12'), 'Al<sub>3</sub>Ni<sub>12</sub>'),
    ],
)
def test_how_values_are_written(found, expected):
    assert found == expected
