"""What the stand-in writes is read by others, and is what EMT says."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read, write
from pymatgen.io.vasp import Vasprun
from pymatgen.io.vasp.outputs import UnconvergedVASPWarning

SCRIPT = Path(__file__).with_name('vasp.py')
STATIC = 'NSW = 0\nENCUT = 400 ; ISMEAR = 1\n'
RELAX = 'NSW = 60\nIBRION = 2\nISIF = 3\nEDIFFG = -0.001\n'


@pytest.fixture
def run(tmp_path):
    def run(incar, *, failure='', elements=('Ni', 'Al'), atoms=None):
        atoms = atoms or bulk('NiAl', 'cesiumchloride', a=3.0)
        write(tmp_path / 'POSCAR', atoms, format='vasp', direct=True)
        (tmp_path / 'INCAR').write_text(incar)
        (tmp_path / 'KPOINTS').write_text('mesh\n0\nGamma\n4 4 4\n0 0 0\n')
        potcar = ''.join(f' PAW_PBE {e} 01Jan2000\n   VRHFIN ={e}: d9\n' for e in elements)
        (tmp_path / 'POTCAR').write_text(potcar)
        done = subprocess.run(
            [sys.executable, SCRIPT],
            cwd=tmp_path,
            env={**os.environ, 'VASP_STANDIN_FAILURE': failure},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, tmp_path

    return run


def vasprun(folder):
    return Vasprun(folder / 'vasprun.xml', parse_potcar_file=False, parse_dos=False)


def test_static(run):
    done, folder = run(STATIC)
    assert done.returncode == 0, done.stderr
    atoms = bulk('NiAl', 'cesiumchloride', a=3.0)
    atoms.calc = EMT()
    found = read(folder / 'vasprun.xml')
    assert found.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
    np.testing.assert_allclose(found.get_forces(), atoms.get_forces(), atol=1e-7)
    np.testing.assert_allclose(found.get_stress(), atoms.get_stress(), atol=1e-7)
    theirs = vasprun(folder)
    assert theirs.converged_electronic
    assert theirs.final_energy == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
    assert theirs.vasp_version == '6.4.3'


def test_relaxation_of_the_cell(run):
    done, folder = run(RELAX)
    assert 'reached required accuracy' in done.stdout
    theirs = vasprun(folder)
    assert theirs.converged
    assert len(theirs.ionic_steps) > 3
    relaxed = read(folder / 'CONTCAR')
    relaxed.calc = EMT()
    assert np.abs(relaxed.get_stress()).max() < 1e-3
    assert theirs.final_structure.volume == pytest.approx(relaxed.get_volume(), rel=1e-6)


def test_relaxation_of_the_positions_alone(run):
    atoms = bulk('NiAl', 'cesiumchloride', a=3.0) * (2, 1, 1)
    atoms = atoms[[0, 2, 1, 3]]
    atoms.rattle(0.05, seed=1)
    _, folder = run(RELAX.replace('ISIF = 3', 'ISIF = 2'), atoms=atoms)
    relaxed = read(folder / 'CONTCAR')
    np.testing.assert_allclose(relaxed.cell.array, atoms.cell.array, atol=1e-8)
    relaxed.calc = EMT()
    assert np.linalg.norm(relaxed.get_forces(), axis=1).max() < 2e-3


def test_unconverged_once(run):
    _, folder = run(STATIC + 'NELM = 20\n', failure='electronic:1')
    with pytest.warns(UnconvergedVASPWarning):
        assert not vasprun(folder).converged_electronic
    _, folder = run(STATIC + 'NELM = 20\n', failure='electronic:1')
    assert vasprun(folder).converged_electronic


def test_cut_in_half(run):
    done, folder = run(STATIC, failure='truncated')
    assert done.returncode == 0
    with pytest.raises(SyntaxError):  # what all parsers of XML raise
        vasprun(folder)


def test_killed_at_the_limit_of_time(run):
    done, folder = run(RELAX, failure='walltime')
    assert done.returncode == -15
    assert 'General timing' not in (folder / 'OUTCAR').read_text()


def test_line_search_gives_up(run):
    done, folder = run(RELAX, failure='zbrent')
    assert 'ZBRENT: fatal error' in done.stdout
    assert len(read(folder / 'vasprun.xml', index=':')) == 2


def test_wrong_potentials_and_missing_files(run):
    done, folder = run(STATIC, elements=('Al', 'Ni'))
    assert done.returncode == 1
    assert 'POTCAR has' in done.stdout
    (folder / 'KPOINTS').unlink()
    done = subprocess.run(
        [sys.executable, SCRIPT], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout == 'ERROR: KPOINTS not found\n'
