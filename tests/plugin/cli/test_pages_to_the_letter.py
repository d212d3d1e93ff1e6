"""A user who types what the pages on VASP, Quantum ESPRESSO and single steps say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ase.build import bulk
from ase.io import write
from pages import commands, files
from plugin.cli.potentials import make_pseudo_family, write_potcars

from aiida_mtp.core.potential.mlip import read_potential, write_potential
from aiida_mtp.core.potential.model import initial_model

ELEMENTS = ('Al', 'Ni', 'Ti')
BIN = Path(sys.executable).parent


@pytest.fixture
def follow(invoke, tmp_path, monkeypatch):
    """Type the commands of a page of ours, with names of this machine; submit nothing."""
    monkeypatch.chdir(tmp_path)

    def type_all(page, **names):
        for name, text in files(page).items():
            (tmp_path / name).write_text(text)
        answers = []
        for program, *words in commands(page):
            if program != 'aiida-mtp' or 'status' in words:
                continue
            here = [names.get(word.replace('cluster', 'localhost'), word) for word in words]
            here = [word.replace('cluster', 'localhost') for word in here]
            if words[:2] == ['screen', 'launch']:
                here.append('--yaml')
            result = invoke(*here)
            assert result.exit_code == 0, result.output
            answers.append(result.output)
        return answers

    return type_all


@pytest.fixture
def executable(tmp_path):
    """Make a file that can be executed."""

    def make(name):
        path = tmp_path / name
        path.write_text('#!/bin/sh\n')
        path.chmod(0o755)
        return str(path)

    return make


def test_vasp(follow, executable, tmp_path):
    potcars = write_potcars(tmp_path / 'potpaw', ('Al', 'Ni', 'Ti_pv'))
    names = {'/sw/vasp/bin/vasp_std': executable('vasp_std'), 'module load vasp': 'true'}
    ready, dry = follow('docs/howto/vasp.md', **names, **{'~/potpaw_PBE.54': str(potcars)})
    assert 'potential_mapping: {Ti: Ti_pv}' in ready
    assert ready.endswith('--engine mtp-engine@localhost --dft vasp@localhost\n')
    assert yaml.safe_load(dry)['dft']['settings']['potential_mapping'] == {'Ti': 'Ti_pv'}


def test_quantum_espresso(follow, executable, tmp_path):
    make_pseudo_family(tmp_path / 'pseudos', 'PseudoDojo/0.4/PBE/SR/standard/upf', ELEMENTS)
    names = {'/sw/qe/bin/pw.x': executable('pw.x'), 'module load espresso': 'true'}
    ready, dry = follow('docs/howto/quantum-espresso.md', **names)
    assert 'pseudopotentials PseudoDojo/0.4/PBE/SR/standard/upf: 3 of them' in ready
    assert ready.endswith('--engine mtp-engine@localhost --dft pw@localhost\n')
    assert yaml.safe_load(dry)['dft']['settings']['cutoff'] == 1360.0


@pytest.mark.slow
def test_single_steps_without_aiida(tmp_path):
    structures = [bulk(kind, 'fcc', a=a) for kind in ('Al', 'Ni') for a in (3.6, 3.9, 4.2)]
    structures += [bulk('AlNi', 'cesiumchloride', a=a) for a in (2.8, 3.0)]
    write(tmp_path / 'structures.extxyz', structures)
    write_potential(tmp_path / 'level16.mtp', initial_model(4, ('Al', 'Ni'), 5.0))
    (tmp_path / 'settings.json').write_text(json.dumps({'calculator': 'emt'}))

    def call(program, *words):
        found = subprocess.run(
            [BIN / program, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, f'{program} {words}: {found.stderr}'

    # what the page takes for granted
    call('mtp-dft', 'static', 'structures.extxyz', 'settings.json', '-o', 'train.cfg')
    call('mtp-engine', 'train', 'train.cfg', '-o', 'al_ni.almtp', '--init', 'level16.mtp')
    for program, *words in commands('docs/howto/use-potentials-and-sets.md'):
        if program in {'mtp-engine', 'mtp-dft'}:
            call(program, *('6' if word == '20' else word for word in words))
    assert read_potential(tmp_path / 'better.almtp').level == 4
    assert read_potential(tmp_path / 'level20.almtp').level == 6
