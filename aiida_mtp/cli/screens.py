"""Finding screens, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiida.common.links import LinkType

from aiida_mtp.cli.parameters import SCREEN_ENTRY_POINT
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import WorkChainNode


def all_screens() -> list[Any]:
    """Return all screens of the profile, the newest first."""
    from aiida.orm import QueryBuilder, WorkChainNode

    query = QueryBuilder().append(
        WorkChainNode, filters={'process_type': SCREEN_ENTRY_POINT}, project='*', tag='screen'
    )
    query.order_by({'screen': {'ctime': 'desc'}})
    found: list[Any] = query.all(flat=True)
    return found


def state_of(screen: Any) -> str:
    """Return in a word or two how a screen stands."""
    if screen.is_finished:
        return 'hull found' if screen.is_finished_ok else f'failed [{screen.exit_status}]'
    state: str = screen.process_state.value if screen.process_state else 'unknown'
    return f'{state}, paused' if screen.paused else state


def find_screen(*, finished: bool = False, running: bool = False) -> Any:
    """Return the newest screen.

    Parameters
    ----------
    finished
        The newest with a hull.
    running
        The newest that has not ended.

    Raises
    ------
    InputError
        If there is none.
    """
    for screen in all_screens():
        if (screen.is_finished_ok or not finished) and not (running and screen.is_terminated):
            return screen
    if running:
        raise InputError('no screen runs in this profile; see aiida-mtp screen list')
    word = 'no screen with a hull' if finished else 'no screen'
    raise InputError(f'{word} in this profile yet; start one: aiida-mtp screen launch --help')


def screen_with_inputs(builder: ProcessBuilder) -> WorkChainNode | None:
    """Return the newest screen of the same inputs that runs or has found its hull."""
    wanted = _hashes(builder)
    for screen in all_screens():
        if screen.is_terminated and not screen.is_finished_ok:
            continue
        links = screen.base.links.get_incoming(link_type=LinkType.INPUT_WORK).all()
        given = {link.link_label: link.node.base.caching.get_hash() for link in links}
        if wanted.items() <= given.items():  # what is more are defaults
            found: WorkChainNode = screen
            return found
    return None


def _hashes(inputs: Any, prefix: str = '') -> dict[str, str]:
    """Return the hash of each node among the inputs, by the label of its link."""
    from aiida.common.hashing import make_hash
    from aiida.orm import Node

    hashes = {}
    for name, value in inputs.items():
        if isinstance(value, Node):
            hashes[prefix + name] = make_hash(value.base.caching.get_objects_to_hash())
        elif isinstance(value, Mapping) and name != 'metadata':
            hashes.update(_hashes(value, f'{prefix}{name}__'))
    return hashes


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
