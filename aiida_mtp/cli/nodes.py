"""Finding nodes of one kind, for the commands on potentials and sets."""

from __future__ import annotations

from typing import Any

from aiida_mtp.core.errors import InputError


def all_of(kind: type[Any]) -> list[Any]:
    """Return all nodes of a class, the newest first."""
    from aiida.orm import QueryBuilder

    query = QueryBuilder().append(kind, project='*', tag='node')
    query.order_by({'node': {'id': 'desc'}})
    found: list[Any] = query.all(flat=True)
    return found


def one_of(kind: type[Any], identifier: str) -> Any:
    """Return the node of a class with this pk or uuid.

    Raises
    ------
    InputError
        If there is none.
    """
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import load_node

    try:
        node = load_node(identifier)
    except (NotExistent, MultipleObjectsError, ValueError):
        raise InputError(f'no node {identifier}') from None
    if not isinstance(node, kind):
        raise InputError(f'node {identifier} is a {type(node).__name__}, not a {kind.__name__}')
    return node


def maker_of(node: Any) -> str:
    """Return which process made a node, in a few words."""
    creator = node.creator
    return f'{creator.process_label}<{creator.pk}>' if creator else 'imported'
