"""Final stages played over known energies, many times: what the rules find, and what they ask.

    python benchmarks/replays.py [SYSTEM ...] [--seeds N]

The energies of a potential are the true ones with random errors; relaxing after a label gains a
little. So a final stage costs nothing, and the same one can be played with many seeds. Keeps each
system in docs/benchmarks/replays.json, and writes docs/benchmarks/replays.md of all.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from brute_force import truth_of
from reference_data import aluminium_nickel_titanium, copper_silver_gold
from replay import ask
from results import Results, one_of

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.screening.funnel import RetainSettings, retain
from aiida_mtp.core.screening.hull import hull_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.structures import StructureBatch

SIGMA, GAIN = 8e-3, 2e-3  # eV/atom: errors of the second potential; gains after a label
USUAL = 4.0  # errors within which the fixed reach of the published screens relaxes
REACHES = [0.25 * quarters for quarters in range(1, 401)] + [np.inf]
ERRORS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    'Gaussian': lambda random, n: random.normal(size=n),
    "Student's t3": lambda random, n: random.standard_t(3, size=n) / np.sqrt(3.0),
}
PAGE = """# Rules of the final stage

Final stages played over energies that are known: of the training set of Gubaev et al. 2019
(Al-Ni-Ti), of 1 079 relaxed structures of Cu-Ag-Au (PBE), and of all candidates of Cu-Ni-Pt,
relaxed with EMT. The energies of the potential are the true ones with errors of 8 meV/atom root
mean square, Gaussian or with fat tails; after a label a relaxation gains 2 meV/atom, about. *Fixed
reach* relaxes what is within four errors of the hull of the potential's energies. *At equal recall*
its reach is the shortest, of all quarters of an error, with which it misses no more, in the mean of
the seeds, than *likely first*, which is what screens do. Numbers are means of the seeds; the bound
is that of 95 % confidence.
`python benchmarks/replays.py` makes this table.
"""
HEAD = (
    'system', 'errors', 'seeds', 'candidates', 'stable', 'fixed reach: relaxed', 'missed',
    'at equal recall: reach', 'relaxed', 'likely first: rounds', 'labelled', 'relaxed', 'missed',
    'expected missed', 'bound holds', 'share of relaxations',
)  # fmt: skip


def cu_ni_pt() -> StructureBatch:
    """Return all candidates of Cu-Ni-Pt, relaxed with EMT."""
    return truth_of('Cu-Ni-Pt', Path.home() / '.cache/aiida-mtp/recall').relaxed


SYSTEMS = {
    'Al-Ni-Ti': aluminium_nickel_titanium,
    'Cu-Ag-Au': copper_silver_gold,
    'Cu-Ni-Pt': cu_ni_pt,
}


def prepared(batch: StructureBatch) -> StructureBatch:
    """Return the lowest structure of each element, then all compounds."""
    pure = np.count_nonzero(batch.compositions, axis=1) == 1
    rows: list[int] = []
    for column in range(len(batch.species)):
        own = np.flatnonzero(pure & (batch.compositions[:, column] > 0))
        rows.append(int(own[np.argmin(batch.energies_per_atom[own])]))
    return batch.take([*rows, *np.flatnonzero(~pure).tolist()])


def played(truth: StructureBatch, errors: str, seed: int) -> dict[str, Any]:
    """Play both rules once."""
    random, n, n_elements = np.random.default_rng(seed), len(truth), len(truth.species)
    wrong = SIGMA * ERRORS[errors](random, n)
    gains = GAIN * np.abs(random.normal(size=n))
    wrong[:n_elements] = gains[:n_elements] = 0.0
    stable = hull_of(truth).stable
    stable = stable[stable >= n_elements]
    found = ask(truth, wrong, gains, SIGMA)
    alike = _alike(truth, stable)
    missed = sum(not found.relaxed[rows].any() for rows in alike)
    predicted = truth.replaced(
        energies=truth.energies + wrong * truth.n_atoms, status=strings(['converged'] * n)
    )
    above = retain(predicted, SIGMA, RetainSettings(duplicates=None)).e_above_hull / SIGMA
    needed = np.array([above[rows].min() for rows in alike])
    return {
        'fixed': np.searchsorted(np.sort(above[n_elements:]), REACHES, side='right'),
        'fixed_missed': (needed[:, None] > REACHES).sum(axis=0),
        'rounds': float(found.rounds),
        'labels': float(found.labels.sum()),
        'relaxed': float(found.relaxed.sum()),
        'missed': float(missed),
        'expected': found.found.expected_missed,
        'holds': float(missed <= found.found.bound),
    }


def _alike(truth: StructureBatch, stable: Ints) -> list[Ints]:
    """Return, for each stable compound, the rows of its formula that are as low in energy."""
    energies, formulas = truth.energies_per_atom, np.array(truth.formulas)
    return [
        np.flatnonzero((formulas == formulas[row]) & (energies <= energies[row] + 1e-6))
        for row in stable
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Play, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument(
        'systems', nargs='*', type=one_of(SYSTEMS), metavar='SYSTEM', help=', '.join(SYSTEMS)
    )
    parser.add_argument('--seeds', type=int, default=40)
    args = parser.parse_args(argv)
    results = Results('replays')
    for name in args.systems or SYSTEMS:
        truth = prepared(SYSTEMS[name]())
        for errors in ERRORS:
            row = measure(truth, errors, args.seeds)
            results.keep(f'{name}, {errors}', {'system': name, 'errors': errors, **row})
            results.write_page(page(results.rows))
            print(name, errors, row, flush=True)


def measure(truth: StructureBatch, errors: str, n_seeds: int) -> dict[str, Any]:
    """Return the means of many plays."""
    plays = [played(truth, errors, seed) for seed in range(n_seeds)]
    stable = hull_of(truth).stable
    mean = {key: np.mean([play[key] for play in plays], axis=0) for key in plays[0]}
    fixed, fixed_missed = mean.pop('fixed'), mean.pop('fixed_missed')
    usual = REACHES.index(USUAL)
    equal = int(np.argmax(fixed_missed <= mean['missed']))  # the last of them keeps everything
    return {
        'n_seeds': n_seeds,
        'n_candidates': len(truth) - len(truth.species),
        'n_stable': int(np.sum(stable >= len(truth.species))),
        'fixed': float(fixed[usual]),
        'fixed_missed': float(fixed_missed[usual]),
        'equal_reach': REACHES[equal],
        'equal': float(fixed[equal]),
        **{key: float(value) for key, value in mean.items()},
    }


def page(rows: dict[str, Any]) -> str:
    """Return the table."""
    lines = [PAGE, f'| {" | ".join(HEAD)} |', '|' + '---|' * len(HEAD)]
    lines += [
        f'| {row["system"]} | {row["errors"]} | {row["n_seeds"]} | {row["n_candidates"]} '
        f'| {row["n_stable"]} | {row["fixed"]:.0f} | {row["fixed_missed"]:.2f} '
        f'| {row["equal_reach"]:g} | {row["equal"]:.0f} '
        f'| {row["rounds"]:.0f} | {row["labels"]:.0f} | {row["relaxed"]:.0f} | {row["missed"]:.2f} '
        f'| {row["expected"]:.2f} | {row["holds"]:.0%} | {row["relaxed"] / row["equal"]:.2f} |'
        for row in rows.values()
    ]
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
