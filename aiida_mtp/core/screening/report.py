"""The report of a screen: one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.screening.report_data import DONE, STABLE, ScreenReport, StageReport
from aiida_mtp.core.screening.report_figures import hull_figure
from aiida_mtp.core.screening.report_risk import risk_section
from aiida_mtp.core.screening.report_style import STYLE
from aiida_mtp.core.screening.report_text import (
    MISSING,
    duration,
    formula_html,
    milli,
    number,
    table,
)
from aiida_mtp.core.screening.symmetry import symmetry_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Ints
    from aiida_mtp.core.structures import StructureBatch

__all__ = ['ScreenReport', 'StageReport', 'write_report']

NEAR = 0.03  # eV/atom: up to here phases are listed
MOST_NEAR = 20
SYMPREC = 0.02  # Å: how far a relaxation leaves atoms from where symmetry wants them
REASONS = ('kept', 'above_hull', 'duplicate', 'unreliable')


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
    """Return the report as HTML."""
    system = '–'.join(report.elements)
    sections = (
        _headline(report, system),
        _picture(report),
        _stable_phases(report),
        _near_phases(report),
        _funnel(report),
        risk_section(report.risk),
        _potentials(report),
        _failures(report),
        _pairs_section('Settings', report.settings),
        _provenance(report),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(system)}: stable phases</title><style>{STYLE}</style></head>'
        f'<body>{"".join(sections)}</body></html>\n'
    )


def _headline(report: ScreenReport, system: str) -> str:
    stable, compounds = _stable_rows(report.hull)
    facts = [
        (number(report.n_candidates), 'candidate structures'),
        (number(report.n_labels), 'DFT single points to learn from'),
        (number(report.n_relaxed), 'DFT relaxations, elements included'),
        (
            number(len(compounds)),
            f'stable compounds, {number(len(stable) - len(compounds))} elements',
        ),
    ]
    saving = report.brute_force_seconds() / (report.spent_seconds() or np.nan)
    if saving > 1.5:  # of a small screen there is nothing to save
        words = 'less computing than DFT on every candidate (estimated)'
        facts.append((f'{number(saving, 0 if saving > 20 else 1)}×', words))
    found = ', '.join(formula_html(report.hull.formulas[row]) for row in compounds)
    sentence = f'Stable: {found}.' if found else 'No compound is stable.'
    items = ''.join(f'<div><dt>{words}</dt><dd>{value}</dd></div>' for value, words in facts)
    finished = f'<p class="note">Finished {escape(report.finished)}.</p>' if report.finished else ''
    return (
        f'<header><h1>Stable phases of {escape(system)}</h1><p class="lead">{sentence}</p>'
        f'{finished}<dl class="facts">{items}</dl></header>'
    )


def _picture(report: ScreenReport) -> str:
    figure = hull_figure(report)
    if not figure:
        return ''
    words = (
        'Formation energies by composition. The hull is made of DFT energies alone; dots are '
        'energies of the potentials, and decide only what DFT is asked about.'
        if len(report.elements) == 2
        else 'Phases that coexist are joined by lines.'
    )
    return (
        f'<h2>Convex hull</h2><figure>{figure}<figcaption>{words} Point at a mark for its '
        'numbers.</figcaption></figure>'
    )


def _stable_rows(hull: StructureBatch) -> tuple[Ints, Ints]:
    """Return the lowest structure of each stable composition, and those that are compounds."""
    distance = np.where(hull.status == DONE, hull.column('e_above_hull'), np.nan)
    rows = np.flatnonzero(distance < STABLE)
    rows = rows[np.argsort(hull.energies_per_atom[rows], kind='stable')]
    _, first = np.unique([hull.formulas[row] for row in rows], return_index=True)
    rows = rows[first]
    fractions = hull.compositions[rows] / hull.n_atoms[rows, None]
    rows = rows[np.lexsort(fractions.T)]
    return rows, rows[np.count_nonzero(hull.compositions[rows], axis=1) > 1]


def _stable_phases(report: ScreenReport) -> str:
    rows, _ = _stable_rows(report.hull)
    published = bool(report.published)
    head = ['phase', 'formation energy<br>meV/atom']
    head += ['published<br>meV/atom'] if published else []
    head += ['space group', 'lattice<br>Å, degrees', 'volume<br>Å³/atom', 'structure']
    numeric = (1, 2, 5) if published else (1, 4)
    lines: list[list[str]] = []
    sources: dict[str, int] = {}
    for row in rows:
        formula = report.hull.formulas[row]
        line = [formula_html(formula), milli(report.hull.columns['formation_energy'][row])]
        if published:
            value, source = report.published.get(formula, (np.nan, ''))
            mark = sources.setdefault(source, len(sources) + 1) if source else 0
            line.append(f'{milli(value, 0)}<sup>{mark}</sup>' if mark else '')
        line += [*_crystal(report.hull, row), f'<code>{escape(str(report.hull.ids[row]))}</code>']
        lines.append(line)
    notes = '; '.join(f'<sup>{mark}</sup> {escape(source)}' for source, mark in sources.items())
    note = f'<p class="note">Published values, for comparison: {notes}.</p>' if notes else ''
    return f'<h2>Stable phases</h2>{table(head, lines, numeric)}{note}'


def _crystal(batch: StructureBatch, row: int) -> tuple[str, str, str]:
    """Return space group, lattice parameters and volume of a structure."""
    atoms = batch.atoms_of(row)
    volume = number(batch.volumes[row] / batch.n_atoms[row], 2)
    symmetry = symmetry_of(batch.cells[row], batch.positions[atoms], batch.types[atoms], SYMPREC)
    if symmetry is None:
        return MISSING, MISSING, volume
    lengths, angles = symmetry.lengths, symmetry.angles
    cell = [f'a = {number(lengths[0], 3)}']
    cell += [
        f'{name} = {number(lengths[i], 3)}'
        for i, name in ((1, 'b'), (2, 'c'))
        if not np.isclose(lengths[i], lengths[0], atol=1e-4)
    ]
    cell += [
        f'{name} = {number(angles[i], 1)}'
        for i, name in enumerate('αβγ')
        if not any(np.isclose(angles[i], usual, atol=1e-2) for usual in (90, 120))
    ]
    return f'{_space_group(symmetry.symbol)} ({symmetry.number})', ', '.join(cell), volume


def _space_group(symbol: str) -> str:
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


def _near_phases(report: ScreenReport) -> str:
    hull = report.hull
    distance = np.where(hull.status == DONE, hull.column('e_above_hull'), np.nan)
    stable, _ = _stable_rows(hull)
    near = np.setdiff1d(np.flatnonzero(distance < NEAR), stable)
    near = near[np.argsort(distance[near], kind='stable')]
    if not len(near):
        return ''
    lines = [
        [
            formula_html(hull.formulas[row]),
            milli(distance[row]),
            milli(hull.columns['formation_energy'][row]),
            _crystal(hull, row)[0],
            f'<code>{escape(str(hull.ids[row]))}</code>',
        ]
        for row in near[:MOST_NEAR]
    ]
    head = ['phase', 'above hull<br>meV/atom', 'formation energy<br>meV/atom']
    rest = len(near) - len(lines)
    more = f'<p class="note">… and {number(rest)} more.</p>' if rest else ''
    return (
        f'<h2>Near the hull</h2><p class="note">Relaxed by DFT to less than {milli(NEAR, 0)} '
        'meV/atom above the hull.</p>'
        f'{table([*head, "space group", "structure"], lines, (1, 2))}{more}'
    )


def _funnel(report: ScreenReport) -> str:
    done = int(np.sum(report.hull.status == DONE))
    stable, _ = _stable_rows(report.hull)
    steps = [('candidates', report.n_candidates)]
    steps += [(f'after {stage.name}', stage.n_kept) for stage in report.stages]
    steps += [('relaxed by DFT', done), ('stable', len(stable))]
    most = max(np.log1p(n) for _, n in steps) or 1.0
    bars = ''.join(
        f'<span>{escape(name)}</span><span class="row"><span class="bar" '
        f'style="width:{82 * np.log1p(n) / most:.1f}%"></span>{number(n)}</span>'
        for name, n in steps
    )
    rows = [
        [
            escape(stage.name),
            number(stage.n_structures),
            *(number(stage.reasons.get(reason, 0)) for reason in REASONS),
            milli(stage.sigma),
            milli(stage.reach),
        ]
        for stage in report.stages
    ]
    head = ['stage', 'entered', 'kept', 'above hull', 'duplicate', 'unreliable']
    head += ['error<br>meV/atom', 'reach above hull<br>meV/atom']
    reasons = table(head, rows, range(1, 8)) if rows else ''
    return (
        f'<h2>From candidates to phases</h2><div class="funnel">{bars}</div>'
        f'<p class="note">Lengths are logarithmic.{_cost(report)}</p>{reasons}'
    )


def _cost(report: ScreenReport) -> str:
    spent, all_of_them = report.spent_seconds(), report.brute_force_seconds()
    if not np.isfinite(spent):
        return ''
    parts = {
        'final relaxations': report.final_seconds(),
        'single points': report.label_seconds if report.n_labels else np.nan,
        'potentials': report.engine_seconds,
    }
    words = ', '.join(f'{name} {duration(t)}' for name, t in parts.items() if np.isfinite(t))
    return (
        f' Computing time: {duration(spent)} ({words}). DFT relaxations of all candidates at the '
        f'mean cost of the final ones: {duration(all_of_them)}.'
    )


def _potentials(report: ScreenReport) -> str:
    if not report.stages:
        return ''
    blocks = ''
    for stage in report.stages:
        outcome = ', '.join(
            f'{number(n)} {escape(name.replace("_", " "))}' for name, n in stage.statuses.items()
        )
        pairs = {
            **stage.potential,
            'training set': f'{number(stage.n_training)} configurations',
            'rounds of learning': number(stage.n_iterations),
            **stage.errors,
            'relaxations': outcome,
        }
        blocks += f'<div><h3>{escape(stage.name)}</h3>{_pairs(pairs)}</div>'
    return f'<h2>Potentials</h2><div class="columns">{blocks}</div>'


def _failures(report: ScreenReport) -> str:
    """Name what DFT could not relax, which may be missing from the hull, or label."""
    relaxations = _not_done(report.hull)
    labels = '' if report.failed_labels is None else _not_done(report.failed_labels)
    html = ''
    if relaxations:
        html += (
            '<h2>Not relaxed</h2><p class="note">DFT did not finish these; a stable phase among '
            f'them would be missing above.</p>{relaxations}'
        )
    if labels:
        html += (
            '<h2>Not learnt from</h2><p class="note">DFT did not finish these; the potentials were '
            f'trained without them.</p>{labels}'
        )
    return html


def _not_done(batch: StructureBatch) -> str:
    """Return a table of the structures DFT did not finish, with the reasons; empty if all are."""
    failed = np.flatnonzero(batch.status != DONE)
    messages = batch.column('message', '')
    lines = [
        [
            formula_html(batch.formulas[row]),
            escape(str(batch.status[row]).replace('_', ' ')),
            escape(str(messages[row])),
            f'<code>{escape(str(batch.ids[row]))}</code>',
        ]
        for row in failed
    ]
    return table(['phase', 'status', 'reason', 'structure'], lines) if lines else ''


def _pairs_section(title: str, groups: Mapping[str, Mapping[str, str]]) -> str:
    blocks = ''.join(
        f'<div><h3>{escape(name)}</h3>{_pairs(pairs)}</div>' for name, pairs in groups.items()
    )
    return f'<h2>{title}</h2><div class="columns">{blocks}</div>' if blocks else ''


def _pairs(pairs: Mapping[str, str]) -> str:
    rows = ''.join(
        f'<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>'
        for name, value in pairs.items()
    )
    return f'<table class="pairs"><tbody>{rows}</tbody></table>'


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
        f'{_pairs(report.provenance) if report.provenance else ""}{commands}'
    )
