"""Files of structures read and written piece by piece: any number of them fits into memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiida_mtp.core._arrays import chunks
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 5000  # structures held at a time


def opened(path: str, species: tuple[str, ...]) -> tuple[int, Iterator[StructureBatch]]:
    """Return the number of structures in a file and the structures, piece by piece.

    Parameters
    ----------
    species
        Names of the types of a ``.cfg`` file.
    """
    if path.lower().endswith('.parquet'):
        from aiida_mtp.core.files.parquet import count_structures, iter_parquet

        return count_structures(path), iter_parquet(path, CHUNK)
    batch = read_structures(path, species if path.lower().endswith('.cfg') else None)
    return len(batch), (batch.take(rows) for rows in chunks(len(batch), CHUNK))


@contextmanager
def writer(
    path: str | None, species: tuple[str, ...] | None = None
) -> Iterator[Callable[[StructureBatch], None]]:
    """Yield a function that appends structures to a file, if there is one, in bounded memory.

    Other formats than Parquet are written as a whole in the end.
    """
    if path is None:
        yield lambda _: None
    elif path.lower().endswith('.parquet'):
        from aiida_mtp.core.files.parquet import parquet_writer

        with parquet_writer(path, species) as parquet:
            yield parquet.write
    else:
        parts = [StructureBatch.empty(species or ())]
        yield parts.append
        write_structures(path, StructureBatch.concatenate(parts))
