"""The measurements of speed, on little, and limits that a slow machine meets as well."""

import argparse
import sys

import pytest

OPTIONS = argparse.Namespace(mlp=None)


@pytest.fixture
def speed(monkeypatch):
    import speed

    monkeypatch.setattr(speed, 'REPEATS', 3)
    return speed


def test_evaluation(speed, monkeypatch):
    monkeypatch.setattr(speed, 'LEVELS', (8, 16))
    monkeypatch.setattr(speed, 'motep_job', lambda *_: {})
    found = speed.evaluation(OPTIONS)
    for row, most in zip(found['rows'], (15, 80), strict=True):  # three times what is wanted
        assert 0.5 < row['ours'] < most
        assert row['ours'] < row['graded'] < 3 * row['ours']
    text = speed.PAGES['evaluation'](found)
    assert '| 16 |' in text


def test_profile(speed, monkeypatch):
    monkeypatch.setattr(speed, 'LEVELS', (8,))
    found = speed.profile(OPTIONS)
    assert all(0 < time < 50 for time in found['parts']['8'].values())
    assert found['registers']['512'] + found['registers']['256'] > 10  # the lanes fill vectors
    assert '| neighbours |' in speed.PAGES['profile'](found)


def test_selection(speed, monkeypatch):
    monkeypatch.setattr(speed, 'MANY', 20_000)
    monkeypatch.setattr(speed, 'PARAMETERS', 50)
    found = speed.maxvol(OPTIONS)
    assert found['swaps'] >= 50
    assert found['seconds'] < 30


def test_memory(speed, monkeypatch):
    monkeypatch.setattr(speed, 'MANY', 12_000)
    found = speed.memory(OPTIONS)['verbs']
    assert found['evaluate']['gigabytes'] < 1.0
    assert 'mtp-engine relax' in speed.PAGES['memory']({'verbs': found})


STAND_IN = """#!{python}
import sys
from aiida_mtp.core.engine.main import main
verb, potential, *words = sys.argv[1:]
if verb == 'calculate_efs':
    source, target = words
    main(['evaluate', {potential}, source, '-o', target[18:], '--species', 'Ni', 'Al', 'Cu'])
else:
    assert verb == 'convert'
    main(['convert', potential, '-o', words[0]])
"""


def stand_in(folder, potential):
    """Our own engine with the words of MLIP-3."""
    path = folder / 'mlp'
    path.write_text(STAND_IN.format(python=sys.executable, potential=potential))
    path.chmod(0o755)
    return str(path)


def test_an_executable_of_mlip_is_timed(speed, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, 'LEVELS', (2,))
    monkeypatch.setattr(speed, 'REPEATS', 1)
    monkeypatch.setattr(speed, 'motep_job', lambda *_: {})
    found = speed.evaluation(argparse.Namespace(mlp=stand_in(tmp_path, 'potential')))
    (row,) = found['rows']
    assert set(row) == {'level', 'ours', 'graded', 'mlp'}
    assert f'{row["mlp"] / row["ours"]:.1f} |' in speed.PAGES['evaluation'](found)


def test_an_executable_that_computes_something_else_is_not(speed, tmp_path):
    model = speed.initial_model(2, speed.SPECIES, 5.0)
    moved = model.with_coefficients(2.0 * model.coefficients)
    speed.write_potential(tmp_path / 'other.mtp', moved)
    mlp = stand_in(tmp_path, "'other.mtp'")
    with pytest.raises(AssertionError, match='Mismatched elements'):
        speed.mlp_jobs(mlp, model, speed.crystals(2), str(tmp_path))
