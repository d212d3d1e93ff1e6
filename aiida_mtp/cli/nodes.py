"""Finding nodes of one kind, for the commands on potentials and sets."""

from __future__ import annotations

from typing import Any


def all_of(kind: type[Any], limit: int | None = None) -> list[Any]:
    """Return the nodes of a class, the newest first."""
    from aiida.orm import QueryBuilder

    query = QueryBuilder().append(kind, project='*', tag='node')
    query.order_by({'node': {'id': 'desc'}})
    if limit is not None:
        query.limit(limit)
    found: list[Any] = query.all(flat=True)
    return found


def maker_of(node: Any) -> str:
    """Return which process made a node, in a few words."""
    creator = node.creator
    return f'{creator.process_label}<{creator.pk}>' if creator else 'imported'


def headline(kind: str, node: Any) -> str:
    """Return which node this is, and where it came from."""
    maker = f'made by {maker_of(node)}' if node.creator else 'imported'
    return f'{kind} {node.pk}, uuid {node.uuid}, {maker}'
