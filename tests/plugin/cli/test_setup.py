"""``aiida-mtp setup``, on this machine with the real executables."""

import sys
from pathlib import Path

import pytest
from aiida.orm import Computer, InstalledCode, QueryBuilder
from plugin.cli.potentials import make_pseudo_family, write_potcars

from aiida_mtp import __version__

BIN = Path(sys.executable).parent
SCRIPT = '#!/bin/sh\nif [ $1 = --version ]; then echo {version}; else echo {answer}; fi\n'


@pytest.fixture
def setup(code, invoke):  # noqa: ARG001 - a computer
    """Call the command without questions."""

    def call(*words, computer='localhost'):
        return invoke('setup', '--computer', computer, '--non-interactive', *words)

    return call


def codes_of(words):
    """Return the executables that are codes and among the words of a command line."""
    codes = QueryBuilder().append(InstalledCode).all(flat=True)
    return {str(code.filepath_executable) for code in codes} & {str(word) for word in words}


@pytest.fixture
def refused(setup):
    """Call the command and return the last line of its answer, the complaint."""

    def call(*words, **options):
        before = codes_of(words)
        result = setup(*words, **options)
        assert result.exit_code == 1, result.output
        assert codes_of(words) == before
        return result.output.splitlines()[-1]

    return call


@pytest.fixture
def executable(tmp_path):
    """Make an executable that tells a version and gives an answer."""

    def make(name, version=f'mtp-engine {__version__}', answer='', mode=0o755):
        path = tmp_path / name
        path.write_text(SCRIPT.format(version=version, answer=answer))
        path.chmod(mode)
        return path

    return make


def test_what_works_becomes_a_code_once(setup):
    words = ('Cu', 'Pt', '--dft', BIN / 'mtp-dft', '--calculator', 'emt')
    result = setup(*words)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith('localhost: core.direct answers, ')
    assert lines[1].startswith('localhost: jobs can write to ')
    engine, dft = (line.split(':')[0].removeprefix('code ') for line in lines[-3:-1])
    assert f'mtp-engine {__version__} works: ' in lines[-3]
    assert 'µs/atom at level 16 on one core' in lines[-3]
    assert f'mtp-dft {__version__}: ' in lines[-2]
    assert lines[-1] == f'ready: aiida-mtp screen launch Cu Pt --engine {engine} --dft {dft}'
    n_codes = QueryBuilder().append(InstalledCode).count()
    again = setup(*words)
    assert again.output.splitlines()[-1] == lines[-1]
    assert QueryBuilder().append(InstalledCode).count() == n_codes


@pytest.mark.parametrize(
    ('version', 'answer', 'told'),
    [
        ('mtp-engine 99.1.0', '', f'is mtp-engine 99.1.0, here is {__version__}; install this'),
        ('hello', '', 'no version'),
        (f'mtp-engine {__version__}', 'fast', "speed on localhost: 'fast"),
    ],
)
def test_an_engine_that_cannot_work_is_refused(refused, executable, version, answer, told):
    path = executable('mtp-engine', version, answer)
    assert told in refused('--engine', path)


def test_an_engine_that_is_not_there_is_refused(refused, tmp_path):
    told = refused('--engine', tmp_path / 'mtp-engine')
    assert 'No such file' in told
    assert told.endswith(f'pip install aiida-mtp=={__version__}')


def test_dft_that_does_not_work_is_refused(refused, tmp_path):
    path = tmp_path / 'mtp-dft'
    path.symlink_to(BIN / 'mtp-dft')
    told = refused('--dft', path, '--calculator', 'abacus')
    assert "calculator='abacus'" in told


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        ({'scheduler_type': 'core.lsf'}, 'core.lsf does not answer'),
        ({'workdir': '/proc/nowhere'}, 'jobs cannot write to /proc/nowhere'),
        ({'is_configured': False}, 'verdi computer configure core.local'),
        ({'label': 'other'}, 'make it with verdi computer setup'),
    ],
)
def test_a_computer_that_cannot_work_is_refused(refused, tmp_path, options, told):
    values = {'label': 'cluster', 'scheduler_type': 'core.direct', 'workdir': str(tmp_path)}
    is_configured = options.pop('is_configured', True)
    computer = Computer(hostname='localhost', transport_type='core.local', **(values | options))
    computer.store()
    if is_configured:
        computer.configure(safe_interval=0)
    try:
        assert told in refused(computer='cluster')
    finally:
        Computer.collection.delete(computer.pk)


# VASP


def test_vasp_and_its_potentials(setup, refused, executable, tmp_path):
    potcars = write_potcars(tmp_path / 'potpaw', ('Al', 'Ni_pv'))
    vasp = executable('vasp_std')
    words = ('--dft', vasp)
    assert 'give --potcar-family' in setup(*words).output
    assert "no family of potentials 'PBE'" in setup(*words, '--potcar-family', 'PBE').output
    folder = ('--potcar-family', 'PBE', '--potcar-folder', potcars)
    lines = setup('Al', 'Ni', *words, *folder).output.splitlines()
    assert 'potentials PBE: 2 of them' in lines
    assert any(line.endswith('potential_mapping: {Ni: Ni_pv}}}') for line in lines)
    assert lines[-1].startswith('ready: aiida-mtp screen launch Al Ni --engine mtp-engine')
    assert lines[-1].endswith('--dft vasp@localhost')
    told = refused('--dft', executable('vasp_gam', mode=0o644), '--potcar-family', 'PBE')
    assert told.endswith('vasp_gam on localhost: there is no executable; give its absolute path')
    told = refused('Al', 'Ti', *words, '--potcar-family', 'PBE')
    assert told == 'Error: family PBE has no potential of Ti'


# Quantum ESPRESSO


def test_quantum_espresso_and_its_pseudopotentials(setup, refused, executable, tmp_path):
    pseudos = make_pseudo_family(tmp_path / 'pseudos', 'SSSP', ('Al', 'Ni'))
    words = ('--dft', executable('pw.x'))
    assert 'give --pseudo-family' in setup(*words).output
    assert "'PBE': AiiDA has no such family" in setup(*words, '--pseudo-family', 'PBE').output
    told = refused('Al', 'Ti', *words, '--pseudo-family', 'SSSP')
    assert told == 'Error: family SSSP has no pseudopotential of Ti'
    assert 'they recommend no cutoffs' in setup('Al', *words, '--pseudo-family', 'SSSP').output
    cutoffs = {name: {'cutoff_wfc': 30.0, 'cutoff_rho': 240.0} for name in ('Al', 'Ni')}
    pseudos.set_cutoffs(cutoffs, 'normal', unit='Ry')
    lines = setup('Al', 'Ni', *words, '--pseudo-family', 'SSSP').output.splitlines()
    assert 'pseudopotentials SSSP: 2 of them' in lines
    assert not any('cutoffs' in line for line in lines)
    assert lines[-1].endswith('--dft pw@localhost')


def test_a_name_that_tells_nothing(refused, executable):
    assert 'for which DFT code? Give --plugin' in refused('--dft', executable('a.out'))


# Questions


def test_it_asks_for_what_is_not_given(code):  # noqa: ARG001 - a computer
    from click.testing import CliRunner

    from aiida_mtp.cli.root import cmd_root

    words = ['setup', '--calculator', 'emt']
    answers = f'localhost\n{BIN / "mtp-engine"}\n{BIN / "mtp-dft"}\n'
    result = CliRunner().invoke(cmd_root, words, input=answers)
    assert result.exit_code == 0, result.output
    assert 'computer (localhost)' in result.output
    assert 'ready: ' in result.output
