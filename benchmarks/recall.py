"""What screens find of the truth, and what it costs: screens beside brute force.

    python benchmarks/recall.py [SYSTEM ...] [--seeds SEED ...] [--folder DIR] [--processes N]

Relaxes all candidates of a system with the reference (kept in the folder, hours for the large
systems), runs real screens of them with several seeds in an AiiDA profile of their own, compares,
keeps each screen in docs/benchmarks/recall.json, and writes docs/benchmarks/recall.md of all.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from brute_force import SYSTEMS, System, Truth, evaluations, truth_of
from results import Results, one_of

from aiida_mtp.core._arrays import are_among
from aiida_mtp.core.screening.candidates import prototype_of
from aiida_mtp.core.screening.knowledge import PREDICTED
from aiida_mtp.core.screening.verification import prospects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida.orm import WorkChainNode

    from aiida_mtp.core.structures import StructureBatch

PAGE = """# What a screen finds

Screens beside brute force: every candidate relaxed by the same reference. Calls are single points
of the reference, those of relaxations among them. *Found* are phases as low as brute force has
them, and those that are not stable because the hull of the screen lies below them: it relaxes from
more than the prototypes, and how many of its phases lie more than 1 meV/atom below the hull of
brute force, and by how much at most, is told beside. *Fixed reach* is what would have been relaxed,
and found, had everything within four errors of the hull of the second stage gone to DFT. *Within
5 meV* is the share of the crystals, copies counted once, at most 5 meV/atom above the hull. *Lower
than 1 in 40* is the share of the candidates DFT was not asked about whose energies are lower than
one in forty should be by what was thought of their errors, and *than 1 in 1000* likewise. –: not
counted. The reference is EMT, or SevenNet-0, a universal potential, in the place of DFT.

{verdict}
"""
REFERENCES = {'emt': 'EMT', 'sevennet': 'SevenNet-0'}
LIMITS = (40, 1000)  # one in so many lies lower than this by chance
HEAD = (
    'system', 'reference', 'seed', 'candidates', 'stable', 'found', 'below brute force',
    'by, meV/atom', 'within 5 meV', 'calls', 'of brute force', 'relaxed', 'fixed reach: relaxed',
    'found', 'within 5 meV', 'expected missed', 'at most', 'lower than 1 in 40', 'than 1 in 1000',
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        'systems', nargs='*', type=one_of(SYSTEMS), metavar='SYSTEM', help=', '.join(SYSTEMS)
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=range(5), metavar='SEED')
    parser.add_argument('--folder', type=Path, default=Path.home() / '.cache/aiida-mtp/recall')
    parser.add_argument('--processes', type=int, default=2)
    args = parser.parse_args(argv)
    results = Results('recall')
    codes = codes_of_own_profile(args.folder)
    for name in args.systems:
        truth = truth_of(name, args.folder, args.processes)
        for seed in args.seeds:
            screen, seconds = run_screen(name, truth, seed, codes)
            row = judged(screen, truth)
            known = {'system': name, 'reference': SYSTEMS[name].settings['calculator']}
            results.keep(f'{name}, seed {seed}', {**known, 'seconds': seconds, **row})
            results.write_page(page(results.rows))
            print(name, seed, row)


def codes_of_own_profile(folder: Path) -> dict[str, Any]:
    """Load a profile that is kept in the folder, and return the codes of the engine and of DFT."""
    os.environ.setdefault('AIIDA_PATH', str(folder / 'aiida'))
    Path(os.environ['AIIDA_PATH']).mkdir(parents=True, exist_ok=True)
    from aiida_mtp.cli.profile import ensure_codes, ensure_profile

    ensure_profile('recall')
    return ensure_codes()


def run_screen(
    name: str, truth: Truth, seed: int, codes: dict[str, Any]
) -> tuple[WorkChainNode, float]:
    """Run a screen of a system's candidates to its end; return it and the time it took, s."""
    from aiida.engine import run_get_node

    from aiida_mtp.data.structures import StructureSetData
    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    system = SYSTEMS[name]
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        list(system.elements),
        codes['mtp-engine'],
        codes['mtp-dft'],
        structures=StructureSetData.from_batch(truth.candidates),
        protocol=system.protocol,
        overrides=overrides(system, seed),
    )
    start = time.monotonic()
    _, screen = run_get_node(builder)
    if not screen.is_finished_ok:
        raise RuntimeError(f'screen {screen.pk} of {name}: {screen.exit_message}')
    return screen, time.monotonic() - start


def overrides(system: System, seed: int) -> dict[str, Any]:
    """Return what differs from the protocol: DFT is the reference, and counts every call."""
    return {
        'prototypes': None,
        'dft': {'settings': system.settings, 'reuse': False},
        'final_settings': system.settings,
        'final': {'seed': seed, **system.final},
        'stage_1': {'seed': seed, **system.stage_1},
        'stage_2': {'seed': seed, **system.stage_2},
    }


def judged(screen: WorkChainNode, truth: Truth) -> dict[str, Any]:
    """Return what a screen found of the truth, and what it took, beside the fixed reach."""
    hull = screen.outputs.hull.get_batch()
    hull = hull.take(hull.status == 'done')
    retained = screen.outputs.stage_2.retained.get_batch()
    steps = screen.outputs.final.report.get_dict()
    return {
        'n_candidates': len(truth.candidates),
        'n_stable': len(truth.phases),
        'brute_force': truth.evaluations,
        'found': len(truth.found(hull)),
        'below': truth.beaten_by(hull),
        'missed': sorted(set(truth.phases) - set(truth.found(hull))),
        'n_near': len(truth.near),
        'near': _near(screen, truth),
        'spent': _spent(screen),
        'relaxations': len(hull) - len(screen.outputs.references),
        'expected_missed': steps['expected_missed'],
        'bound': steps['bound'],
        'retained': len(retained),
        'retained_found': len(truth.found(_true(truth, retained))),
        'retained_near': _share_of_near(truth, set(retained.ids)),
        'lower': _shares_lower(screen, truth),
    }


def _true(truth: Truth, batch: StructureBatch) -> StructureBatch:
    """Return structures as the reference relaxed them, and the elements."""
    wanted = set(batch.ids)
    return truth.relaxed.take([row for row, key in enumerate(truth.relaxed.ids) if key in wanted])


def _near(screen: WorkChainNode, truth: Truth) -> float:
    """Return the share of the crystals near the hull that DFT was asked about, or their likes."""
    outputs = screen.outputs.final
    batch = outputs.candidates.get_batch()
    steps = outputs.verdict.get_array('step')
    asked = set(batch.ids[np.isin(steps, ('labelled', 'relaxed'))])
    same = batch.columns['duplicate_of']
    asked |= {key for key, other in zip(batch.ids, same, strict=True) if other in asked}
    return _share_of_near(truth, asked)


def _share_of_near(truth: Truth, asked: set[str]) -> float:
    return float(np.mean([not asked.isdisjoint(crystal) for crystal in truth.near]))


def _shares_lower(screen: WorkChainNode, truth: Truth) -> dict[str, float]:
    """Return which shares of what DFT was not asked about lie lower than one in so many should."""
    from aiida_mtp.calculations.screen_functions import energy_error

    outputs, final = screen.outputs, screen.outputs.final
    reports = {1: outputs.stage_1.report, 2: outputs.stage_2.report}
    batch = final.candidates.get_batch()
    found = prospects(
        batch,
        outputs.references.get_batch(),
        {stage: energy_error(report['training']) for stage, report in reports.items()},
        labels=final.labels.get_batch(),
        relaxed=final.structures.get_batch(),
    )
    true = dict(zip(truth.relaxed.ids, truth.hull.formation_energies, strict=True))
    lower = found.formation_energies - np.array([true.get(key, np.nan) for key in batch.ids])
    beaten = {prototype_of(key) for key in batch.ids if prototype_of(key) != key}
    unasked = (found.steps == PREDICTED) & np.isfinite(lower)
    unasked &= ~are_among(batch.ids, beaten)  # they lead to a lower candidate
    chances = np.ones(len(batch))
    for stage, model in found.errors.items():
        own = unasked & (batch.columns['stage'] == stage)
        chances[own] = model.exceed(lower[own], found.places[own])
    return {str(limit): float(np.mean(chances[unasked] < 1 / limit)) for limit in LIMITS}


def _spent(screen: WorkChainNode) -> dict[str, int]:
    """Return the single points of labels and relaxations, by what they were for."""
    counts = {'references': evaluations(screen.outputs.references.get_batch())}
    counts['training'] = len(screen.outputs.stage_2.training_set)
    final = screen.outputs.final
    for name, key in (('labels', 'labels'), ('relaxations', 'structures')):
        counts[name] = evaluations(final[key].get_batch()) if key in final else 0
    return counts


def page(rows: dict[str, Any]) -> str:
    """Return the page of all screens."""
    verdict = _verdict(list(rows.values()))
    lines = [PAGE.format(verdict=verdict), f'| {" | ".join(HEAD)} |', '|' + '---|' * len(HEAD)]
    systems = list(SYSTEMS)
    seeds = {name: int(name.rpartition(' ')[2]) for name in rows}
    for name in sorted(rows, key=lambda name: (systems.index(rows[name]['system']), seeds[name])):
        row = rows[name]
        spent = sum(row['spent'].values())
        lines.append(
            f'| {row["system"]} | {REFERENCES[row["reference"]]} | {seeds[name]} '
            f'| {row["n_candidates"]} '
            f'| {row["n_stable"]} | {row["found"]} | {_depths(row.get("below"))} '
            f'| {_share(row["near"])} | {spent} '
            f'| {spent / row["brute_force"]:.2%} | {row["relaxations"]} | {row["retained"]} '
            f'| {row["retained_found"]} | {_share(row["retained_near"])} '
            f'| {row["expected_missed"]:.2g} | {row["bound"]} '
            f'| {" | ".join(_percent(row.get("lower", {}).get(str(n))) for n in LIMITS)} |'
        )
    return '\n'.join(lines)


def _verdict(rows: list[dict[str, Any]]) -> str:
    """Return in how many screens nothing is missing, the bound has held, and half was relaxed."""
    missing = [(row['n_stable'] - row['found'], row['bound']) for row in rows]
    complete = sum(not number for number, _ in missing)
    held = sum(number <= bound for number, bound in missing)
    half = sum(
        2 * row['relaxations'] <= row['retained'] and row['found'] >= row['retained_found']
        for row in rows
    )
    return (
        f'Of {len(rows)} screens {complete} have found every phase; in {held} no more are missing '
        f'than the bound (*at most*) says; {half} have found no fewer phases than the fixed reach '
        'with at most half of its relaxations.'
    )


def _depths(below: dict[str, float] | None) -> str:
    if below is None:
        return '– | –'
    return f'{len(below)} | {max(below.values()) * 1e3:.1f}' if below else '0 | –'


def _share(value: float | None) -> str:
    return '–' if value is None else f'{value:.0%}'


def _percent(value: float | None) -> str:
    return '–' if value is None else f'{value:.2%}'


if __name__ == '__main__':
    main()
