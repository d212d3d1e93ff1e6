"""Structures in Parquet: the format that keeps everything, exactly.

One row per structure. ``types`` is a list of integers into the species of the file's metadata;
``positions`` and ``forces`` are lists of 3 n_atoms numbers (x y z of the first atom, of the second
…), ``cell`` holds the three lattice vectors one after the other. Columns of a batch stand under
their own names. Floats are split into byte streams and compressed with zstd; pages carry
checksums. The same structures give the same bytes, however they were cut for writing.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aiida_mtp.core._arrays import chunks, strings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.names import FIELDS
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from aiida_mtp.core._typing import Column

SCHEMA_VERSION = 1
ROW_GROUP = 10_000  # structures; some 10 MB of positions and forces

_VERSION_KEY = b'aiida_mtp.schema'
_SPECIES_KEY = b'aiida_mtp.species'
_TEXT, _NUMBERS = pa.string(), pa.list_(pa.float64())
_TYPES = (
    *(_TEXT, _TEXT, _TEXT, pa.list_(pa.int16()), _NUMBERS, _NUMBERS),
    *(pa.float64(), _NUMBERS, _NUMBERS),
)
_FIELDS = tuple(
    pa.field(name, kind, nullable=False) for name, kind in zip(FIELDS, _TYPES, strict=True)
)


def read_parquet(path: str | os.PathLike[str]) -> StructureBatch:
    """Read a whole file.

    Raises
    ------
    InputError
        If it is no file of structures, is damaged, or was written by a later version.
    """
    with _opened(path) as file:
        species = _checked_species(file.schema_arrow)
        return _from_table(file.read(), species)


def iter_parquet(path: str | os.PathLike[str], chunk: int = ROW_GROUP) -> Iterator[StructureBatch]:
    """Read a file in batches of at most `chunk` structures, with one row group in memory.

    Raises
    ------
    InputError
        As for reading it whole.
    """
    with _opened(path) as file:
        species = _checked_species(file.schema_arrow)
        for group in range(file.num_row_groups):  # iter_batches would read ahead
            table = file.read_row_group(group)
            for rows in chunks(len(table), chunk):
                yield _from_table(table.slice(rows.start, rows.stop - rows.start), species)


def count_structures(path: str | os.PathLike[str]) -> int:
    """Return the number of structures of a file without reading them."""
    with _opened(path) as file:
        _checked_species(file.schema_arrow)
        return int(file.metadata.num_rows)


def write_parquet(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write a batch, whole or not at all."""
    with parquet_writer(path) as writer:
        writer.write(batch)


@contextmanager
def parquet_writer(
    path: str | os.PathLike[str], species: Sequence[str] | None = None
) -> Iterator[ParquetWriter]:
    """Open a file to be written part by part; it appears, whole, when the block ends well.

    Parameters
    ----------
    species
        By default those of the first part; of a file without parts, none.
    """
    with atomic_path(path) as temporary:
        writer = ParquetWriter(temporary, Path(path), species)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


class ParquetWriter:
    """Writes structures part by part in bounded memory; see `parquet_writer`."""

    def __init__(self, temporary: Path, path: Path, species: Sequence[str] | None) -> None:
        self._temporary = temporary
        self._path = path  # for messages
        self._species = species
        self._template: StructureBatch | None = None  # no structures: species and columns
        self._pending: list[StructureBatch] = []
        self._n_pending = 0
        self._file: Any = None

    def write(self, batch: StructureBatch) -> None:
        """Append structures; the first part tells the columns of the file.

        Raises
        ------
        InputError
            If they have species or columns that the file has not.
        """
        if self._template is None:
            self._template = self._begin(batch)
        self._pending.append(self._fitted(batch, self._template))
        self._n_pending += len(batch)
        if self._n_pending >= ROW_GROUP:
            self._flush(keep_rest=True)

    def finish(self) -> None:
        """Write what is pending."""
        if self._template is None:
            self.write(StructureBatch.empty(self._species or ()))
        self._flush(keep_rest=False)

    def close(self) -> None:
        """Close the temporary file."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _begin(self, batch: StructureBatch) -> StructureBatch:
        """Open the file with the columns of this batch."""
        taken = sorted(set(FIELDS) & set(batch.columns))
        if taken:
            raise InputError(f'{self._path}: a column cannot be named {taken[0]!r}; rename it')
        template = batch.take([])
        if self._species is not None:
            template = template.with_species(self._species)
        schema = _schema(template)
        floats = [f'{name}.list.element' for name in ('positions', 'cell', 'forces', 'stress')]
        floats += [field.name for field in schema if pa.types.is_floating(field.type)]
        self._file = pq.ParquetWriter(
            self._temporary,
            schema,
            compression='zstd',
            use_dictionary=[f.name for f in schema if f.type == pa.string()],
            use_byte_stream_split=floats,
            write_statistics=False,
            write_page_checksum=True,
        )
        return template

    def _fitted(self, batch: StructureBatch, template: StructureBatch) -> StructureBatch:
        """Return the batch with the species and columns of the file."""
        surplus = sorted(set(batch.columns) - set(template.columns))
        if surplus:
            raise InputError(f'{self._path}: column {surplus[0]!r} is not in its first part')
        absent = sorted(
            name
            for name, column in template.columns.items()
            if name not in batch.columns and column.dtype.kind not in 'fO'  # which have a blank
        )
        if absent:
            raise InputError(f'{self._path}: column {absent[0]!r} is missing in a later part')
        columns = {
            name: batch.column(name, '' if c.dtype == object else np.nan).astype(c.dtype)
            for name, c in template.columns.items()
        }
        return batch.with_species(template.species).replaced(columns=columns)

    def _flush(self, *, keep_rest: bool) -> None:
        """Write row groups of ROW_GROUP structures, and the rest unless it is to be kept."""
        joined = StructureBatch.concatenate(self._pending)
        whole = len(joined) - len(joined) % ROW_GROUP if keep_rest else len(joined)
        for rows in chunks(whole, ROW_GROUP):
            self._file.write_table(_to_table(joined.take(rows)), row_group_size=ROW_GROUP)
        self._pending, self._n_pending = [joined.take(slice(whole, None))], len(joined) - whole


def _schema(batch: StructureBatch) -> pa.Schema:
    """Return the Parquet schema that holds this batch."""
    columns = [
        pa.field(name, pa.string() if c.dtype == object else pa.from_numpy_dtype(c.dtype), False)  # noqa: FBT003
        for name, c in batch.columns.items()
    ]
    species = json.dumps(list(batch.species), ensure_ascii=False).encode()
    metadata = {_VERSION_KEY: str(SCHEMA_VERSION).encode(), _SPECIES_KEY: species}
    return pa.schema([*_FIELDS, *columns], metadata=metadata)


def _to_table(batch: StructureBatch) -> pa.Table:
    """Return the rows of a batch as an Arrow table."""
    n, edges = len(batch), batch.first_atom

    def lists(values: Any, edges: Any) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(edges, pa.int32()), pa.array(values.reshape(-1)))

    arrays = [
        pa.array(batch.ids, pa.string()),
        pa.array(batch.origins, pa.string()),
        pa.array(batch.status, pa.string()),
        lists(batch.types, edges),
        lists(batch.positions, 3 * edges),
        lists(batch.cells, 9 * np.arange(n + 1)),
        pa.array(batch.energies),
        lists(batch.forces, 3 * edges),
        lists(batch.stresses, 6 * np.arange(n + 1)),
        *(pa.array(c, pa.string() if c.dtype == object else None) for c in batch.columns.values()),
    ]
    return pa.Table.from_arrays(arrays, schema=_schema(batch))


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a Parquet file; whatever is wrong with its content is an InputError naming it."""
    try:
        # Opened here: a file that is not there is an OSError with a number, as everywhere.
        with Path(path).open('rb') as stream:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    # What pyarrow raises on damaged files; its own exceptions are ValueErrors and others.
    except (pa.ArrowException, ValueError, KeyError, OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).split('\n', 1)[0]
        raise InputError(f'{path}: not a Parquet file, or a damaged one ({reason})') from None


def _checked_species(schema: pa.Schema) -> tuple[str, ...]:
    """Return the species of a file that is one of ours and of a version we know."""
    metadata = schema.metadata or {}
    version = metadata.get(_VERSION_KEY, b'')
    if not version.isdigit():
        raise InputError('a Parquet file, but not one of structures written by aiida-mtp')
    if int(version) > SCHEMA_VERSION:
        raise InputError(
            f'written by a later version of aiida-mtp (schema {int(version)}, known here: '
            f'{SCHEMA_VERSION}); upgrade aiida-mtp to read it'
        )
    for field in _FIELDS:
        index = schema.get_field_index(field.name)
        if index < 0 or schema.field(index).type != field.type:
            raise InputError(f'column {field.name!r} is missing or not of type {field.type}')
    try:
        species = json.loads(metadata[_SPECIES_KEY])
    except (KeyError, ValueError):
        raise InputError('the list of species in its metadata is missing or damaged') from None
    return tuple(str(name) for name in species)


def _from_table(table: pa.Table, species: tuple[str, ...]) -> StructureBatch:
    """Return the rows of an Arrow table as a batch."""
    n = len(table)
    types, lengths = _flat(table['types'])
    first_atom = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    positions, n_positions = _flat(table['positions'])
    forces, n_forces = _flat(table['forces'])
    cells, n_cells = _flat(table['cell'])
    stresses, n_stresses = _flat(table['stress'])
    widths = ((n_positions, 3 * lengths), (n_forces, 3 * lengths), (n_cells, 9), (n_stresses, 6))
    if any((found != wanted).any() for found, wanted in widths):
        raise InputError('a row has lists that do not fit its number of atoms')
    if len(types) and not 0 <= types.min() <= types.max() < len(species):
        raise InputError(f'a type is not in 0 … {len(species) - 1}, the list of species')
    names = [name for name in table.column_names if name not in FIELDS]
    return StructureBatch(
        species=species,
        types=types,
        positions=positions.reshape(-1, 3),
        cells=cells.reshape(n, 3, 3),
        first_atom=first_atom,
        ids=_column(table['id']),
        origins=_column(table['origin']),
        status=_column(table['status']),
        energies=_column(table['energy']),
        forces=forces.reshape(-1, 3),
        stresses=stresses.reshape(n, 6),
        columns={name: _column(table[name]) for name in names},
    )


def _flat(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """Return the values of a column of lists, and the length of each list."""
    array = _one_array(column)
    values, lengths = array.flatten(), array.value_lengths()
    if array.null_count or values.null_count:
        raise InputError('a row has a value missing')
    # Copied: an array of Arrow's is read-only and keeps the whole file in memory.
    return values.to_numpy(zero_copy_only=False).copy(), lengths.to_numpy(zero_copy_only=False)


def _column(column: pa.ChunkedArray) -> Column:
    """Return a column of numbers or strings."""
    array = _one_array(column)
    if array.null_count:
        raise InputError('a row has a value missing')
    if pa.types.is_string(array.type):
        return strings(array.to_pylist())
    values: Column = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in 'fiub':
        raise InputError(f'a column of type {array.type} cannot be understood')
    return values.copy()


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
