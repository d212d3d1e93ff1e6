"""What comes in a file stays text: nothing of it is run, and nothing is written elsewhere."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch

BIN = Path(sys.executable).parent
NASTY = (
    '../../pwned',
    '/tmp/pwned',  # noqa: S108 - that it is not written there is the point
    '$(touch pwned)',
    '; touch pwned #',
    "__import__('os').system('touch pwned')",
    '<script>pwned</script>',
)


@pytest.fixture
def batch():
    n = len(NASTY)
    found = StructureBatch.build(
        ('Al', 'Cu'),
        [[0, 1]] * n,
        [np.array([[0, 0, 0], [1.9 + 0.01 * i, 1.9, 1.9]]) for i in range(n)],
        np.array([np.eye(3) * 3.8] * n),
        ids=NASTY,
    )
    return found.with_columns(message=np.array(NASTY, dtype=object))


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('suffix', ['.parquet', '.extxyz', '.cfg'])
def test_files_of_structures(batch, tmp_path, monkeypatch, suffix):
    work = tmp_path / 'a' / 'b'
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    write_structures(f'in{suffix}', batch)
    names = None if suffix != '.cfg' else batch.species
    found = read_structures(f'in{suffix}', names)
    assert tuple(found.columns['message']) == NASTY
    assert files_below(tmp_path) == {f'a/b/in{suffix}'}


def test_dft_and_the_engine(batch, tmp_path):
    work = tmp_path / 'a' / 'b'
    work.mkdir(parents=True)
    for name in ('in; touch pwned;.parquet', '$(touch pwned).parquet'):
        write_structures(work / name, batch)
    (work / 'emt.json').write_text(json.dumps({'calculator': 'emt'}))
    for words in (
        ('mtp-dft', 'static', 'in; touch pwned;.parquet', 'emt.json', '-o', 'out.parquet'),
        ('mtp-engine', 'convert', '$(touch pwned).parquet', '-o', '`touch pwned`.cfg'),
    ):
        subprocess.run([BIN / words[0], *words[1:]], cwd=work, check=True, capture_output=True)
    assert tuple(read_structures(work / 'out.parquet').ids) == NASTY
    written = {name for name in files_below(tmp_path) if '.results/' not in name}
    given = {'in; touch pwned;.parquet', '$(touch pwned).parquet', 'emt.json'}
    assert written == {f'a/b/{name}' for name in given | {'out.parquet', '`touch pwned`.cfg'}}


class Bomb:
    """What runs something when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path('pwned'),))


def test_pickled_objects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = pickle.dumps(Bomb())
    metadata = {
        b'ARROW:extension:name': b'arrow.py_extension_type',
        b'ARROW:extension:metadata': bomb,
    }
    field = pa.field('ids', pa.string(), metadata=metadata)
    pq.write_table(pa.table([pa.array(['a'])], schema=pa.schema([field])), 'bomb.parquet')
    Path('bomb.cfg').write_bytes(bomb)
    Path('bomb.extxyz').write_bytes(bomb)
    for name in ('bomb.parquet', 'bomb.cfg', 'bomb.extxyz'):
        with pytest.raises(InputError, match=name):
            read_structures(name)
    assert not Path('pwned').exists()
