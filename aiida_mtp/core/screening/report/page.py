"""The page: sections one after the other, with all that they need inside."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.screening.report.comparison import comparison_section
from aiida_mtp.core.screening.report.cost import cost_section
from aiida_mtp.core.screening.report.findings import findings_of
from aiida_mtp.core.screening.report.phases import (
    failures_section,
    near_section,
    stable_section,
)
from aiida_mtp.core.screening.report.risk import risk_section
from aiida_mtp.core.screening.report.scene import MOST_POINTS, as_script, scene_of
from aiida_mtp.core.screening.report.stages import funnel_section, potentials_section
from aiida_mtp.core.screening.report.text import formula_html, number, pairs_table

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from aiida_mtp.core.screening.report.data import ScreenReport
    from aiida_mtp.core.screening.report.findings import Findings

SCRIPTS = ('page.js', 'crystal.js', 'hull.js', 'start.js')
DRAWN = (2, 3, 4)  # numbers of elements whose hulls can be drawn


def write_report(path: str | os.PathLike[str], report: ScreenReport) -> None:
    """Write the report of a screen as one HTML file without references to any other.

    Parameters
    ----------
    path
        Replaced as a whole.
    report
        What to tell. The same report gives the same bytes.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(report_html(report), encoding='utf-8')


def report_html(report: ScreenReport) -> str:
    """Return the report as HTML.

    Notes
    -----
    Its policy forbids the browser to fetch anything and to run any script but ours, by its hash:
    whatever a name might smuggle in stays text.
    """
    system = '–'.join(report.elements)
    findings = findings_of(report.hull)
    sections = (
        _headline(report, findings, system),
        _picture(report, findings, system),
        stable_section(report, findings),
        near_section(findings),
        comparison_section(report.comparison),
        funnel_section(report, findings),
        risk_section(report.risk),
        potentials_section(report),
        cost_section(report),
        failures_section(report),
        _settings(report.settings),
        _provenance(report),
    )
    script = ''.join(_asset(name) for name in SCRIPTS)
    scene = as_script(scene_of(report, findings))
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(system)}: stable phases</title><style>{_asset("style.css")}</style></head>'
        f'<body>{"".join(sections)}'
        f'<script type="application/json" id="scene">{scene}</script>'
        f'<script>{script}</script></body></html>\n'
    )


def _asset(name: str) -> str:
    return (files('aiida_mtp.core.screening.report') / 'assets' / name).read_text(encoding='utf-8')


def _headline(report: ScreenReport, findings: Findings, system: str) -> str:
    compounds, n_stable = findings.compounds, len(findings.stable)
    facts = [
        (number(report.n_candidates), 'candidate structures'),
        (number(report.n_labels), 'DFT single points to learn from'),
        (number(report.n_relaxed), 'DFT relaxations, elements included'),
        (
            number(len(compounds)),
            f'stable compounds, {number(n_stable - len(compounds))} elements',
        ),
    ]
    saving = report.brute_force_seconds() / (report.spent_seconds() or np.nan)
    if saving > 1.5:  # of a small screen there is nothing to save
        words = 'less computing than DFT on every candidate (estimated)'
        facts.append((f'{number(saving, 0 if saving > 20 else 1)}×', words))
    found = ', '.join(formula_html(findings.formulas[row]) for row in compounds)
    sentence = f'Stable: {found}.' if found else 'No compound is stable.'
    items = ''.join(f'<div><dt>{words}</dt><dd>{value}</dd></div>' for value, words in facts)
    finished = f'<p class="note">Finished {escape(report.finished)}.</p>' if report.finished else ''
    return (
        f'<header><h1>Stable phases of <span class="keep">{escape(system)}</span></h1>'
        f'<p class="lead">{sentence}</p>'
        f'{finished}<dl class="facts">{items}</dl></header>'
    )


def _picture(report: ScreenReport, findings: Findings, system: str) -> str:
    """Return the place of the hull, which a script draws."""
    found = findings.found
    if found is None or found.hull.species != report.elements or len(report.elements) not in DRAWN:
        return ''
    words = {
        2: 'Formation energies by composition.',
        3: 'Phases that coexist are joined by lines; the darker a face, the lower the hull.',
        4: 'Phases that coexist are joined by lines. Drag to turn.',
    }[len(report.elements)]
    cut = [
        stage.name
        for stage in report.stages
        if stage.structures is not None and len(stage.structures) > MOST_POINTS
    ]
    if cut:
        words += (
            f' Of {" and ".join(cut)}, the {number(MOST_POINTS)} nearest to the hull are drawn.'
        )
    if report.stages:
        words += (
            ' The hull is made of DFT energies alone; dots are energies of the potentials, and '
            'decide only what DFT is asked about.'
        )
    title = f'Formation energies and convex hull of {system}'
    return (
        f'<h2>Convex hull</h2><figure class="hull" data-title="{escape(title)}">'
        '<noscript><p>The hull is drawn by a script, which this viewer does not run; the tables '
        f'below have its numbers.</p></noscript><figcaption>{escape(words)} Point at a mark for '
        'its numbers; click it for its structure.</figcaption></figure>'
    )


def _settings(settings: Mapping[str, Mapping[str, str]]) -> str:
    blocks = ''.join(
        f'<div><h3>{escape(name)}</h3>{pairs_table(pairs)}</div>'
        for name, pairs in settings.items()
    )
    return f'<h2>Settings</h2><div class="columns">{blocks}</div>' if blocks else ''


def _provenance(report: ScreenReport) -> str:
    if not (report.provenance or report.commands):
        return ''
    lines = '\n'.join(
        f'<span class="note"># {escape(purpose)}</span>\n{escape(command)}'
        for command, purpose in report.commands
    )
    commands = f'<pre><code>{lines}</code></pre>' if lines else ''
    return (
        '<h2>Where these numbers come from</h2><p>Every energy above was computed by a process '
        'that is kept with its inputs.</p>'
        f'{pairs_table(report.provenance) if report.provenance else ""}{commands}'
    )
