"""A small screen that a user launches, what it found, and how much DFT it took."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode
    from cluster import Site

ELEMENTS = ('Cu', 'Pt')
SETTINGS = {'calculator': 'emt', 'fmax': 0.005, 'smax': 0.0005}
OVERRIDES: dict[str, Any] = {
    'prototypes': {'fcc': 4, 'bcc': 2, 'hcp': 0, 'aflow': 0},
    'engine': {'options': {'queue_name': 'engine', 'max_wallclock_seconds': 600}},
    'dft': {
        'settings': SETTINGS,
        'options': {
            'queue_name': 'dft',
            'max_wallclock_seconds': 600,
            'resources': {
                'num_machines': 1,
                'num_mpiprocs_per_machine': 1,
                'num_cores_per_mpiproc': 2,
            },
        },
        'rows_per_job': 20,
    },
    'final_settings': SETTINGS,
    'stage_1': {
        'level': 6,
        'max_initial': 24,
        'max_labels': 12,
        'max_iterations': 1,
        'relax': {'threshold_break': None},
    },
    'stage_2': {'level': 6, 'relax': {'threshold_save': None, 'threshold_break': None}},
    'final': {'rule': 'all_retained'},  # one job: a fault finds it at work
}


def launch(site: Site, overrides: dict[str, Any] | None = None, *words: str) -> int:
    """Launch the screen as a user does, and return its pk."""
    site.scratch.mkdir(parents=True, exist_ok=True)
    path = site.scratch / 'overrides.yaml'
    path.write_text(yaml.safe_dump(overrides or OVERRIDES), encoding='utf-8')
    names = ('--engine', 'mtp-engine@engine', '--dft', 'mtp-dft@dft')
    told = site.call(
        'aiida-mtp', 'screen', 'launch', *ELEMENTS, '--protocol', 'fast', '--backend', 'ase',
        *names, '--overrides', str(path), *words,
    )  # fmt: skip
    found = re.search(r'screen (\d+)', told)
    if not found:
        raise RuntimeError(f'no screen launched: {told}')
    return int(found[1])


def stable(screen: WorkChainNode) -> dict[str, float]:
    """Return the phases on the hull: formula → formation energy, eV/atom."""
    return {p['formula']: p['formation_energy'] for p in screen.outputs.stable['phases']}


def difference(found: dict[str, float], expected: dict[str, float]) -> float | None:
    """Return the largest difference of two hulls, eV/atom; None if their phases differ."""
    if found.keys() != expected.keys():
        return None
    return max(abs(found[formula] - expected[formula]) for formula in expected)


def finished_dft(site: Site) -> Counter[tuple[str, str]]:
    """Return how often each structure was computed to the end, by the files jobs have left.

    Read where they ran, not from the database: also what AiiDA has forgotten counts.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for path in site.scratch.rglob('*.json'):
        if path.parent.name.endswith('results'):
            result = json.loads(path.read_text(encoding='utf-8'))
            counts[result['structure'], result['task_digest']] += result['status'] == 'done'
    return counts


def repeated_dft(site: Site) -> int:
    """Return how many finished structures were computed again, in other jobs or the same one."""
    elsewhere = sum(count - 1 for count in finished_dft(site).values() if count > 1)
    again = 0
    for path in site.scratch.rglob('_scheduler-stdout.txt'):
        lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
        done = Counter(line.split()[1] for line in lines if _is_done(line))
        again += sum(count - 1 for count in done.values())
    return elsewhere + again


def _is_done(line: str) -> bool:
    return re.match(r'\d+/\d+ \S+ done ', line) is not None
