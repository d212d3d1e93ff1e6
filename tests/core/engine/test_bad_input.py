"""A mistake of the user gets one line and an exit code, and leaves nothing behind."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from reference.crystals import rattled_crystals

from aiida_mtp.core.dft.main import main as dft
from aiida_mtp.core.engine.main import main as engine
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch

POTENTIAL = Path(__file__).parents[2] / 'data' / 'relax' / 'emt.almtp'
PARTIAL = """data_x
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Ni1 Ni 0 0 0 0.5
Al1 Al 0 0 0 0.5
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with files, most of them bad; it is the current one."""
    monkeypatch.chdir(tmp_path)
    good = rattled_crystals(20, seed=1)
    write_structures('good.parquet', good)
    write_structures('silver.parquet', rattled_crystals(2, seed=1, species=('Ag',)))
    write_structures('empty.parquet', StructureBatch.empty(('Ni', 'Al')))
    whole = Path('good.parquet').read_bytes()
    Path('cut.parquet').write_bytes(whole[: len(whole) // 2])
    Path('cut.mtp').write_bytes(POTENTIAL.read_bytes()[:2000])
    Path('pot.almtp').write_bytes(POTENTIAL.read_bytes())
    Path('partial.cif').write_text(PARTIAL)
    Path('spec.json').write_text(json.dumps({'elements': ['Al', 'Xx'], 'fcc': 2}))
    Path('no_dft.json').write_text(json.dumps({'calculator': 'vasp'}))
    Path('emt.json').write_text(json.dumps({'calculator': 'emt'}))
    return tmp_path


NAMES = ('--species', 'Ni', 'Al', 'Cu')
MISTAKES = {
    'species missing from the potential': (
        (engine, 'evaluate', 'pot.almtp', 'silver.parquet', *NAMES),
        ('Ag',),
    ),
    'unknown element': ((engine, 'prototypes', 'spec.json'), ('Xx',)),
    'partial occupancies': ((engine, 'convert', 'partial.cif'), ('partial.cif', 'occup')),
    'empty training set': (
        (engine, 'train', 'empty.parquet', '--level', '6', '--cutoff', '5', *NAMES),
        ('empty',),
    ),
    'half a Parquet file': (
        (engine, 'evaluate', 'pot.almtp', 'cut.parquet', *NAMES),
        ('cut.parquet',),
    ),
    'half a potential': ((engine, 'evaluate', 'cut.mtp', 'good.parquet'), ('cut.mtp',)),
    'file that is not there': ((engine, 'evaluate', 'pot.almtp', 'x.parquet'), ('x.parquet',)),
    'element DFT does not know': ((dft, 'static', 'tungsten.parquet', 'emt.json'), ('W', 'emt')),
}


@pytest.mark.parametrize('mistake', MISTAKES)
def test_one_line_and_nothing_left(folder, capsys, mistake):
    write_structures('tungsten.parquet', rattled_crystals(2, seed=1, species=('W',)))
    before = sorted(folder.iterdir())
    (main, *words), told = MISTAKES[mistake]
    suffix = '.almtp' if words[0] == 'train' else '.parquet'
    assert main([*words, '-o', f'out{suffix}']) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1, error
    for word in told:
        assert word in error
    assert sorted(folder.iterdir()) == before


@pytest.mark.usefixtures('folder')
def test_a_dft_code_that_does_not_answer(capsys):
    assert dft(['static', 'good.parquet', 'no_dft.json', '-o', 'out.parquet']) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'calculator vasp could compute none of them: CalculatorSetupError' in error
    found = read_structures('out.parquet')
    assert set(found.status) == {'failed'}


def test_a_disk_that_is_full(folder):
    done = subprocess.run(
        [
            sys.executable,
            '-B',  # it would leave halves of its own compiled modules
            '-m',
            'aiida_mtp.core.engine.main',
            'convert',
            'good.parquet',
            '-o',
            'out.cfg',
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count('\n') == 1, done.stderr
    assert 'out.cfg' in done.stderr
    assert not list(folder.glob('*out.cfg*'))
