"""What `speed.py` has found, in words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LOSS_OF_MLIP, SECONDS_OF_MLIP = 1.49e-4, 387
MANY, PARAMETERS = 400_000, 500


def page(rows: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    head = (
        '# Speed\n\nProcessor time on one thread, medians. `make benchmark` measures it and writes '
        'this page.\n\n'
    )
    return head + '\n\n'.join(
        section(rows[name]) for name, section in SECTIONS.items() if name in rows
    )


def evaluation_page(found: dict[str, Any]) -> str:
    """Return the table of evaluations."""
    text = (
        '## Evaluation\n\n'
        'Energies, forces and stresses of 600 rattled ternary cells of 4 to 8 atoms, with '
        f'{found["neighbours"]:.0f} neighbours within 5 Å: µs per atom, neighbour search included. '
        'All take turns on the same structures, and agree on their energies. motep is called as '
        'its users call it, structure by structure, on 60 of them; of MLIP-3 it is `mlp '
        'calculate_efs` less the time that reading and writing the file takes.\n\n'
    )
    table = [
        '| level | ours | with grades | ratio | motep | motep / ours | MLIP-3 | MLIP-3 / ours |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for row in found['rows']:
        peers = [row.get(name) for name in ('motep', 'mlp')]
        columns = [
            f'{row["level"]}',
            f'{row["ours"]:.1f}',
            f'{row["graded"]:.1f}',
            f'{row["graded"] / row["ours"]:.2f}',
        ]
        for peer in peers:
            columns += [f'{peer:.0f}', f'{peer / row["ours"]:.1f}'] if peer else ['–', '–']
        table.append(f'| {" | ".join(columns)} |')
    return text + '\n'.join(table)


def profile_page(found: dict[str, Any]) -> str:
    """Return the table of parts."""
    levels = list(found['parts'])
    names = list(found['parts'][levels[0]])
    table = [
        '| part | ' + ' | '.join(f'level {n}' for n in levels) + ' |',
        '|---' * (len(levels) + 1) + '|',
    ]
    for name in names:
        columns = ' | '.join(f'{found["parts"][level][name]:.2f}' for level in levels)
        table.append(f'| {name} | {columns} |')
    registers = found['registers']
    return (
        '### Where it goes\n\nµs per atom, of a cell of eight atoms.\n\n'
        + '\n'.join(table)
        + '\n\nThe sums of products take the same step for eight atoms at once. In their machine '
        f'code registers of 512, 256 and 128 bits are named {registers["512"]}, '
        f'{registers["256"]} and {registers["128"]} times.'
    )


def relaxation_page(found: dict[str, Any]) -> str:
    """Return what was found of relaxations."""
    return (
        '## Relaxation\n\n'
        f'{found["n"]} cells of {found["atoms"]:.0f} atoms on average, level 16, to 1e-4 eV/Å and '
        f'1e-3 GPa: {found["plain"]:.2f} ms per structure, {found["graded"]:.2f} ms with the grade '
        f'watched at every step. {found["converged"]} of them converge, in '
        f'{found["evaluations"]:.0f} evaluations (median).'
    )


def training_page(found: dict[str, Any]) -> str:
    """Return what was found of training."""
    table = ['| steps | loss | s |', '|---|---|---|']
    table += [
        f'| {one["steps"]} | {one["loss"]:.3g} | {one["seconds"]:.1f} |'
        for one in found['attempts']
    ]
    default = found['default']
    return (
        '## Training\n\n'
        f'Level 10 on 500 ternary cells of 4 to 8 atoms, from random coefficients. MLIP-3 comes to '
        f'a loss of {LOSS_OF_MLIP} in {SECONDS_OF_MLIP} s.\n\n' + '\n'.join(table) + '\n\n'
        'With default settings and their three starts, without the cross-validation, it takes '
        f'{default["seconds"]:.0f} s to a loss of {default["loss"]:.3g}. One set of normal '
        'equations, which holds the derivatives of all labels by all coefficients, costs '
        f'{found["ratio"]:.0f} evaluations.'
    )


def maxvol_page(found: dict[str, Any]) -> str:
    """Return what was found of the selection."""
    return (
        '## Selection\n\n'
        f'{MANY} candidates of {PARAMETERS} parameters, read from a file block by block: '
        f'{found["seconds"]:.0f} s by the clock, {found["swaps"]} swaps.'
    )


def threads_page(found: dict[str, Any]) -> str:
    """Return what a second thread gives."""
    words = ', '.join(f'{name} {gain:.2f}×' for name, gain in found['gains'].items())
    return f'## Threads\n\nTwo threads beside one, by the clock: {words}.'


def memory_page(found: dict[str, Any]) -> str:
    """Return what many structures ask for."""
    words = '; '.join(
        f'`mtp-engine {verb}` {one["gigabytes"]:.2f} GB ({one["seconds"]:.0f} s)'
        for verb, one in found['verbs'].items()
    )
    return (
        f'## Memory\n\nLargest memory of {MANY} structures in one file, at level 8: {words}. '
        'Relaxations are cut after two evaluations here: their number changes no memory.'
    )


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    'evaluation': evaluation_page,
    'profile': profile_page,
    'relaxation': relaxation_page,
    'training': training_page,
    'maxvol': maxvol_page,
    'threads': threads_page,
    'memory': memory_page,
}
