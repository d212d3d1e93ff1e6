"""The measurements of speed, on little, and limits that a slow machine meets as well."""

import argparse

import pytest

OPTIONS = argparse.Namespace(mlp=None)


@pytest.fixture
def speed(monkeypatch):
    import speed

    monkeypatch.setattr(speed, 'REPEATS', 3)
    return speed


def test_evaluation(speed, monkeypatch):
    monkeypatch.setattr(speed, 'LEVELS', (8, 16))
    monkeypatch.setattr(speed, 'motep_seconds', lambda *_: None)
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


def test_an_executable_of_mlip_is_timed(speed, tmp_path):
    """One that does nothing takes the same time for any number of atoms."""
    mlp = tmp_path / 'mlp'
    mlp.write_text('#!/bin/sh\ntest "$1" = calculate_efs && test -f "$2" && test -f "$3"\n')
    mlp.chmod(0o755)
    model = speed.initial_model(8, speed.SPECIES, 5.0)
    assert speed.mlp_seconds(str(mlp), model) == pytest.approx(0.0, abs=1e-6)
    assert speed.mlp_seconds(None, model) is None
