"""How a screen stands, for a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.follow import finished_results
from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.cli.standing import FAILED, NOT_NEEDED, NOT_YET, RUNNING, standing_of
from aiida_mtp.cli.trace import STAGES
from aiida_mtp.core.dft.results import DONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree

    from aiida_mtp.cli.standing import Part, Round, Standing

INTERVAL = 2.0  # s, between two looks at the database
TITLES = {
    'references': 'elements, relaxed with DFT',
    'prototypes': 'prototypes',
    'stage_1': 'Screen-1, the small potential',
    'stage_2': 'Screen-2, the larger potential',
    'final': 'final relaxation with DFT',
}
COLOURS = {DONE: 'green', RUNNING: 'yellow', FAILED: 'red'}


def status_view(screen: Any) -> Group:
    """Return how a screen stands: what it does now, its numbers, and the tree of its parts."""
    from rich.console import Group

    found = standing_of(screen)
    return Group(_headline(found), _numbers(found), _tree(screen, found))


def show_until_it_ends(screen: Any, console: Console) -> None:
    """Show how a screen stands, anew every few seconds; interrupting it leaves the screen alone."""
    from rich.live import Live

    with Live(status_view(screen), console=console, auto_refresh=False) as live:
        while not screen.is_terminated:
            try:
                time.sleep(INTERVAL)
            except KeyboardInterrupt:
                return
            live.update(status_view(screen), refresh=True)


def duration(seconds: float) -> str:
    """Return a time in words: ``0:42``, ``3:07:00`` or ``2 d 4 h``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f'{hours // 24} d {hours % 24} h'
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'


def words(counts: Mapping[str, int]) -> str:
    """Return counts as words: ``3 converged, 1 max_steps``."""
    return ', '.join(f'{n} {word}' for word, n in sorted(counts.items()))


def _headline(found: Standing) -> Text:
    from rich.text import Text

    name = f', {found.label}' if found.label else ''
    state = (found.state, COLOURS[found.state])
    title = (f'screen {found.pk}', 'bold')
    return Text.assemble(title, f' of {"-".join(found.elements)}: ', state, name)


def _numbers(found: Standing) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style='dim')
    table.add_column()
    since = 'since the start' if found.state == RUNNING else 'in all'
    table.add_row('time', f'{duration(found.seconds)} {since}')
    for label, line in _lines(found):
        table.add_row(label, line)
    return table


def _lines(found: Standing) -> Iterator[tuple[str, str]]:
    if found.doing:
        yield 'now', found.doing
    for name in found.paused:
        yield 'paused', f'{name}: mend the cause, then aiida-mtp screen resume {found.pk}'
    dft = found.dft
    yield 'DFT', f'{dft.done} done, {dft.running} running, {dft.failed} failed'
    if found.n_training is not None:
        error = '' if found.energy_error is None else f', {_error(found.energy_error)}'
        yield 'training', f'{found.n_training} configurations{error}'
    if found.max_labels > found.n_labels:
        yield 'budget', f'{found.n_labels} labels of at most {found.max_labels}'
    left = []
    if found.seconds_left_now is not None:
        left.append(f'about {duration(found.seconds_left_now)} of this DFT')
    if found.seconds_left_learning:
        left.append(f'at most {duration(found.seconds_left_learning)} of DFT to learn from')
    if left:
        yield 'left', ', '.join(left)


def _tree(screen: Any, found: Standing) -> Tree:
    """Return the parts of a screen, each with what it has done or does now."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree('')
    running = list(_running(screen)) if found.state == RUNNING else []
    for part in found.parts:
        title = TITLES[part.label]
        if part.state in {NOT_YET, NOT_NEEDED}:
            tree.add(Text(f'{title}: {part.state}', 'dim'))
            continue
        state = (part.state, COLOURS[part.state])
        branch = tree.add(Text.assemble(f'{title} <{part.pk}>: ', state))
        for line in _part_lines(screen, part):
            branch.add(Text(line))
        for label, job in running:
            if label == part.label:
                branch.add(job)
    if found.stable:
        tree.add(Text(f'stable: {", ".join(found.stable)}', 'bold'))
    elif found.reason:
        tree.add(Text(found.reason, 'red'))
    return tree


def _part_lines(screen: Any, part: Part) -> Iterator[str]:
    if part.label not in STAGES and part.structures:
        yield words(part.structures)
    for one in part.rounds:
        yield f'{_round_name(part, one)}: {" · ".join(_round_words(one))}'
    if part.n_retained is not None:
        yield f'kept {part.n_retained} of {part.n_given}: {words(part.reasons)}'
    if part.label == 'final' and 'final' in screen.outputs:
        yield from _risk(screen.outputs.final.report.get_dict())


def _round_name(part: Part, one: Round) -> str:
    if part.label not in STAGES:
        return f'round {one.number}'
    return f'iteration {one.number}' if one.number else 'initial set'


def _round_words(one: Round) -> Iterator[str]:
    """Say what became of an iteration, in the order in which it happens."""
    if one.relaxed:
        learn = '' if one.n_to_learn is None else f'; {one.n_to_learn} to learn'
        yield f'{words(one.relaxed)}{learn}'
    if one.labelled:
        yield f'labels {words(one.labelled)}'
    if one.dft_relaxed:
        yield f'relaxed with DFT {words(one.dft_relaxed)}'
    if one.n_training is not None:
        error = '' if one.energy_error is None else f', {_error(one.energy_error)}'
        yield f'level {one.level} trained on {one.n_training}{error}'
    if not (one.relaxed or one.labelled or one.dft_relaxed or one.n_training):
        yield RUNNING


def _error(energy: float) -> str:
    return f'energy error {energy * 1e3:.1f} meV/atom'


def _risk(report: Mapping[str, Any]) -> list[str]:
    """Return what the final stage leaves in doubt."""
    steps = words({k: n for k, n in report['steps'].items() if n})
    missed, bound = report['expected_missed'], report['bound']
    return [
        f'{report["n_candidates"]} candidates: {steps}',
        f'missed below the hull: {missed:.2g} to be expected, with 95 % confidence at most {bound}',
    ]


def _running(screen: Any) -> Iterator[tuple[str, Text]]:
    """Yield the jobs that run, each with the part it belongs to."""
    from aiida.orm import load_node
    from rich.text import Text

    for job in called_by(screen):
        if not (job.is_job and job.is_running):
            continue
        node: Any = load_node(job.pk)
        done = finished_results(node)
        total = len(node.inputs.structures) if 'structures' in node.inputs else 0
        amount = f'{done} of {total} structures' if done is not None else f'{total} structures'
        paused = (' paused' if job.is_paused else '', 'red')
        line = Text.assemble((f'{node.process_label}<{node.pk}>: {amount}', 'yellow'), paused)
        yield job.part, line
