"""What two screens have done differently, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aiida.common.links import LinkType

from aiida_mtp.cli.trace import STAGES

if TYPE_CHECKING:
    from rich.table import Table

SAME = 1e-4  # eV/atom: energies that differ by less are the same
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Difference:
    """Two screens, side by side; None where one of them has no such thing.

    Parameters
    ----------
    screens
        Their pks.
    inputs
        Settings, codes and versions that differ, by name.
    numbers
        Sizes and errors of what they made, all of them.
    phases
        Formation energies of stable phases that only one has or that differ, eV/atom.
    n_common
        Number of stable phases whose energies are the same.
    """

    screens: tuple[int, int]
    inputs: dict[str, Pair]
    numbers: dict[str, Pair]
    phases: dict[str, Pair]
    n_common: int

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def difference(first: Any, second: Any) -> Difference:
    """Compare two screens; one that has not ended is compared as far as it has come."""
    both = first, second
    settings = _pairs(*(_inputs(screen) for screen in both))
    phases = _pairs(*(_phases(screen) for screen in both))
    differing = {name: pair for name, pair in phases.items() if not _is_same(*pair)}
    return Difference(
        screens=(first.pk, second.pk),
        inputs={name: (a, b) for name, (a, b) in settings.items() if a != b},
        numbers=_pairs(*(_numbers(screen) for screen in both)),
        phases=differing,
        n_common=len(phases) - len(differing),
    )


def difference_tables(found: Difference) -> list[Table]:
    """Return tables of what differs: inputs, numbers, stable phases."""
    from rich.table import Table

    first, second = (f'screen {pk}' for pk in found.screens)
    tables = []
    for title, rows, text in (
        ('inputs that differ', found.inputs, _text),
        ('what they made', found.numbers, _text),
        ('stable phases that differ, meV/atom', found.phases, _in_words),
    ):
        table = Table('', first, second, title=title, title_justify='left')
        for name, (a, b) in rows.items():
            table.add_row(name, text(a), text(b))
        if not rows:
            table.add_row('none', '', '')
        tables.append(table)
    tables[-1].caption = f'{found.n_common} more are the same in both'
    return tables


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Pair]:
    """Return the values of each name that occurs in either, in the order of the first."""
    return {name: (first.get(name), second.get(name)) for name in {**first, **second}}


def _is_same(first: float | None, second: float | None) -> bool:
    return first is not None and second is not None and abs(first - second) < SAME


def _text(value: Any) -> str:
    if value is None:
        return '–'
    return f'{value:g}' if isinstance(value, float) else str(value)


def _in_words(energy: float | None) -> str:
    return '–' if energy is None else f'{energy * 1e3:.1f}'


def _inputs(screen: Any) -> dict[str, Any]:
    """Return all inputs by their names, settings one by one, and the versions."""
    found: dict[str, Any] = {}
    for link in screen.base.links.get_incoming(link_type=LinkType.INPUT_WORK).all():
        _flatten(link.link_label.replace('__', '.'), _plain(link.node), found)
    _flatten('version', screen.base.attributes.get('version', {}), found)
    return dict(sorted(found.items()))


def _plain(node: Any) -> Any:
    """Return the value of a node; of one that is no plain value, what tells it apart."""
    for name in ('get_dict', 'get_list'):
        if hasattr(node, name):
            return getattr(node, name)()
    for name in ('value', 'full_label'):
        if hasattr(node, name):
            return getattr(node, name)
    return f'{type(node).__name__} {node.base.caching.get_hash()[:8]}'


def _flatten(name: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            _flatten(f'{name}.{key}', part, found)
    else:
        found[name] = value


def _numbers(screen: Any) -> dict[str, Any]:
    """Return sizes and errors of what a screen has made so far."""
    outputs: Any = screen.outputs
    found: dict[str, Any] = {'state': screen.exit_message or screen.process_state.value}
    if 'candidates' in outputs:
        found['candidates'] = len(outputs.candidates)
    for stage in STAGES:
        if stage not in outputs:
            continue
        own = outputs[stage]
        errors = own.potential.errors
        report = own.retained_report.get_dict() if 'retained_report' in own else {}
        found |= {
            f'{stage}: training set': len(own.training_set),
            f'{stage}: energy error, meV/atom': _in_mev(
                errors.get('energy_rmse_validation', errors.get('energy_rmse'))
            ),
            f'{stage}: kept within, meV/atom': _in_mev(report.get('reach')),
            f'{stage}: kept': report.get('n_retained'),
        }
    if 'hull' in outputs:
        found['relaxed with DFT'] = len(outputs.hull)
        found['stable phases'] = len(outputs.stable['phases'])
    return found


def _in_mev(energy: float | None) -> float | None:
    return None if energy is None else energy * 1e3


def _phases(screen: Any) -> dict[str, float]:
    if 'stable' not in screen.outputs:
        return {}
    return {p['formula']: p['formation_energy'] for p in screen.outputs.stable['phases']}


def tell_difference(found: Difference, *, for_scripts: bool) -> None:
    """Print a difference as tables, or as JSON."""
    import click

    from aiida_mtp.cli.output import as_json, console

    if for_scripts:
        click.echo(as_json(found.to_mapping()))
        return
    for table in difference_tables(found):
        console().print(table)
