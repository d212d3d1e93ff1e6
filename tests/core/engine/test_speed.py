"""mtp-engine speed."""

import json

import pytest

from aiida_mtp import __version__
from aiida_mtp.core.engine import speed as module
from aiida_mtp.core.engine.main import main


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(module, 'N_STRUCTURES', 20)


def test_it_prints_what_it_measured(capsys):
    assert main(['speed', '--level', '8', '--threads', '1']) == 0
    found = json.loads(capsys.readouterr().out)
    time = found.pop('microseconds_per_atom')
    assert found == {'version': __version__, 'level': 8, 'threads': 1}
    assert 0.1 < time < 1e4


def test_a_higher_level_takes_longer():
    assert module.seconds_per_atom(20) > module.seconds_per_atom(6)


def test_a_level_there_is_not(capsys):
    assert main(['speed', '--level', '7']) == 2
    assert 'level' in capsys.readouterr().err
