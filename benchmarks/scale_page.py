"""The page of large screens."""

from __future__ import annotations

from typing import Any

PARTS = {'prototypes': 'prototypes', 'stage_1': 'Screen-1', 'stage_2': 'Screen-2', 'final': 'final'}
HEAD = """# Four hundred thousand

Screens of Al-Ni-Ti through the work chains of the package, on this one machine: the daemon,
PostgreSQL, RabbitMQ and Slurm with one job at a time. SevenNet is asked in the place of DFT. It
labels the configurations that Gubaev et al. 2019 have published; both potentials learn from these,
and from the answers of the final stage. Where *published labels* are named they learn from the
labels as published, by another reference, and nothing is labelled for them. *Engine* is the time in
which at least one job of the engine or of the reference has computed; the rest is AiiDA's, the
scheduler's and the transport's. Structures are those that enter a part; atoms, those of the
structures a potential has relaxed in it; µs are those of these relaxations, per atom, both cores
busy. The error is that of Screen-1's potential, of all labels left out of its training and of those
near the hull, as which screens count it.
`python benchmarks/scale.py 7 8 11 --dft PATH` makes these tables.
"""
SCREENS = (
    'cells', 'candidates', 'wall, min', 'rest', 'nodes', 'database, MB', 'repository, MB',
    'memory: engine, GB', 'worker of the daemon', 'all', 'error, meV/atom', 'near the hull',
    'relaxed', 'stable', 'expected missed',
)  # fmt: skip
COSTS = (
    'cells', 'part', 'structures', 'relaxed', 'atoms', 'wall, s', 'engine, s', 'rest', 'µs/atom',
    'jobs', 'nodes',
)  # fmt: skip


def page(rows: dict[str, dict[str, Any]]) -> str:
    """Return the page of all screens, the smallest first."""
    ordered = sorted(rows.items(), key=lambda item: item[1]['parts']['stage_1']['n_structures'])
    lines = [HEAD, '## Screens', '', *_head(SCREENS)]
    lines += [_line(name, *_screen(row)) for name, row in ordered]
    lines += ['', '## Parts', '', *_head(COSTS)]
    lines += [
        _line(name, PARTS.get(label, label), *_part(part))
        for name, row in ordered
        for label, part in row['parts'].items()
    ]
    return '\n'.join([*lines, '', '## Ten million, on paper', '', _ten_million(ordered[-1][1])])


def _screen(row: dict[str, Any]) -> list[Any]:
    size, memory = row['bytes'], row['memory']
    busy = sum(part['busy'] for part in row['parts'].values())
    return [
        row['parts']['stage_1']['n_structures'],
        f'{row["wall"] / 60:.1f}',
        f'{1 - busy / row["wall"]:.1%}',
        size['nodes'],
        f'{size["database"] / 1e6:.0f}',
        f'{size["repository"] / 1e6:.0f}',
        *(f'{memory[kind] / 1e9:.2f}' for kind in ('engine', 'worker', 'all')),
        *(_milli(row.get(key)) for key in ('error', 'error_near')),
        row['relaxations'],
        len(row['stable']),
        f'{row["expected_missed"]:.2g}',
    ]


def _milli(energy: float | None) -> str:
    return '–' if energy is None else f'{1e3 * energy:.0f}'


def _part(part: dict[str, Any]) -> list[Any]:
    n_atoms = part['relaxed_atoms']
    return [
        part['n_structures'],
        part['relaxed'],
        n_atoms,
        f'{part["wall"]:.0f}',
        f'{part["busy"]:.0f}',
        f'{1 - part["busy"] / part["wall"]:.1%}',
        f'{1e6 * part["relaxing"] / n_atoms:.0f}' if n_atoms else '–',
        part['jobs'],
        part['nodes'],
    ]


def _head(words: tuple[str, ...]) -> list[str]:
    return [_line(*words), '|' + '---|' * len(words)]


def _line(*values: Any) -> str:
    return f'| {" | ".join(str(value) for value in values)} |'


def _ten_million(row: dict[str, Any]) -> str:
    """Return what ten million candidates would need, by the constants of a screen."""
    part, size, n = row['parts']['stage_1'], row['bytes'], 10_000_000
    share = n / part['n_structures']
    hours, nodes = share * part['busy'] / 3600, share * part['nodes']
    of_node = size['database'] / size['nodes']
    return (
        f'By the constants of the largest screen above, {n:,} candidates of its mean size are '
        f'{share * part["jobs"]:,.0f} jobs for a pass of Screen-1, {nodes:,.0f} nodes with '
        f'{of_node / 1e3:.1f} kB each in the database, {nodes * of_node / 1e6:.0f} MB, and '
        f'{share * size["repository"] / 1e9:.0f} GB in the repository. It takes {hours:.1f} hours '
        f'of two cores, or {60 * hours / 32:.0f} minutes of 32 such machines.'
    )
