"""What the pages say runs: every block that is not marked with what it needs is typed here.

It is typed where the tutorial leaves a newcomer: in a profile that `aiida-mtp quickstart` made,
after a screen of Cu-Pt with EMT.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write
from pages import PAGES, all_blocks, files

BIN = Path(sys.executable).parent
TYPED = [
    page
    for page in PAGES
    if any(not b.needs and b.language in {'bash', 'console', 'python'} for b in all_blocks(page))
]
OWN = 'docs/howto/your-own-system.md'  # launches a screen of its own, and waits for it
CODES = '--engine mtp-engine@localhost --dft mtp-dft@localhost'
# what pages say of Al-Ni, said of the screen that is there
STAND_INS = [
    (r'\bfcc-4-10:AlNi3\b', 'PHASE'),
    (r'(?<![A-Za-z])NiAl(?![a-z])', 'PtCu'),
    (r'(?:(?<=Al)|(?<![A-Za-z]))Ni(?![a-z])', 'Pt'),
    (r'(?<![A-Za-z])Al(?![a-z])', 'Cu'),
    (r'\b(1234|2345)\b', 'SCREEN'),
    (r'^\.venv/bin/', ''),
]
pytestmark = [pytest.mark.slow, pytest.mark.needs_daemon]


class Home:
    """A folder with AiiDA's own in it, and a way to type there."""

    def __init__(self, folder):
        self.folder = folder
        self.names = {}
        path = f'{BIN}{os.pathsep}{os.environ["PATH"]}'
        self.env = {**os.environ, 'AIIDA_PATH': str(folder), 'PATH': path, 'COLUMNS': '200'}
        self.env['PYTHONWARNINGS'] = 'ignore:Creating AiiDA configuration folder'

    def type(self, line, where=None):
        """Run a line of the shell and return what it prints."""
        answer = subprocess.run(
            ['/bin/sh', '-c', line],
            env=self.env,
            cwd=where or self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, f'{line}\n{answer.stdout}{answer.stderr}'
        return answer.stdout

    def python(self, code, where=None):
        """Run Python with a profile loaded."""
        script = (where or self.folder) / 'typed.py'
        script.write_text(code)
        return self.type(f'{sys.executable} {script}', where)


@pytest.fixture(scope='module')
def home(tmp_path_factory, executables):
    home = Home(tmp_path_factory.mktemp('home'))
    try:
        home.type('aiida-mtp quickstart --dft emt --report quickstart.html')
        home.names = eval(  # noqa: S307 - what the next lines print
            home.python("""
from aiida import load_profile
from aiida_mtp.cli.screens import find_screen
load_profile('aiida-mtp')
screen = find_screen(finished=True)
outputs = screen.outputs
print(dict(
    SCREEN=screen.pk, SET=outputs.hull.pk, POTENTIAL=outputs.stage_2.potential.pk,
    PHASE=next(p['id'] for p in outputs.stable['phases'] if p['formula'] == 'CuPt'),
))
""")
        )
        yield home
    finally:
        stop = [executables / 'verdi', '-p', 'aiida-mtp', 'daemon', 'stop']
        subprocess.run(stop, env=home.env, capture_output=True, check=False)


@pytest.fixture(scope='module')
def taken_for_granted(home, tmp_path_factory):
    """Files that pages speak of as if they were there."""
    folder = tmp_path_factory.mktemp('files')
    home.type(f'aiida-mtp potential export {home.names["POTENTIAL"]} -o pot.almtp', folder)
    home.type(f'aiida-mtp set export {home.names["SET"]} -o mp.json', folder)
    home.type(f'aiida-mtp set export {home.names["SET"]} -o train.cfg', folder)
    home.type('mtp-engine init -o level16.mtp --level 4 --species Cu Pt --cutoff 5', folder)
    write(folder / 'mine.extxyz', [bulk('CuPt', 'rocksalt', a=5.0), bulk('Cu')])
    (folder / 'settings.json').write_text('{"calculator": "emt"}')
    return folder


@pytest.fixture
def desk(taken_for_granted, tmp_path):
    """Return a folder of one's own with these files."""
    return Path(shutil.copytree(taken_for_granted, tmp_path / 'desk'))


def said_here(line, names):
    """Return a line as it is typed at the screen that is there."""
    for pattern, other in STAND_INS:
        line = re.sub(pattern, other, line)
    kind = 'POTENTIAL' if 'potential' in line.split('#')[0] else 'SET'
    line = re.sub(r'\bPK\b', kind, line)
    for name, value in names.items():
        line = re.sub(rf'\b{name}\b', str(value), line)
    if line.startswith('aiida-mtp screen launch'):
        line = line.replace('…', CODES)
        line += '' if '--dry-run' in line or '--yaml' in line else ' --yaml'
    return line.replace('--level 20', '--level 6')  # which takes seconds


@pytest.mark.parametrize('page', sorted(set(TYPED) - {OWN}))
def test_blocks_run(home, desk, page):
    found = [block for block in all_blocks(page) if not block.needs]
    for name, text in files(page).items():
        (desk / name).write_text(text)
    for block in found:
        for line in block.lines if block.language == 'console' else ():
            home.type(said_here(line, home.names), desk)
        if block.language == 'bash':
            home.type(f"bash -ec '{block.text}'", desk)
    code = '\n'.join(block.text for block in found if block.language == 'python')
    for pattern, other in STAND_INS:
        code = re.sub(pattern, other, code)
    code = code.replace('PHASE', home.names['PHASE'])  # within quotes
    values = ''.join(f'{name} = {value!r}\n' for name, value in home.names.items())
    home.python(f"{values}from aiida import load_profile\nload_profile('aiida-mtp')\n{code}", desk)


def test_two_elements_of_ones_own(home, desk):
    """The page from an empty machine to a hull, to the letter; after what make does."""
    for name, text in files(OWN).items():
        (desk / name).write_text(text)
    answers = [
        home.type(line, desk)
        for block in all_blocks(OWN)
        if block.language == 'console' and not block.needs
        for line in block.lines
    ]
    assert answers[0].startswith('screen ')
    assert '<h2>Stable phases</h2>' in (desk / 'ni-pt.html').read_text()
    stable, dropped = answers[3:5]
    assert stable.startswith('NiPt ')
    assert dropped.startswith('Ni3Pt  fcc-4-10:Ni3Pt')
    assert 'Screen-1' in dropped


def test_sections_of_the_report_are_those_of_its_page(home):
    text = Path('docs/howto/read-the-report.md')
    page = (Path(__file__).parents[2] / text).read_text()
    titles = re.findall(r'^\| ([a-z ]+) \|', page, re.MULTILINE)[1:]  # below the table's head
    assert len(titles) > 5
    report = (home.folder / 'quickstart.html').read_text()
    for title in titles:
        assert f'<h2>{title.capitalize()}</h2>' in report, title
