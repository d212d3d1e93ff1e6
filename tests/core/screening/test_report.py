import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from finished import finished_report, finished_set, report_of_many

from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.reference_hull import ComparedPhase, Comparison
from aiida_mtp.core.screening.report import ScreenReport, report_html, write_report
from aiida_mtp.core.screening.report.data import RiskReport
from aiida_mtp.core.screening.report.text import duration, formula_html, milli, number

VOID = {'meta', 'path', 'circle', 'rect', 'br'}


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
        if not {'style', 'script'} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return ''.join(self.words)

    def count(self, tag, kind):
        return sum(t == tag and a.get('class') == kind for t, a in self.tags)


def scene(html):
    """Return what the scripts of a page draw."""
    return json.loads(re.search(r'id="scene">(.*?)</script>', html, re.DOTALL)[1])


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.fixture
def report():
    return finished_report()


def test_the_page_is_whole_and_needs_nothing_else(report, tmp_path):
    write_report(tmp_path / 'report.html', report)
    html = (tmp_path / 'report.html').read_text(encoding='utf-8')
    page = Page(html)
    assert page.links == []
    assert not re.search(r'https?:|url\(|@import', html)
    assert len(html) < 80_000
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
        'a\xa0=\xa02.890',
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
    assert 'computing time' not in Page(report_html(untimed)).text


def test_only_its_own_script_runs_and_nothing_is_fetched(report):
    html = report_html(report)
    policy = next(a['content'] for t, a in Page(html).tags if t == 'meta' and 'http-equiv' in a)
    script = re.findall(r'<script>(.*?)</script>', html, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_what_is_drawn_of_a_binary_system(report):
    drawn = scene(report_html(report))
    assert [one['symbol'] for one in drawn['elements']] == ['Al', 'Ni']
    assert sum(phase['stable'] for phase in drawn['phases']) == 4
    (phase,) = (phase for phase in drawn['phases'] if phase['formula'] == 'AlNi')
    assert phase['id'] == 'bcc-2-1:AlNi'
    assert phase['group'] == 'Pm-3m (221)'
    assert (phase['energy'], phase['above']) == (-0.661, 0.0)
    assert np.allclose(phase['cell'], 2.89 * np.eye(3))
    assert phase['symbols'] == ['Ni', 'Al']
    assert np.allclose(phase['sites'], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_candidates_are_packed_without_loss(report):
    (cloud,) = scene(report_html(report))['clouds']
    found = hull_of(finished_set())
    assert (cloud['name'], cloud['count'], cloud['all']) == ('Screen-1', 5, 2000)
    compositions = unpacked(cloud['compositions'], '<u4')
    energies = dict(zip(cloud['ids'], unpacked(cloud['energies'], '<f4'), strict=True))
    assert energies['bcc-2-1:AlNi'] == np.float32(-0.661)
    at = compositions[cloud['ids'].index('fcc-4-9:AlNi3')]
    assert cloud['formulas'][at] == 'AlNi3'
    assert cloud['fractions'][at] == [0.25, 0.75]
    above = unpacked(cloud['above'], '<f4')
    assert np.allclose(np.sort(above), np.sort(found.e_above_hull[:5]), atol=1e-7)


def test_of_too_many_candidates_the_nearest_are_drawn(report, monkeypatch):
    monkeypatch.setattr('aiida_mtp.core.screening.report.scene.MOST_POINTS', 3)
    monkeypatch.setattr('aiida_mtp.core.screening.report.page.MOST_POINTS', 3)
    html = report_html(report)
    (cloud,) = scene(html)['clouds']
    assert cloud['count'] == 3
    assert 'Of Screen-1, the 3 nearest to the hull are drawn.' in Page(html).text


@pytest.mark.parametrize('n_elements', [3, 4])
def test_what_is_drawn_of_more_elements(report, n_elements):
    drawn = scene(report_html(replace(report, hull=finished_set(n_elements), stages=())))
    found = hull_of(finished_set(n_elements))
    assert drawn['facets'] == found.hull.facets.tolist()
    assert np.allclose(drawn['vertices'], found.hull.vertices, atol=1e-6)
    assert sum(phase['stable'] for phase in drawn['phases']) == len(found.stable)


def test_names_never_become_markup(report):
    evil = '</script><script>alert(1)</script><img src=x onerror=alert(1)>&quot;'
    hull = report.hull.replaced(ids=np.array([evil + str(i) for i in range(6)], dtype=object))
    stage = replace(report.stages[0], name=evil, structures=hull)
    hostile = replace(
        report,
        hull=hull,
        stages=(stage,),
        settings={evil: {evil: evil}},
        provenance={evil: evil},
        published={'AlNi': (-0.66, evil)},
        comparison=Comparison(evil, 1, (ComparedPhase('AlNi', 'new', -0.6, -0.5, -0.1, evil),)),
        commands=((evil, evil),),
        finished=evil,
    )
    html = report_html(hostile)
    page = Page(html)
    assert [t for t, _ in page.tags].count('script') == 2
    assert 'img' not in [t for t, _ in page.tags]
    assert scene(html)['phases'][0]['id'] == evil + '0'
    assert html.count('<script') == 2


def test_learning_parity_and_grades_are_drawn(report):
    page = Page(report_html(report))
    titles = [a['aria-label'] for t, a in page.tags if t == 'svg']
    assert titles == [
        'RMSE by training',
        'Size of the training set by training',
        'Parity of Screen-1',
        'Extrapolation grades of Screen-1',
    ]
    assert 'RMSE 0.0 meV/atom, 5 structures' in page.text  # the fixture predicts what DFT finds
    assert page.count('rect', 's0 bar') == 5
    bare = Page(report_html(replace(report, stages=())))
    assert not [t for t, _ in bare.tags if t == 'svg']


def test_why_structures_were_dropped(report):
    text = Page(report_html(report)).text
    assert (
        'Dropped: 1\u2009900 too high above the hull, 50 the same crystal as another, 10 without '
        'an energy to believe. Kept up to 49.6 meV/atom above the hull, for an error of 12.4 '
        'meV/atom.'
    ) in text
    assert 'not finished by DFT: 1' in text


def test_cost_beside_the_published_one(report):
    text = Page(report_html(report)).text
    spent = 6 * 60 + 1230 + 100
    for share in (360 / spent, 1230 / spent, 60 / spent, 40 / spent):
        assert f'{100 * share:.1f}%' in text
    assert '90%' in text


def test_decompositions_are_told(report):
    assert '0.50 Al + 0.50 AlNi' in Page(report_html(report)).text  # Al3Ni


def test_a_comparison_is_told(report):
    phases = (
        ComparedPhase('AlNi', 'confirmed', -0.661, -0.66, np.nan, 'mp-1487'),
        ComparedPhase('AlNi3', 'new', -0.432, np.nan, -0.1, ''),
        ComparedPhase('Al3Ni', 'missing', -0.32, -0.41, -0.08, 'mp-622209'),
        ComparedPhase('Al4Ni3', 'missing', np.nan, -0.6, 0.01, ''),
    )
    text = Page(report_html(replace(report, comparison=Comparison('mp.json', 9, phases)))).text
    for words in (
        'mp.json, which has 9 compositions of this system: 1 new, 1 confirmed, 2 missing.',
        '100.0 meV/atom below the hull of the reference',
        'the reference lies 80.0 meV/atom below the hull here',
        '10.0 meV/atom above the hull here; DFT relaxed nothing of this composition here',
        'mp-1487',
    ):
        assert words in text, words
    assert 'reference' not in Page(report_html(report)).text


def test_what_may_have_been_missed(report):
    steps = {'relaxed': 30, 'labelled': 200, 'predicted': 470, 'failed': 0}
    audit = {'n_audited': 48, 'n_found': 0, 'n_rest': 470, 'bound': 28.4}
    risk = RiskReport(steps, 0.043, 1, 0.05, error=8.1e-3, gain=2.2e-3, audit=audit)
    text = Page(report_html(replace(report, risk=risk))).text
    assert '0.043 that lie below this hull are to be expected' in text
    assert 'there is no more than 1 structure.' in text
    assert 'Of 48 candidates drawn at random' in text
    assert 'none lay below the hull' in text
    assert 'no more than 28 among 470' in text
    assert 'known by the potential alone' in text
    assert 'not finished by DFT' not in text.partition('What may have been missed')[2][:400]
    assert 'it ended for another reason' not in text
    text = Page(report_html(replace(report, risk=replace(risk, expected_missed=0.9, bound=3)))).text
    assert 'there are no more than 3 structures. That is more than the limit of 0.05' in text


def test_where_the_risk_was_not_judged_it_says_so(report):
    text = Page(report_html(replace(report, risk=None))).text
    assert 'What may have been missedNot judged' in text


def test_a_large_screen_stays_a_small_file():
    assert len(report_html(report_of_many(60_000))) < 4_000_000


def test_systems_that_have_no_picture(report):
    one = finished_set().take([0])
    bare = replace(report, stages=())
    assert 'figure class="hull"' not in report_html(
        replace(bare, hull=one.with_species(['Al', 'Ni']))
    )
    failed = finished_set().replaced(status=np.array(['failed'] * 6, dtype=object))
    html = report_html(replace(bare, hull=failed))
    assert 'figure class="hull"' not in html
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
