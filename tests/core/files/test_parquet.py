"""Parquet keeps structures exactly, and says what is wrong with a file."""

import resource
import signal
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reference.batches import assert_same, random_batch

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import parquet as module
from aiida_mtp.core.files.parquet import (
    count_structures,
    iter_parquet,
    parquet_writer,
    read_parquet,
    write_parquet,
)
from aiida_mtp.core.structures import StructureBatch


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'structures.parquet'


@pytest.fixture
def small_groups(monkeypatch):
    """Row groups of four structures."""
    monkeypatch.setattr(module, 'ROW_GROUP', 4)


@pytest.mark.parametrize('n', [1, 4, 11])
@pytest.mark.usefixtures('small_groups')
def test_exact_round_trip(path, n):
    batch = random_batch(n)
    write_parquet(path, batch)
    assert_same(read_parquet(path), batch)
    assert count_structures(path) == n


def test_odd_numbers_keep_their_bits(path):
    strange = np.array([0.1 + 0.2, -0.0, np.inf, 5e-324, -np.nan, np.nextafter(1, 2)])
    batch = random_batch(6).replaced(energies=strange)
    write_parquet(path, batch)
    assert_same(read_parquet(path), batch)


def test_empty_batch(path):
    batch = random_batch(3).take([])
    write_parquet(path, batch)
    assert_same(read_parquet(path), batch)
    write_parquet(path, StructureBatch.empty())
    assert_same(read_parquet(path), StructureBatch.empty())
    assert list(iter_parquet(path)) == []


def test_arrays_can_be_changed_and_outlive_the_file(path):
    write_parquet(path, random_batch())
    batch = read_parquet(path)
    path.unlink()
    batch.positions[0] += 1.0
    batch.energies[0] = 2.0


@pytest.mark.usefixtures('small_groups')
def test_bytes_do_not_depend_on_the_parts(path, tmp_path):
    batch = random_batch(23)
    write_parquet(path, batch)
    for size in (1, 3, 9, 23):
        other = tmp_path / 'other.parquet'
        with parquet_writer(other) as writer:
            for start in range(0, len(batch), size):
                writer.write(batch.take(slice(start, start + size)))
        assert other.read_bytes() == path.read_bytes()


@pytest.mark.usefixtures('small_groups')
@pytest.mark.parametrize('chunk', [1, 3, 4, 100])
def test_reading_in_parts(path, chunk):
    batch = random_batch(10)
    write_parquet(path, batch)
    parts = list(iter_parquet(path, chunk))
    assert max(len(part) for part in parts) == min(chunk, module.ROW_GROUP)
    assert_same(StructureBatch.concatenate(parts), batch)


def test_writing_in_parts_takes_little_memory(path, monkeypatch):
    monkeypatch.setattr(module, 'ROW_GROUP', 200)
    part = random_batch(200)
    tracemalloc.start()
    peaks = []
    for n in (5, 40):
        tracemalloc.reset_peak()
        with parquet_writer(path) as writer:
            for _ in range(n):
                writer.write(part)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_parts_are_counted_in_the_species_of_the_file(path):
    parts = [random_batch(3, species=('Al', 'Ni')), random_batch(3, species=('Ni', 'Al', 'Cu'))]
    parts[0] = parts[0].replaced(columns={k: parts[0].columns[k] for k in ('grade', 'message')})
    parts[1] = parts[1].replaced(columns={})
    write_parts(path, parts, species=('Cu', 'Ni', 'Al'))
    found = read_parquet(path)
    assert found.species == ('Cu', 'Ni', 'Al')
    assert found.formulas == parts[0].formulas + parts[1].formulas
    assert found.columns['message'][-1] == ''
    assert np.isnan(found.columns['grade'][-1])


def write_parts(path, parts, species=None):
    with parquet_writer(path, species) as writer:
        for part in parts:
            writer.write(part)


def test_parts_that_do_not_fit(path):
    batch = random_batch()
    with pytest.raises(InputError, match="column 'extra' is not in its first part"):
        write_parts(path, [batch, batch.with_columns(extra=np.zeros(7))])
    with pytest.raises(InputError, match="column 'is_new' is missing in a later part"):
        write_parts(path, [batch, batch.replaced(columns={})])
    with pytest.raises(InputError, match='species Cu not among Al, Ni'):
        write_parts(path, [batch], species=('Al', 'Ni'))
    with pytest.raises(InputError, match="cannot be named 'energy'"):
        write_parquet(path, batch.with_columns(energy=np.zeros(7)))
    assert not list(path.parent.iterdir())


def test_every_damage_is_found_and_named(path):
    """Cut anywhere, or with any single byte changed, a file is refused or reads the same."""
    batch = random_batch(4)
    write_parquet(path, batch)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    cuts = [data[:n] for n in (0, 3, 8, len(data) // 2, len(data) - 1)]
    flips = []
    for position in rng.integers(0, len(data), 300):
        changed = bytearray(data)
        changed[position] ^= 1 << int(rng.integers(8))
        flips.append(bytes(changed))
    messages = [refusal(path, damaged, batch) for damaged in cuts + flips]
    assert all(messages[: len(cuts)])
    refused = [message for message in messages if message]
    assert len(refused) > 200
    assert all(str(path) in message and '\n' not in message for message in refused)


def refusal(path, data, batch):
    """Read bytes as a file; the message if it is refused, else it must hold the batch."""
    path.write_bytes(data)
    try:
        found = read_parquet(path)
    except InputError as error:
        return str(error)
    np.testing.assert_array_equal(found.positions, batch.positions)
    return ''


def test_foreign_file(path):
    pq.write_table(pa.table({'a': [1, 2]}), path)
    with pytest.raises(InputError, match='not one of structures written by aiida-mtp'):
        read_parquet(path)


def test_file_of_a_later_version(path, monkeypatch):
    monkeypatch.setattr(module, 'SCHEMA_VERSION', 7)
    write_parquet(path, random_batch())
    monkeypatch.undo()
    with pytest.raises(InputError, match=r'structures.parquet: .*schema 7.*upgrade aiida-mtp'):
        read_parquet(path)


def test_lists_that_do_not_fit(path):
    write_parquet(path, random_batch(2))
    table = pq.read_table(path)
    index = table.schema.get_field_index('positions')
    pq.write_table(table.set_column(index, table.field(index), [[[1.0], [2.0]]]), path)
    with pytest.raises(InputError, match='do not fit its number of atoms'):
        read_parquet(path)


def test_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / 'no.parquet')


def test_full_disk_leaves_nothing(path):
    """A limit on the size of files stands for the disk: the old file stays, the new one is gone."""
    write_parquet(path, random_batch(2))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match='File too large'):
            write_parquet(path, random_batch(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
