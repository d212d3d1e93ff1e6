"""mtp-engine select."""

import json

import numpy as np
import pytest
from reference.crystals import rattled_crystals

from aiida_mtp.core.engine.main import main
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.potential.mlip import write_potential
from aiida_mtp.core.potential.model import initial_model


@pytest.fixture
def files(tmp_path):
    model = initial_model(4, ['Al', 'Ni'], 4.0, radial_basis_size=4)
    write_potential(tmp_path / 'pot.mtp', model)
    for name, n, seed in (('training', 5, 1), ('candidates', 30, 2)):
        batch = rattled_crystals(n, seed=seed, species=('Ni', 'Al'))
        write_structures(tmp_path / f'{name}.parquet', batch)
    return tmp_path


def select(folder, *arguments):
    words = ['--potential', folder / 'pot.mtp', '--candidates', folder / 'candidates.parquet']
    words += ['-o', folder / 'out.parquet', '--report', folder / 'report.json', *arguments]
    code = main(['select', *map(str, words)])
    if code:
        return code
    report = json.loads((folder / 'report.json').read_text())
    return read_structures(folder / 'out.parquet'), report


def test_first_set(files):
    found, report = select(files)
    candidates = read_structures(files / 'candidates.parquet')
    rows = [candidates.index_of(one) for one in found.ids]
    assert rows == sorted(rows)
    np.testing.assert_array_equal(
        candidates.take(rows).with_species(found.species).types, found.types
    )
    assert np.isfinite(found.columns['grade']).all()
    assert report['n_training'] == 0
    assert report['n_selected'] == len(found) > 8
    again = (files / 'out.parquet').read_bytes()
    select(files)
    assert (files / 'out.parquet').read_bytes() == again


def test_next_set_within_a_limit(files):
    (everything, _), (some, report) = (
        select(files, '--training', files / 'training.parquet', *words)
        for words in ((), ('--limit', 3))
    )
    assert report['n_training'] == 5
    assert report['n_holding'] == len(everything)
    assert len(some) == 3
    assert set(some.ids) <= set(everything.ids)


def test_of_atoms(files):
    assert select(files, '--mode', 'neighborhood')[1]['n_selected'] > 0


@pytest.mark.parametrize(
    ('words', 'what'),
    [
        (['--limit', '0'], 'positive integer'),
        (['--mode', 'cluster'], 'cluster'),
        (['--species', 'Cu', 'Ni'], 'Al'),
        (['--training', 'nowhere.parquet'], 'nowhere.parquet'),
    ],
)
def test_mistakes(files, capsys, words, what):
    assert select(files, *words) == 2
    error = capsys.readouterr().err
    assert what in error
    assert error.count('\n') == 1
    assert not (files / 'out.parquet').exists()
