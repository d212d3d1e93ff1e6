"""Finding screens, and how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida.orm import WorkChainNode

ENTRY_POINT = 'aiida.workflows:mtp.screen'


def all_screens() -> list[Any]:
    """Return all screens of the profile, the newest first."""
    from aiida.orm import QueryBuilder, WorkChainNode

    query = QueryBuilder().append(
        WorkChainNode, filters={'process_type': ENTRY_POINT}, project='*', tag='screen'
    )
    query.order_by({'screen': {'ctime': 'desc'}})
    found: list[Any] = query.all(flat=True)
    return found


def find_screen(identifier: str | None = None, *, finished: bool = False) -> Any:
    """Return a screen by pk or uuid, by default the newest.

    Parameters
    ----------
    finished
        Of several, take the newest with a hull.

    Raises
    ------
    InputError
        If there is none.
    """
    if identifier is not None:
        from aiida.common.exceptions import MultipleObjectsError, NotExistent
        from aiida.orm import load_node

        try:
            node = load_node(identifier)
        except (NotExistent, MultipleObjectsError, ValueError):
            raise InputError(
                f'there is no screen {identifier}; see aiida-mtp screen list'
            ) from None
        if node.process_type != ENTRY_POINT:
            raise InputError(f'node {identifier} is no screen but a {type(node).__name__}')
        return node
    screens = [one for one in all_screens() if not finished or one.is_finished_ok]
    if not screens:
        raise InputError('no screen in this profile yet; start one: aiida-mtp screen launch --help')
    return screens[0]


def running_screen(elements: Sequence[str]) -> WorkChainNode | None:
    """Return a screen of these elements that has not ended."""
    for screen in all_screens():
        if not screen.is_terminated and screen.inputs.elements.get_list() == list(elements):
            found: WorkChainNode = screen
            return found
    return None


def why_failed(process: Any) -> str:
    """Return the reason of the deepest process that failed, in one line."""
    while True:
        failed = [p for p in process.called if p.is_terminated and not p.is_finished_ok]
        if not failed:
            break
        process = failed[-1]
    state = process.process_state.value if process.process_state else 'unknown'
    reason = process.exit_message or process.exception or process.process_status or state
    return f'{process.process_label}<{process.pk}>: {str(reason).strip().splitlines()[-1]}'
