"""Settings that make no sense are refused in one line naming value and remedy."""

import json
import math

import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.relax.settings import RelaxSettings, StopReason


def test_survive_json():
    settings = RelaxSettings(fmax=0.01, max_steps=7, min_dist=1.0, scan_volume=True)
    assert RelaxSettings.from_mapping(json.loads(json.dumps(settings.to_mapping()))) == settings


def test_no_break_at_all_is_allowed():
    never = RelaxSettings(threshold_break=math.inf)
    assert RelaxSettings.from_mapping({'threshold_break': None}) == never


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('fmax', 0),
        ('smax', -1.0),
        ('fmax', math.nan),
        ('fmax', 'small'),
        ('fmax', True),
        ('max_steps', 0),
        ('max_steps', 2.5),
        ('max_step', 3.0),
        ('threshold_break', 1.0),
        ('min_dist', -0.1),
        ('min_volume', 1.2),
        ('max_volume', 0.9),
        ('scan_min', 1.0),
        ('scan_max', 1.0),
        ('scan_points', 2),
        ('scan_volume', 1),
    ],
)
def test_nonsense_is_refused(name, value):
    with pytest.raises(InputError, match=f'{name}={value!r}'):
        RelaxSettings(**{name: value})


def test_unknown_settings_are_named():
    with pytest.raises(InputError, match=r'fmx.*known: fmax'):
        RelaxSettings.from_mapping({'fmx': 1})


def test_reasons_are_the_status_words():
    assert [str(reason) for reason in StopReason] == [
        'converged',
        'extrapolating',
        'max_steps',
        'min_dist',
        'volume',
        'not_finite',
        'unknown_species',
        'unfinished',
    ]
