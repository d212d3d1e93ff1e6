import sys
from types import SimpleNamespace

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mtp.core.dft.calculators import check_calculator, make_calculator
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.dft.universal import UNIVERSAL, _calculator
from aiida_mtp.core.errors import InputError


@pytest.fixture(autouse=True)
def forgetful():
    """Keep no calculator from one test to the next."""
    _calculator.cache_clear()
    yield
    _calculator.cache_clear()


def absent(monkeypatch, name):
    package = UNIVERSAL[name].module.partition('.')[0]
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize('name', UNIVERSAL)
def test_one_that_is_not_installed_tells_how(monkeypatch, name):
    absent(monkeypatch, name)
    with pytest.raises(InputError, match=f'pip install {UNIVERSAL[name].packages[0]}'):
        check_calculator(DftSettings(calculator=name), ['Al'])


@pytest.fixture
def stand_in(monkeypatch):
    """A package with a calculator that counts how often it is made."""
    made = []

    class Calculator(EMT):
        def __init__(self, model='small'):
            made.append(model)
            super().__init__()

    origin = UNIVERSAL['sevennet']
    package, *rest = origin.module.split('.')
    monkeypatch.setitem(sys.modules, package, SimpleNamespace())
    module = SimpleNamespace(**{origin.name: Calculator})
    monkeypatch.setitem(sys.modules, '.'.join([package, *rest]), module)
    return made


def test_weights_are_read_once_for_all_structures(stand_in):
    settings = DftSettings(calculator='sevennet', parameters={'model': 'large'})
    check_calculator(settings, ['Cu', 'Ni'])
    energies = []
    for atoms in (bulk('Cu'), bulk('Ni'), bulk('Cu')):
        atoms.calc = make_calculator(settings, atoms)
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[2] != energies[1]
    assert stand_in == ['large']


def test_parameters_it_does_not_know(stand_in):
    settings = DftSettings(calculator='sevennet', parameters={'modal': 1})
    with pytest.raises(InputError, match='refuses its parameters'):
        make_calculator(settings, bulk('Cu'))
    assert not stand_in


def test_it_has_no_k_points_and_its_package_counts():
    with pytest.raises(InputError, match='k_spacing'):
        DftSettings(calculator='chgnet', k_spacing=0.3)
    assert 'chgnet' in DftSettings(calculator='chgnet').version
