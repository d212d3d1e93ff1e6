"""What the pages tell a user to type is understood by the programs, and by the screen."""

import click
import pytest
import yaml
from pages import ROOT, blocks, commands, understand

from aiida_mtp.cli.root import cmd_root
from aiida_mtp.core.dft.espresso_settings import EspressoSettings
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.dft.vasp_settings import VaspSettings
from aiida_mtp.workchains.protocols import protocol_inputs

PAGES = ['README.md', *sorted(str(p.relative_to(ROOT)) for p in (ROOT / 'docs').glob('[ht]*/*.md'))]
OTHERS = {'GPAW_CONFIG=$PWD/install/gpaw_siteconfig.py', 'apt-get', 'export'}
OTHERS |= {'git', 'cd', 'make', 'pip', 'python3', 'su', 'mtp-engine', 'mtp-dft'}

SETTINGS = {'ase': DftSettings, 'vasp': VaspSettings, 'espresso': EspressoSettings}
BACKENDS = {'potential_family': 'vasp', 'pseudo_family': 'espresso'}


def programs():
    from aiida.cmdline.commands.cmd_verdi import verdi

    found = {'aiida-mtp': cmd_root, 'verdi': verdi}
    try:
        from aiida_pseudo.cli import cmd_root as pseudo
    except ImportError:
        return found
    return {**found, 'aiida-pseudo': pseudo}


@pytest.mark.parametrize('page', PAGES)
def test_commands_are_understood(page):
    known = programs()
    for path, *words in commands(page):
        program = path.removeprefix('.venv/bin/')
        if program in known:
            understand(known[program], words)
        else:
            assert program in OTHERS | {'aiida-pseudo'}, program


@pytest.mark.parametrize(
    'words', ['screen lanch Al', 'screen launch --ovverides x.yaml', 'screen launch', 'nothing']
)
def test_what_is_not_understood_is_found(words):
    with pytest.raises((AssertionError, click.UsageError)):
        understand(cmd_root, words.split())


@pytest.mark.parametrize('page', PAGES)
def test_overrides_are_ones(page):
    for block in blocks(page, 'yaml'):
        values = yaml.safe_load(block)
        given = values.get('dft', {}).get('settings', {})
        backend = next((BACKENDS[name] for name in given if name in BACKENDS), 'ase')
        merged = protocol_inputs('screen', 'balanced', values, backend=backend)
        SETTINGS[backend].from_mapping(merged['dft']['settings'])
