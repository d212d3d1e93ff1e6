"""What a report says of the structures that may have been missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.screening.report.text import milli, number, table

if TYPE_CHECKING:
    from aiida_mtp.core.screening.report.data import RiskReport

WORDS = {
    'relaxed': 'relaxed by DFT',
    'labelled': 'labelled by DFT, then too high to be worth relaxing',
    'predicted': 'known by the potential alone',
    'duplicate': 'the same crystal as another',
    'unreliable': 'without an energy to believe',
    'failed': 'not finished by DFT',
}
UNJUDGED = (
    '<p>Not judged: DFT has relaxed all that the potentials left within a fixed reach of the hull, '
    'and nothing else was asked. A screen that asks about the likely first, as is the default '
    '(<code>final: {rule: likely_first}</code>), says how many it may have missed.</p>'
)


def risk_section(risk: RiskReport | None) -> str:
    """Return the section as HTML; where the risk was not judged, it says so."""
    return f'<h2>What may have been missed</h2>{UNJUDGED if risk is None else _judged(risk)}'


def _judged(risk: RiskReport) -> str:
    rows = [[words, number(risk.steps[key])] for key, words in WORDS.items() if risk.steps.get(key)]
    many = 's' if risk.bound != 1 else ''
    return (
        f'<p>Among the candidates that DFT has not relaxed, <b>{_count(risk.expected_missed)}</b> '
        'that lie below this hull are to be expected; with 95 % confidence there '
        f'{"is" if risk.bound == 1 else "are"} no more than <b>{risk.bound}</b> structure{many}.'
        f'{_enough(risk)}</p>'
        f'<div class="narrow">{table(["candidates", "number"], rows, (1,))}</div>'
        f'<p class="note">Judged by the errors that DFT has shown of the potential, '
        f'{milli(risk.error)} meV/atom, and by what relaxing gains beyond it, {milli(risk.gain)} '
        f'meV/atom.{_audit(risk)} Not counted: prototypes that nobody proposed.</p>'
    )


def _enough(risk: RiskReport) -> str:
    if risk.expected_missed <= risk.limit:
        return ''
    return f' That is more than the limit of {_count(risk.limit)}: it ended for another reason.'


def _audit(risk: RiskReport) -> str:
    audit = risk.audit
    if not audit['n_audited']:
        return ''
    found = number(audit['n_found']) if audit['n_found'] else 'none'
    return (
        f' Of {number(audit["n_audited"])} candidates drawn at random from those nobody would '
        f'have asked about, {found} lay below the hull; that alone, with nothing assumed of '
        f'errors, says that there are no more than {number(round(audit["bound"]))} among '
        f'{number(audit["n_rest"])}.'
    )


def _count(expected: float) -> str:
    return f'{expected:.2g}' if expected >= 1e-3 else 'less than 0.001'
