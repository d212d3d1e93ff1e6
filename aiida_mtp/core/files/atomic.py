"""Files that are either whole or not there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place if all goes well.

    Whatever is raised in the block, a full disk included, leaves an earlier file as it was and
    nothing half-written behind.
    """
    target = Path(path)
    # the suffix stays last: writers choose the format by it
    temporary = target.with_name(f'.{target.stem}.{os.getpid()}.partial{target.suffix}')
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
