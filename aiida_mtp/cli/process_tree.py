"""The processes of a screen, read with one query per level: cheap enough to look every second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aiida.orm import ProcessNode

ENDED = ('finished', 'excepted', 'killed')


@dataclass(frozen=True)
class Called:
    """A process that a screen called, at whatever depth.

    Parameters
    ----------
    path
        The labels of the calls that lead to it, such as ``('stage_1', 'label_2', 'dft_0_0')``.
    kind
        The entry point of its process, such as ``mtp.dft``; empty for a calcfunction.
    started, changed
        When it was made, and last changed.
    """

    pk: int
    path: tuple[str, ...]
    name: str
    kind: str
    state: str
    is_paused: bool
    exit_status: int | None
    started: datetime
    changed: datetime

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until its last change, s."""
        return (self.changed - self.started).total_seconds()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.state not in ENDED

    @property
    def is_done(self) -> bool:
        """Whether it has ended well."""
        return self.exit_status == 0

    @property
    def is_dft(self) -> bool:
        """Whether it is a calculation with DFT: the label work chain calls them `dft_…`."""
        return self.is_job and any(label.startswith('dft_') for label in self.path)

    @property
    def is_job(self) -> bool:
        """Whether it is a calculation job."""
        return self.kind.startswith('aiida.calculations:')

    @property
    def part(self) -> str:
        """Label of the part of the screen it belongs to, such as ``stage_1``."""
        return self.path[0]


def called_by(screen: ProcessNode) -> list[Called]:
    """Return all processes that a screen called, in order of their pk."""
    found: list[Called] = []
    level: dict[int | None, tuple[str, ...]] = {screen.pk: ()}
    while level:
        rows = _called(list(level))
        level_found = [
            Called(
                pk=pk,
                path=(*level[caller], label),
                name=name,
                kind=kind or '',
                state=state or '',
                is_paused=bool(paused),
                exit_status=status,
                started=started,
                changed=changed,
            )
            for caller, pk, kind, name, state, paused, status, started, changed, label in rows
        ]
        found += level_found
        level = {one.pk: one.path for one in level_found}
    return sorted(found, key=lambda one: one.pk)


def _called(callers: Sequence[int | None]) -> list[Any]:
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder()
    query.append(ProcessNode, filters={'id': {'in': list(callers)}}, tag='caller', project='id')
    query.append(
        ProcessNode,
        with_incoming='caller',
        edge_filters={'type': {'in': ['call_calc', 'call_work']}},
        edge_project='label',
        project=[
            'id',
            'process_type',
            *(f'attributes.{name}' for name in ('process_label', 'process_state', 'paused')),
            'attributes.exit_status',
            'ctime',
            'mtime',
        ],
    )
    rows: list[Any] = query.all()
    return rows


def outputs_of(
    processes: Sequence[int], attribute: str, labels: Sequence[str] = ('structures', 'result')
) -> dict[int, Any]:
    """Return an attribute of the output of processes with one of these labels, by their pk."""
    from aiida.orm import Node, ProcessNode, QueryBuilder

    if not processes:
        return {}
    query = QueryBuilder()
    query.append(ProcessNode, filters={'id': {'in': list(processes)}}, tag='one', project='id')
    query.append(
        Node,
        with_incoming='one',
        edge_filters={'label': {'in': list(labels)}, 'type': {'in': ['create', 'return']}},
        project=f'attributes.{attribute}',
    )
    return dict(query.all())
