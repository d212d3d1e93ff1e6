"""How a screen stands, as a tree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.follow import finished_results
from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.cli.screens import why_failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    from aiida_mtp.cli.process_tree import Called

INTERVAL = 2.0  # s, between two looks at the database
PARTS = {
    'references': 'elements, relaxed with DFT',
    'prototypes': 'prototypes',
    'stage_1': 'Screen-1, the small potential',
    'stage_2': 'Screen-2, the larger potential',
    'final': 'final relaxation with DFT',
}


def status_tree(screen: Any) -> Tree:
    """Return the parts of a screen, each with what it has done or does now."""
    from rich.text import Text
    from rich.tree import Tree

    state = _state(is_done=screen.is_finished_ok, is_running=not screen.is_terminated)
    elements = '-'.join(screen.inputs.elements)
    tree = Tree(Text.assemble((f'screen {screen.pk}', 'bold'), f' of {elements}: ', state))
    called = called_by(screen)
    for part, title in PARTS.items():
        own = [one for one in called if one.part == part]
        if not own:
            when = 'not needed' if screen.is_terminated else 'not yet'
            tree.add(Text(f'{title}: {when}', 'dim'))
            continue
        head = [one for one in own if len(one.path) == 1][-1]  # the last attempt
        state = _state(is_done=head.is_done, is_running=head.is_running)
        branch = tree.add(Text.assemble(f'{title} <{head.pk}>: ', state))
        for line in [*_details(head, own), *_retained(screen, part)]:
            branch.add(line)
    if 'stable' in screen.outputs:
        phases = ', '.join(phase['formula'] for phase in screen.outputs.stable['phases'])
        tree.add(Text(f'stable: {phases}', 'bold'))
    elif screen.is_terminated and not screen.is_finished_ok:
        tree.add(Text(why_failed(screen), 'red'))
    return tree


def show_until_it_ends(screen: Any, console: Console) -> None:
    """Show how a screen stands, anew every few seconds; interrupting it leaves the screen alone."""
    from rich.live import Live

    with Live(status_tree(screen), console=console, auto_refresh=False) as live:
        while not screen.is_terminated:
            try:
                time.sleep(INTERVAL)
            except KeyboardInterrupt:
                return
            live.update(status_tree(screen), refresh=True)


def _state(*, is_done: bool, is_running: bool) -> tuple[str, str]:
    """Return a word and its colour."""
    if is_done:
        return 'done', 'green'
    return ('running', 'yellow') if is_running else ('failed', 'red')


def _details(head: Called, own: Sequence[Called]) -> list[str | Text]:
    from aiida.orm import load_node
    from rich.text import Text

    lines: list[str | Text] = []
    for job in own:
        node = load_node(job.pk)
        name = job.path[-1]
        if job.is_job and job.is_running:
            paused = (' paused' if job.is_paused else '', 'red')
            lines.append(Text.assemble((_running(node), 'yellow'), paused))
        elif 'structures' not in node.outputs and 'potential' not in node.outputs:
            continue
        elif name.startswith('relax_'):
            learn = f'; {len(node.outputs.candidates)} to learn'
            lines.append(f'{name}: {words(node.outputs.structures.status_counts)}{learn}')
        elif name.startswith('train_'):
            lines.append(f'{name}: {_training(node.outputs.potential)}')
        elif head.part == 'final' and name.startswith(('label_', 'relaxation_')):
            lines.append(f'{name}: {words(node.outputs.structures.status_counts)}')
        elif job is head and head.part in {'references', 'prototypes', 'final'}:
            lines.append(words(node.outputs.structures.status_counts))
    return lines


def _training(potential: Any) -> str:
    errors = potential.errors
    error = errors.get('energy_rmse_validation') or errors.get('energy_rmse')
    known = '' if error is None else f', energy error {error * 1e3:.1f} meV/atom'
    number = potential.base.attributes.get('n_training')
    return f'{number} configurations, level {potential.level}{known}'


def _retained(screen: Any, part: str) -> list[str]:
    """Return what a stage kept, once it has ended."""
    if part not in screen.outputs:
        return []
    if 'retained_report' not in screen.outputs[part]:
        return _risk(screen.outputs[part]['report'].get_dict()) if part == 'final' else []
    report = screen.outputs[part]['retained_report'].get_dict()
    reasons = words({k: n for k, n in report.get('reasons', {}).items() if n})
    return [f'kept {report["n_retained"]} of {report["n_structures"]}: {reasons}']


def _risk(report: Mapping[str, Any]) -> list[str]:
    """Return what the final stage leaves in doubt."""
    steps = words({k: n for k, n in report['steps'].items() if n})
    missed, bound = report['expected_missed'], report['bound']
    return [
        f'{report["n_candidates"]} candidates: {steps}',
        f'missed below the hull: {missed:.2g} to be expected, with 95 % confidence at most {bound}',
    ]


def words(counts: Mapping[str, int]) -> str:
    """Return counts as words: ``3 converged, 1 max_steps``."""
    return ', '.join(f'{n} {word}' for word, n in sorted(counts.items()))


def _running(job: Any) -> str:
    done = finished_results(job)
    total = len(job.inputs.structures) if 'structures' in job.inputs else 0
    amount = f'{done} of {total} structures' if done is not None else f'{total} structures'
    return f'{job.process_label}<{job.pk}>: {amount}'
