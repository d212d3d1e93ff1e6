"""mtp-engine evaluate."""

from pathlib import Path

import numpy as np
import pytest
from reference.crystals import rattled_crystals

from aiida_mtp.core.engine import streams as module
from aiida_mtp.core.engine.main import main
from aiida_mtp.core.files import read_structures, write_structures

NAMES = ['Ni', 'Al', 'Cu']


@pytest.fixture
def mlip3(shared_data):
    return shared_data / 'mlip3'


def evaluate(tmp_path, *arguments):
    code = main(['evaluate', *map(str, arguments), '-o', str(tmp_path / 'out.parquet')])
    return read_structures(tmp_path / 'out.parquet') if code == 0 else code


@pytest.mark.parametrize('chunk', [7, 2000])
def test_numbers_of_mlip(mlip3, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(module, 'CHUNK', chunk)
    found = evaluate(tmp_path, mlip3 / 'p10_3.mtp', mlip3 / 'small60.cfg', '--species', *NAMES)
    reference = np.load(mlip3 / 'ref_p10_3__small60.npz')
    assert found.species == tuple(NAMES)
    np.testing.assert_allclose(found.energies, reference['E'], rtol=1e-10, atol=1e-10)
    tensor = reference['S'].reshape(-1, 3, 3)
    plus_stress = tensor[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    np.testing.assert_allclose(
        -found.stresses * found.volumes[:, None], plus_stress, rtol=1e-9, atol=1e-9
    )
    assert 'grade' not in found.columns


def test_grades_of_mlip(mlip3, tmp_path):
    found = evaluate(tmp_path, mlip3 / 'as10_cfg.almtp', mlip3 / 'test200.cfg')
    reference = np.load(mlip3 / 'ref_as10_cfg__test200.npz')
    grades = reference['GRADE']  # of the first 60
    np.testing.assert_allclose(found.columns['grade'][: len(grades)], grades, rtol=1e-6)


def test_rest_of_the_rows_is_kept(mlip3, tmp_path):
    batch = read_structures(mlip3 / 'small60.cfg', NAMES).with_columns(formation_energy=np.ones(60))
    batch = batch.replaced(ids=np.array([f'a{i}' for i in range(60)], dtype=object))
    write_structures(tmp_path / 'in.parquet', batch)
    found = evaluate(tmp_path, mlip3 / 'p08_3.mtp', tmp_path / 'in.parquet', '--species', *NAMES)
    assert list(found.ids) == list(batch.ids)
    np.testing.assert_array_equal(found.columns['formation_energy'], 1.0)
    np.testing.assert_array_equal(found.positions, batch.positions)


def test_species_must_fit(mlip3, tmp_path, capsys):
    write_structures(tmp_path / 'in.parquet', read_structures(mlip3 / 'small60.cfg', NAMES))
    assert evaluate(tmp_path, mlip3 / 'p08_3.mtp', tmp_path / 'in.parquet') == 2
    message = capsys.readouterr().err
    assert 'species Al, Cu, Ni not among type0, type1, type2' in message
    assert '--species' in message


def test_no_structures(mlip3, tmp_path):
    (tmp_path / 'none.cfg').write_text('')
    found = evaluate(tmp_path, mlip3 / 'p08_3.mtp', tmp_path / 'none.cfg')
    assert len(found) == 0


def test_potential_cut_short(mlip3, tmp_path, capsys):
    content = (mlip3 / 'as10_cfg.almtp').read_bytes()
    (tmp_path / 'cut.almtp').write_bytes(content[: len(content) // 2])
    assert evaluate(tmp_path, tmp_path / 'cut.almtp', mlip3 / 'small60.cfg') == 2
    message = capsys.readouterr().err
    assert 'cut.almtp' in message
    assert message.count('\n') == 1


def test_atoms_closer_than_trained_are_told(tmp_path, capsys):
    potential = Path(__file__).parents[2] / 'data' / 'relax' / 'emt.almtp'
    crystals = rattled_crystals(2, seed=0, rattle=0.0)
    write_structures(tmp_path / 'good.parquet', crystals)
    squeezed = crystals.replaced(cells=0.6 * crystals.cells, positions=0.6 * crystals.positions)
    write_structures(tmp_path / 'close.parquet', squeezed)
    evaluate(tmp_path, potential, tmp_path / 'good.parquet', '--species', *NAMES)
    assert capsys.readouterr().err == ''
    evaluate(tmp_path, potential, tmp_path / 'close.parquet', '--species', *NAMES)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('mtp-engine: warning: ')
    assert 'the potential was trained on distances above' in line
