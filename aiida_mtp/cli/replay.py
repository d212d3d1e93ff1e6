"""A screen from its inputs once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.archive import quiet
from aiida_mtp.cli.parameters import SCREEN_ENTRY_POINT
from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, WorkChainNode
    from rich.console import Console

OPTIONS = (  # of a job, that say where and with what it runs
    *('resources', 'max_wallclock_seconds', 'queue_name', 'account', 'qos', 'max_memory_kb'),
    *('custom_scheduler_commands', 'prepend_text', 'append_text', 'environment_variables'),
)


def screen_of(source: str) -> Any:
    """Return the screen of a pk or uuid, or that of an archive, which is imported.

    Raises
    ------
    InputError
        If there is no such screen, or not one alone.
    """
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import load_node

    path = Path(source)
    if path.is_file():
        return load_node(uuid=_imported(path))
    if path.suffix or '/' in source:
        raise InputError(f'{source}: there is no such file')
    try:
        node: Any = load_node(source)
    except (NotExistent, MultipleObjectsError, ValueError):
        raise InputError(f'{source}: no screen, and no file; see aiida-mtp screen list') from None
    if getattr(node, 'process_type', '') != SCREEN_ENTRY_POINT:
        raise InputError(f'{source}: {type(node).__name__} is no screen; see aiida-mtp screen list')
    return node


def _imported(path: Path) -> str:
    """Import an archive, and return the uuid of its screen."""
    from aiida.common.exceptions import CorruptStorage, IncompatibleStorageSchema
    from aiida.orm import WorkChainNode
    from aiida.tools.archive import import_archive
    from aiida.tools.archive.exceptions import ExportImportException
    from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip

    try:
        with ArchiveFormatSqlZip().open(path, 'r') as archive:
            query = archive.querybuilder().append(
                WorkChainNode, filters={'process_type': SCREEN_ENTRY_POINT}, project='uuid'
            )
            found = query.all(flat=True)
    except (CorruptStorage, IncompatibleStorageSchema, ExportImportException) as error:
        raise InputError(f'{path}: no archive of AiiDA ({error})') from None
    if len(found) != 1:
        listed = ', '.join(found) or 'none'
        raise InputError(
            f'{path}: {len(found)} screens ({listed}), not one; say verdi archive import {path} '
            'and name the screen'
        )
    with quiet():
        import_archive(path)
    return str(found[0])


def submit_again(
    screen: WorkChainNode,
    *,
    engine: AbstractCode | None,
    dft: AbstractCode | None,
    cache: bool,
) -> Any:
    """Submit the inputs of a screen once more, perhaps with other codes.

    Parameters
    ----------
    cache
        Whether it may take labels and jobs that are there already.

    Raises
    ------
    InputError
        If a code cannot run here, or no daemon would run the screen.
    """
    from aiida.engine import submit
    from aiida.engine.daemon.client import get_daemon_client
    from aiida.orm import Bool

    builder: Any = screen.get_builder_restart()
    builder.engine.code = _usable(engine or builder.engine.code, 'engine')
    builder.dft.code = _usable(dft or builder.dft.code, 'dft')
    jobs = [one for one in called_by(screen) if one.is_job]
    for part, is_own in ((builder.engine, engine is None), (builder.dft, dft is None)):
        found = [one.pk for one in jobs if one.is_dft == (part is builder.dft)]
        if found:
            part.options = _options(found[0], same_computer=is_own)
    builder.metadata.label = f'{screen.label or screen.pk}, again'
    builder.metadata.description = f'repeats screen {screen.uuid}'
    if not cache:
        builder.dft.reuse = Bool(value=False)
        builder.metadata.disable_cache = True
    if not get_daemon_client().is_daemon_running:
        raise InputError('the AiiDA daemon is stopped: start it with verdi daemon start')
    return submit(builder)


def wait_for(screen: WorkChainNode, console: Console | None) -> None:
    """Wait until a screen ends, and show what it does where there is somebody to see it.

    Raises
    ------
    InputError
        If it failed, or cannot go on.
    """
    from io import StringIO

    from rich.console import Console

    from aiida_mtp.cli.follow import follow
    from aiida_mtp.cli.screens import why_failed

    try:
        follow(screen, console or Console(file=StringIO()))
    except KeyboardInterrupt:
        raise InputError(
            f'screen {screen.pk} goes on without you; see aiida-mtp screen status {screen.pk}'
        ) from None
    if not screen.is_finished_ok:
        raise InputError(f'screen {screen.pk} failed: {why_failed(screen)}')


def _usable(code: AbstractCode, role: str) -> AbstractCode:
    computer = code.computer
    if computer is not None and not computer.is_configured:
        raise InputError(
            f'code {code.full_label} cannot run here, its computer is not configured; give a code '
            f'of this profile with --{role} (see verdi code list)'
        )
    return code


def _options(job: int, *, same_computer: bool) -> dict[str, Any]:
    """Return the options a job had; elsewhere only how much it may use."""
    from aiida.orm import load_node

    node: Any = load_node(job)
    given = {name: node.get_option(name) for name in OPTIONS}
    kept = OPTIONS if same_computer else OPTIONS[:2]
    return {name: given[name] for name in kept if given[name]}
