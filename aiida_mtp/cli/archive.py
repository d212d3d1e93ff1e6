"""A screen in one file, for another database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.cli.report import that_ran
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiida.orm import WorkChainNode


def write_archive(screen: WorkChainNode, path: Path) -> None:
    """Write an archive of AiiDA, whole or not at all.

    It holds the screen, all it called, what went in and came out, and the jobs that those from the
    cache are copies of.

    Raises
    ------
    InputError
        If the screen has not ended.
    """
    from aiida.orm import load_node
    from aiida.tools.archive import create_archive

    if not screen.is_terminated:
        raise InputError(
            f'screen {screen.pk} is running; archive it when it has ended, or kill it before'
        )
    jobs = {that_ran(load_node(one.pk)) for one in called_by(screen) if one.is_job}
    with atomic_path(path) as temporary, quiet():
        create_archive([screen, *jobs], temporary)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence AiiDA, which reports each step of an export or an import."""
    from aiida.common.log import AIIDA_LOGGER

    logger = AIIDA_LOGGER.getChild('export')  # of both
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
