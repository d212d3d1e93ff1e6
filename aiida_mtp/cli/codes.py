"""Executables as codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, Computer

THREADS = 'export OMP_NUM_THREADS=1'  # of libraries; ours are counted by the job's cores


def codes_on(computer: Computer) -> list[Any]:
    """Return the codes of a computer, the newest first."""
    from aiida.orm import Computer, InstalledCode, QueryBuilder

    query = QueryBuilder().append(Computer, filters={'uuid': computer.uuid}, tag='computer')
    query.append(InstalledCode, with_computer='computer', project='*', tag='code')
    query.order_by({'code': {'id': 'desc'}})
    found: list[Any] = query.all(flat=True)
    return found


def known_code(computer: Computer, path: str, plugin: str, prepend: str = '') -> Any | None:
    """Return the code of an executable, if there is one that does `prepend` before."""
    for code in codes_on(computer):
        is_same = (str(code.filepath_executable), code.default_calc_job_plugin) == (path, plugin)
        if is_same and prepend in code.prepend_text:
            return code
    return None


def ensure_code(
    computer: Computer, name: str, path: str, plugin: str, prepend: str = ''
) -> AbstractCode:
    """Return the code of an executable, made at the first call; a name that is taken gets a number.

    Parameters
    ----------
    plugin
        Entry point of the calculation it is for.
    prepend
        What a job's script does before it.
    """
    from aiida.orm import InstalledCode

    code: AbstractCode | None = known_code(computer, path, plugin, prepend)
    if code is not None:
        return code
    taken = {code.label for code in codes_on(computer)}
    number, label = 1, name
    while label in taken:
        number += 1
        label = f'{name}-{number}'
    lines = [prepend, THREADS if plugin.startswith('mtp.') else '']
    code = InstalledCode(
        label=label,
        computer=computer,
        filepath_executable=path,
        default_calc_job_plugin=plugin,
        prepend_text='\n'.join(filter(None, lines)),
    )
    return code.store()
