"""Structures for the toy calculator, settings in files, and processes that misbehave."""

import json
import os
import sys
import textwrap

import numpy as np
import pytest
from ase.build import bulk

from aiida_mtp.core.structures import StructureBatch


def alloy(n, seed, elements=('Cu', 'Au', 'Pd')):
    """A rattled, strained, skewed fcc cell of n atoms."""
    rng = np.random.default_rng(seed)
    atoms = bulk('Cu', 'fcc', a=3.8) * (n, 1, 1)
    atoms.symbols = rng.choice(elements, n)
    atoms.rattle(0.05, seed=seed)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(size=(3, 3)) / 50), scale_atoms=True)
    # another, long basis of the same lattice
    atoms.set_cell(np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]]) @ atoms.cell.array)
    return atoms


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """As in the processes that compute: matrices of 3 × 3 gain nothing from more."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1):
        yield


@pytest.fixture(scope='session')
def alloys():
    """Twelve of them, of one to six atoms."""
    images = [alloy(1 + seed % 6, seed) for seed in range(12)]
    return StructureBatch.from_ase(images, ids=[f'alloy-{i}' for i in range(12)])


@pytest.fixture
def emt_json(tmp_path):
    """Settings of the toy calculator."""
    path = tmp_path / 'emt.json'
    path.write_text(json.dumps({'calculator': 'emt', 'fmax': 0.01, 'smax': 1e-3}))
    return path


@pytest.fixture
def misbehave(tmp_path, monkeypatch):
    """Return a function that adds code before each calculation of EMT in every new process.

    The code sees `self`, the calculator, and `atoms`.
    """

    def change(code):
        folder = tmp_path / 'site'
        folder.mkdir(exist_ok=True)
        text = """
            import os, sys, time
            if any('aiida_mtp' in x for x in sys.orig_argv):
                from ase.calculators.emt import EMT
                plain = EMT.calculate
                def calculate(self, atoms=None, *args, **kwargs):
                    {}
                    return plain(self, atoms, *args, **kwargs)
                EMT.calculate = calculate
        """
        text = textwrap.dedent(text).format(code)
        (folder / 'sitecustomize.py').write_text(text)
        paths = [str(folder), os.environ.get('PYTHONPATH', '')]
        monkeypatch.setenv('PYTHONPATH', os.pathsep.join(path for path in paths if path))

    return change


@pytest.fixture(scope='session')
def command():
    """The executable."""
    return [sys.executable, '-m', 'aiida_mtp.core.dft.main']
