"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block succeeds.

    When the block raises, the temporary file is removed and what stood at `path` is left as it
    was.

    Raises
    ------
    InputError
        If `path` is there but no regular file: a rename would replace a device or a folder.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f'{path} is not a regular file; choose another name for the output')
    if not path.parent.is_dir():  # told here, not with the temporary name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    # A name of this process: two that write the same file do not disturb each other.
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # A full disk is told without a name.
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
