"""Structures in Parquet: one row per structure.

Equal batches give equal bytes. The version of the schema and the species are in the metadata of
the file; every further column of the batch is a column of the file.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core._arrays import chunks, strings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyarrow import Array, RecordBatch, Schema, Table

VERSION = 1
ROWS_PER_GROUP = 5000
_KEY = b'aiida_mtp'
_OWN = ('id', 'origin', 'status', 'types', 'positions', 'cell', 'energy', 'forces', 'stress')


def write_parquet(path: str | Path, batch: StructureBatch) -> None:
    """Write a batch as one Parquet file."""
    with parquet_writer(path) as write:
        write(batch)


@contextmanager
def parquet_writer(path: str | Path) -> Iterator[Callable[[StructureBatch], None]]:
    """Yield a function that appends batches to one file, which appears when all are written.

    All batches must have the species and the columns of the first.
    """
    from pyarrow import parquet

    writers: list[Any] = []
    with atomic_path(path) as temporary:

        def write(batch: StructureBatch) -> None:
            pieces = list(chunks(len(batch), ROWS_PER_GROUP)) or [slice(0, 0)]
            for piece in pieces:
                table = _table(batch.take(piece))
                if not writers:
                    writers.append(_open_writer(parquet, temporary, table.schema))
                writers[0].write_table(table)

        try:
            yield write
            if not writers:
                write(StructureBatch.empty())
        finally:
            for writer in writers:
                writer.close()


def read_parquet(path: str | Path) -> StructureBatch:
    """Read a whole file.

    Raises
    ------
    InputError
        If the file is not whole, or not one of ours.
    """
    return StructureBatch.concatenate(list(iterate_parquet(path)))


def iterate_parquet(path: str | Path, rows: int = ROWS_PER_GROUP) -> Iterator[StructureBatch]:
    """Read a file piece by piece; an empty file gives one empty batch."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            species = _species(path, file.schema_arrow)
            if not file.metadata.num_rows:
                yield _batch(file.read(), species)
            for piece in file.iter_batches(rows):
                yield _batch(piece, species)
    except (pa.ArrowException, KeyError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f'{path}: no such file') from None
        reason = str(error).splitlines()[0]
        raise InputError(f'{path}: not a readable set of structures ({reason})') from None


def _species(path: str | Path, schema: Schema) -> tuple[str, ...]:
    if _KEY not in (schema.metadata or {}):
        raise InputError(f'{path}: a Parquet file, but not a set of structures of aiida-mtp')
    header = json.loads(schema.metadata[_KEY])
    if header['version'] > VERSION:
        raise InputError(
            f'{path}: written by a newer version (schema {header["version"]}, known is {VERSION}); '
            'upgrade aiida-mtp'
        )
    return tuple(header['species'])


def _open_writer(parquet: Any, path: Path, schema: Schema) -> Any:
    import pyarrow as pa

    split = [
        f'{field.name}.list.element' if pa.types.is_list(field.type) else field.name
        for field in schema
        if _holds_doubles(pa, field.type)
    ]
    return parquet.ParquetWriter(
        path,
        schema,
        compression='zstd',
        use_dictionary=False,
        write_statistics=False,
        use_byte_stream_split=split,
    )


def _holds_doubles(pyarrow: Any, kind: Any) -> bool:
    inner = kind.value_type if pyarrow.types.is_list(kind) else kind
    return bool(pyarrow.types.is_float64(inner))


def _table(batch: StructureBatch) -> Table:
    import pyarrow as pa

    of_atoms = batch.first_atom.astype(np.int32)
    columns: dict[str, Array] = {
        'id': pa.array(batch.ids, pa.string()),
        'origin': pa.array(batch.origins, pa.string()),
        'status': pa.array(batch.status, pa.string()),
        'types': _lists(of_atoms, batch.types),
        'positions': _lists(of_atoms * 3, batch.positions),
        'cell': _lists(np.arange(len(batch) + 1) * 9, batch.cells),
        'energy': pa.array(batch.energies),
        'forces': _lists(of_atoms * 3, batch.forces),
        'stress': _lists(np.arange(len(batch) + 1) * 6, batch.stresses),
    }
    for name in sorted(batch.columns):
        if name in _OWN:
            raise InputError(f'column {name!r} has the name of a column every set has')
        columns[name] = pa.array(batch.columns[name])
    table = pa.table(columns)
    header = {'version': VERSION, 'species': list(batch.species)}
    return table.replace_schema_metadata({_KEY: json.dumps(header).encode()})


def _lists(offsets: Any, values: Any) -> Array:
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def _batch(table: Table | RecordBatch, species: tuple[str, ...]) -> StructureBatch:
    def flat(name: str, dtype: Any) -> Any:
        column = table.column(name)
        column = column.combine_chunks() if hasattr(column, 'combine_chunks') else column
        return np.array(column.flatten().to_numpy(zero_copy_only=False), dtype=dtype)

    def values(name: str) -> Any:
        array = table.column(name).to_numpy(zero_copy_only=False) if table.num_rows else None
        if array is None:
            return np.empty(0, table.schema.field(name).type.to_pandas_dtype())
        return strings(list(array)) if array.dtype.kind == 'O' else np.array(array)

    n = table.num_rows
    counts = np.array([len(row) for row in table.column('types')], dtype=np.int64)
    return StructureBatch(
        species=species,
        types=flat('types', np.int16),
        positions=flat('positions', np.float64).reshape(-1, 3),
        cells=flat('cell', np.float64).reshape(n, 3, 3),
        first_atom=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ids=values('id'),
        origins=values('origin'),
        status=values('status'),
        energies=values('energy'),
        forces=flat('forces', np.float64).reshape(-1, 3),
        stresses=flat('stress', np.float64).reshape(n, 6),
        columns={name: values(name) for name in table.schema.names if name not in _OWN},
    )
