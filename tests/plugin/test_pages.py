"""What the pages tell is so: commands, files, tables, links, and that nothing is left out."""

import re
from dataclasses import is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import walk_packages
from urllib.parse import urlsplit

import click
import pytest
import yaml
from pages import DOCS, PAGES, ROOT, all_blocks, blocks, commands, understand

import aiida_mtp.core
from aiida_mtp.cli.root import cmd_root
from aiida_mtp.core.dft.espresso_settings import EspressoSettings
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.dft.vasp_settings import VaspSettings
from aiida_mtp.core.potential.tables import make_tables
from aiida_mtp.core.settings import Settings
from aiida_mtp.workchains.protocols import protocol_inputs

OTHERS = {'GPAW_CONFIG=$PWD/install/gpaw_siteconfig.py', 'apt-get', 'export'}
OTHERS |= {'git', 'cd', 'make', 'pip', 'python3', 'su', 'mtp-engine', 'mtp-dft'}
LANGUAGES = {'bash', 'console', 'python', 'yaml'}  # others are output, or marked
LINK = re.compile(r'https?://[^\s)>\]"\'`]+')

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
def test_every_block_is_code_that_is_run_or_marked(page):
    """tests/integration/test_pages.py runs them; without a language a block is output."""
    for block in all_blocks(page):
        assert block.language in LANGUAGES | {''} or block.needs, block.text
        assert '$ ' not in block.text or block.language != '', block.text
        if block.language == 'python':
            compile(block.text, page, 'exec')


@pytest.mark.parametrize('page', PAGES)
def test_overrides_are_ones(page):
    for block in blocks(page, 'yaml'):
        values = yaml.safe_load(block)
        given = values.get('dft', {}).get('settings', {})
        backend = next((BACKENDS[name] for name in given if name in BACKENDS), 'ase')
        merged = protocol_inputs('screen', 'balanced', values, backend=backend)
        SETTINGS[backend].from_mapping(merged['dft']['settings'])


def test_the_numbers_of_coefficients_are_those_of_the_bases():
    text = (ROOT / 'docs/howto/choose-levels-and-thresholds.md').read_text()
    rows = re.findall(r'^\| (\d+) \| (\d+) \|((?: \d+ \|)+)$', text, re.MULTILINE)
    assert len(rows) > 4
    for level, n_scalar, counts in rows:
        tables = make_tables(int(level))
        assert int(n_scalar) == tables.n_scalar
        for n, count in enumerate(counts.strip(' |').split(' | '), 1):
            assert int(count) == n * n * tables.n_radial * 8 + n + tables.n_scalar


def test_links_are_the_ones_that_were_looked_at():
    """Without a network: each is well formed, and a new one has to be put into the list."""
    texts = [*PAGES, 'CHANGELOG.md', *(str(p) for p in (ROOT / 'examples').glob('*.py'))]
    found = {link for one in texts for link in LINK.findall((ROOT / one).read_text())}
    listed = (ROOT / 'docs/links.txt').read_text().splitlines()
    assert sorted(found) == listed
    for link in found:
        parts = urlsplit(link)
        assert parts.scheme == 'https', link
        assert re.fullmatch(r'[a-z0-9-]+(\.[a-z0-9-]+)+', parts.netloc), link
        assert not link.endswith(('.', ',', ';')), link
        if parts.netloc == 'doi.org':
            assert re.fullmatch(r'/10\.\d{4,5}/\S+', parts.path), link


def test_links_of_the_front_page_lead_to_files():
    text = (ROOT / 'README.md').read_text()
    for target in re.findall(r'\]\((?!https?:)([^)#]+)', text):
        assert (ROOT / target).exists(), target


def reference():
    pages = (ROOT / 'docs/reference').glob('*.md')
    return '\n'.join(page.read_text() for page in pages)


def test_every_entry_point_is_in_the_reference():
    text = reference()
    groups = {'aiida.data', 'aiida.calculations', 'aiida.workflows', 'aiida_mtp.backends'}
    found = [
        one
        for group in groups
        for one in entry_points(group=group)
        if one.value.startswith('aiida_mtp.')
    ]
    assert len(found) > 12
    for one in found:
        name = f'`{one.name}`' if one.group == 'aiida_mtp.backends' else one.attr
        assert name in text, one


def test_every_settings_class_is_in_the_reference():
    text = reference()
    found = set()
    for module in walk_packages(aiida_mtp.core.__path__, 'aiida_mtp.core.'):
        if module.name.endswith('main'):
            continue
        for value in vars(import_module(module.name)).values():
            is_one = isinstance(value, type) and issubclass(value, Settings) and value != Settings
            if is_one and is_dataclass(value):
                found.add(f'{value.__module__}.{value.__name__}')
    assert len(found) > 6
    assert not {name for name in found if name not in text}


@pytest.mark.parametrize('program', ['engine', 'dft'])
def test_every_command_of_the_executables_is_in_the_reference(program, capsys):
    with pytest.raises(SystemExit):
        import_module(f'aiida_mtp.core.{program}.main').main(['--help'])
    verbs = set(re.findall(r'^    (\w+)(?: |$)', capsys.readouterr().out, re.MULTILINE))
    text = (ROOT / 'docs/reference/commands.md').read_text()
    assert set(re.findall(rf'^### `mtp-{program} (\w+)`$', text, re.MULTILINE)) == verbs


def test_no_page_is_forgotten():
    index = (ROOT / 'docs/index.md').read_text()
    for page in DOCS:
        name = str(page.relative_to('docs').with_suffix(''))
        assert name in index or page.parts[1:2] == ('benchmarks',) or 'decisions/0' in name, name
