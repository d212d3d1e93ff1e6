"""Settings of DFT: what is refused, and what changes the numbers."""

import subprocess
import sys

import pytest

from aiida_mtp.core.dft import settings as module
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.errors import InputError


def test_defaults_are_those_of_the_calculator():
    gpaw = DftSettings()
    assert (gpaw.calculator, gpaw.cutoff, gpaw.k_spacing) == ('gpaw', 400.0, 0.25)
    assert gpaw.smearing == 'marzari-vanderbilt'
    emt = DftSettings(calculator='emt')
    assert (emt.cutoff, emt.k_spacing, emt.smearing) == (None, None, None)


def test_there_and_back():
    settings = DftSettings.from_mapping({'cutoff': 350, 'parameters': {'maxiter': 50}})
    again = DftSettings.from_mapping(settings.to_mapping())
    assert again == settings
    assert again.digest() == settings.digest()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'cut': 3, 'off': 4}, 'unknown DFT setting cut, off; known: calculator, '),
        ({'calculator': 'magic'}, "calculator='magic': not a calculator of ASE; known: gpaw, emt"),
        ({'calculator': 'os.system'}, 'not a calculator of ASE'),
        ({'calculator': 3}, 'calculator=3: not a name'),
        ({'calculator': 'emt', 'cutoff': 300.0}, "cutoff: calculator 'emt' does not know it"),
        ({'calculator': 'emt', 'spin': 'ferromagnetic'}, "spin: calculator 'emt'"),
        ({'calculator': 'emt', 'k_spacing': 0.2}, "k_spacing: calculator 'emt'"),
        ({'calculator': 'espresso', 'smearing': 'gaussian'}, "smearing: calculator 'espresso'"),
        ({'cutoff': 'high'}, "cutoff='high': not a number"),
        ({'cutoff': 5.0}, 'cutoff=5.0: it must be between 50 and 5000 eV'),
        ({'cutoff': float('nan')}, 'cutoff=nan: not a number'),
        ({'k_spacing': 0.0}, 'k_spacing=0.0: it must be between'),
        ({'k_spacing': True}, 'k_spacing=True: not a number'),
        ({'smallest_mesh': 1.5}, 'smallest_mesh=1.5: not an integer'),
        ({'smearing': 'cold'}, "smearing='cold': one of none, fermi-dirac"),
        ({'smearing_width': 0.0}, 'smearing_width=0.0: it must be positive'),
        ({'spin': 'up'}, "spin='up': one of none, ferromagnetic"),
        ({'initial_moments': {'Ni': 'big'}}, "initial_moments of Ni='big': not a number"),
        ({'initial_moments': 3}, 'initial_moments=3: not a mapping'),
        ({'parameters': {'x': object()}}, 'parameters=.*: not a mapping of plain values'),
        ({'spin_fraction': 2.0}, 'spin_fraction=2.0: it must be between 0 and 1'),
        ({'fmax': 0.0}, 'fmax=0.0: it must be positive'),
        ({'smax': -1.0}, 'smax=-1.0: it must be positive'),
        ({'restarts': -1}, 'restarts=-1: it must be not negative'),
        ({'max_steps': 0}, 'max_steps=0: it must be at least 1'),
        ({'symmetry_tolerance': 3.0}, 'symmetry_tolerance=3.0: it must be between'),
    ],
)
def test_refused(values, message):
    with pytest.raises(InputError, match=message) as caught:
        DftSettings.from_mapping(values)
    assert '\n' not in str(caught.value)


def test_other_calculators_of_ase_are_known():
    assert DftSettings(calculator='espresso', k_spacing=0.2).k_spacing == 0.2


@pytest.mark.parametrize(
    'change',
    [
        {'calculator': 'emt'},
        {'parameters': {'maxiter': 3}},
        {'cutoff': 350.0},
        {'k_spacing': 0.2},
        {'smallest_mesh': 2},
        {'smearing': 'gaussian'},
        {'smearing_width': 0.1},
        {'spin': 'ferromagnetic'},
        {'initial_moments': {}},
        {'spin_fraction': 0.5},
    ],
)
def test_digest_tells_levels_of_theory_apart(change):
    assert DftSettings(**change).digest() != DftSettings().digest()


@pytest.mark.parametrize(
    'change',
    [{'fmax': 1.0}, {'smax': 1.0}, {'restarts': 1}, {'max_steps': 1}, {'symmetry_tolerance': 0.0}],
)
def test_how_far_to_relax_matters_for_relaxations_alone(change):
    one, other = DftSettings(**change), DftSettings()
    assert one.digest() == other.digest() == other.task_digest('static')
    assert one.task_digest('static') == other.task_digest('static')
    assert one.task_digest('relax') != other.task_digest('relax')


def test_digest_is_stable_and_knows_the_version(monkeypatch):
    monkeypatch.setattr(module, '_installed', lambda _: '1.0')
    digest = DftSettings().digest()
    assert digest == '7bf2237e13e9f51c'  # the same on every machine, in every run
    assert digest == DftSettings(cutoff=400).digest()
    monkeypatch.setattr(module, '_installed', lambda _: '1.1')
    assert DftSettings().digest() != digest
    assert DftSettings().version == 'gpaw 1.1 gpaw-data 1.1 ase 1.1'


def test_the_daemon_loads_neither_ase_nor_numba():
    code = (
        'import sys; from aiida_mtp.core.dft.settings import DftSettings; '
        'from aiida_mtp.core.dft.results import collect_results; DftSettings().digest(); '
        'assert not {"numba", "ase", "scipy"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
