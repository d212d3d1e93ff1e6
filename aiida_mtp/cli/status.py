"""How a screen stands, as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.follow import call_label, finished_results
from aiida_mtp.cli.screens import why_failed

if TYPE_CHECKING:
    from rich.tree import Tree

PARTS = {
    'references': 'elements, relaxed with DFT',
    'prototypes': 'prototypes',
    'stage_1': 'Screen-1, the small potential',
    'stage_2': 'Screen-2, the larger potential',
    'final': 'final relaxation with DFT',
}


def status_tree(screen: Any) -> Tree:
    """Return the parts of a screen, each with what it has done or does now."""
    from rich.tree import Tree

    elements = '-'.join(screen.inputs.elements)
    tree = Tree(f'[bold]screen {screen.pk}[/bold] of {elements}: {_state(screen)}')
    called = {call_label(process): process for process in screen.called}
    for label, title in PARTS.items():
        if label not in called:
            tree.add(f'[dim]{title}: not yet[/dim]')
            continue
        process = called[label]
        branch = tree.add(f'{title} <{process.pk}>: {_state(process)}')
        for line in _details(label, process):
            branch.add(line)
    if 'stable' in screen.outputs:
        phases = ', '.join(phase['formula'] for phase in screen.outputs.stable['phases'])
        tree.add(f'[bold]stable: {phases}[/bold]')
    elif screen.is_terminated and not screen.is_finished_ok:
        tree.add(f'[red]{why_failed(screen)}[/red]')
    return tree


def _state(process: Any) -> str:
    if process.is_finished_ok:
        return '[green]done[/green]'
    if process.is_terminated:
        return '[red]failed[/red]'
    return '[yellow]running[/yellow]'


def _details(label: str, process: Any) -> list[str]:
    if label.startswith('stage'):
        return _stage_details(process)
    lines = []
    if 'structures' in process.outputs:
        counts = process.outputs.structures.status_counts
        lines.append(', '.join(f'{n} {status}' for status, n in sorted(counts.items())))
    return lines + [_running(job) for job in _unfinished_jobs(process)]


def _stage_details(stage: Any) -> list[str]:
    lines = []
    for job in stage.called:
        name = call_label(job)
        if name.startswith('relax') and 'structures' in job.outputs:
            counts = job.outputs.structures.status_counts
            words = ', '.join(f'{n} {status}' for status, n in sorted(counts.items()))
            lines.append(f'{name}: {words}; {len(job.outputs.candidates)} candidates')
        elif name.startswith('train') and 'potential' in job.outputs:
            potential = job.outputs.potential
            errors = potential.errors
            error = errors.get('energy_rmse_validation') or errors.get('energy_rmse')
            words = '' if error is None else f', energy error {error * 1e3:.1f} meV/atom'
            number = potential.base.attributes.get('n_training')
            lines.append(f'{name}: {number} configurations, level {potential.level}{words}')
    return lines + [_running(job) for job in _unfinished_jobs(stage)]


def _unfinished_jobs(process: Any) -> list[Any]:
    from aiida.orm import CalcJobNode

    return [
        node
        for node in process.called_descendants
        if isinstance(node, CalcJobNode) and not node.is_terminated
    ]


def _running(job: Any) -> str:
    done = finished_results(job)
    total = len(job.inputs.structures) if 'structures' in job.inputs else 0
    words = f'{done} of {total} structures' if done is not None else f'{total} structures'
    return f'[yellow]{job.process_label}<{job.pk}>: {words}[/yellow]'
