"""Settings of the training."""

import json

import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.training.settings import TrainingSettings


def test_json_and_back():
    settings = TrainingSettings(force_limit=None, energy_window=0.3, seed=4)
    again = TrainingSettings.from_mapping(json.loads(json.dumps(settings.to_mapping())))
    assert again == settings
    assert TrainingSettings.from_mapping({}) == TrainingSettings()


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r'unknown training setting force_wieght; known: energy_w'):
        TrainingSettings.from_mapping({'force_wieght': 1.0})


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('energy_weight', 0.0),
        ('energy_weight', '1'),
        ('force_weight', -1.0),
        ('stress_weight', float('nan')),
        ('force_limit', 0.0),
        ('bad_frames', 'keep'),
        ('energy_window', -1.0),
        ('min_window_weight', 2.0),
        ('max_iterations', 10.5),
        ('max_iterations', True),
        ('tolerance', 1.0),
        ('n_starts', 0),
        ('seed', -1),
        ('ridge', 0.0),
        ('n_folds', 1),
        ('fold_iterations', 0),
    ],
)
def test_values_that_make_no_sense_are_named(name, value):
    with pytest.raises(InputError, match=f'^training setting {name}='):
        TrainingSettings.from_mapping({name: value})


def test_numba_is_not_loaded():
    """The daemon reads settings."""
    import subprocess
    import sys

    code = 'import sys, aiida_mtp.core.training.settings; sys.exit("numba" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
