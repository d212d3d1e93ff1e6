"""The examples run, and find what they say they find."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / 'examples'


def output_of(name, folder, **environment):
    found = subprocess.run(
        [sys.executable, EXAMPLES / name],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert not list(folder.iterdir()), 'an example cleans up'
    return found.stdout


@pytest.mark.slow
def test_learn_a_potential(tmp_path):
    hull = output_of('01_learn_a_potential.py', tmp_path).split('; 0 new\n')[1]
    phases = {words[0]: float(words[1]) for words in map(str.split, hull.splitlines())}
    assert phases['Cu'] == phases['Pt'] == 0.0
    assert phases['CuPt'] == pytest.approx(-0.119, abs=0.003)


@pytest.mark.slow
def test_learn_while_it_moves(tmp_path):
    lines = output_of('02_learn_while_it_moves.py', tmp_path).splitlines()
    calls = int(lines[-1].split('with ')[1].split()[0])
    assert 6 < calls < 40  # of 400
    assert float(lines[-2].split('forces ')[1].split()[0]) < 5.0  # meV/Å


@pytest.mark.slow
def test_a_finished_screen(tmp_path):
    printed = output_of('03_a_finished_screen.py', tmp_path, MPLBACKEND='agg')
    assert printed.startswith('finished 0\n')
    phases = re.findall(r'^ *(\w+) +(-?[\d.]+) meV/atom', printed, re.MULTILINE)
    assert float(dict(phases)['CuPt']) == pytest.approx(-119.4, abs=1.0)  # hcp; fcc has -117.6
    assert float(re.search(r'below the hull: (\S+) structures', printed)[1]) < 0.05


def test_the_notebook_is_that_of_the_example():
    """`make notebook` writes it."""
    cells = json.loads((EXAMPLES / '03_a_finished_screen.ipynb').read_text())['cells']
    code = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']
    text = (EXAMPLES / '03_a_finished_screen.py').read_text()
    parts = re.split(r'^# %%.*$', text, flags=re.MULTILINE)
    wanted = [part.strip() for part in parts if not re.match(r'\s*#', part) and part.strip()]
    assert code == wanted
    assert sum(bool(cell.get('outputs')) for cell in cells) > 6
