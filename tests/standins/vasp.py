"""Behaves as VASP does where a work chain can see it; the physics is effective-medium theory.

With spin, atoms keep the moments they are given, and parallel ones lower the energy.

It reads POSCAR, INCAR, KPOINTS and POTCAR of the current folder, computes with ASE's EMT, relaxes
as NSW, IBRION, ISIF and EDIFFG ask for, and writes vasprun.xml, OUTCAR, CONTCAR and OSZICAR. For
tests of what needs a licence otherwise; nothing of VASP is in it.

The environment variable VASP_STANDIN_FAILURE names a failure to show, with the number of runs that
show it: ``electronic:1`` ends the first run unconverged; ``truncated`` cuts vasprun.xml in half;
``walltime`` kills the process in the middle; ``zbrent`` stops a relaxation as the line search does.
The runs are counted in the file VASP_STANDIN_COUNTER names.
"""

import math
import os
import signal
import sys
from pathlib import Path

from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.optimize import BFGS
from ase.units import GPa

VERSION = '6.4.3'
FILES = ('POSCAR', 'INCAR', 'KPOINTS', 'POTCAR')
STONER, EXCHANGE = 0.03, 0.02  # eV/µB, of each moment and of their sum
DEFAULTS = {'NSW': 0, 'IBRION': -1, 'ISIF': 2, 'NELM': 60, 'ISPIN': 1, 'EDIFFG': -0.01}
SCF_STEPS = 12
KILOBAR = 0.1 * GPa


def main():
    """Run, and return the exit code."""
    missing = [name for name in FILES if not Path(name).exists()]
    if missing:
        print(f'ERROR: {", ".join(missing)} not found')
        return 1
    settings = read_settings(Path('INCAR').read_text())
    atoms = read('POSCAR', format='vasp')
    check_potentials(atoms)
    failure = asked_failure()
    print(f' vasp.{VERSION} 19Mar24 (stand-in for tests)\n POSCAR, INCAR and KPOINTS ok')
    images = relaxed_images(atoms, settings, failure)
    if failure == 'walltime':
        done = images[: 1 + len(images) // 2]
        write_vasprun(done, settings, truncated=True)
        write_outcar(done, settings, SCF_STEPS, ended=False)
        os.kill(os.getpid(), signal.SIGTERM)
    if failure == 'zbrent':
        print(' ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy')
    n_scf = int(settings['NELM']) if failure == 'electronic' else SCF_STEPS
    write_vasprun(images, settings, n_scf=n_scf, truncated=failure == 'truncated')
    write_outcar(images, settings, n_scf)
    write('CONTCAR', images[-1], format='vasp', direct=True)
    lines = [f'   {n} F= {e:.8E} E0= {e:.8E}' for n, e in enumerate(energies(images), start=1)]
    Path('OSZICAR').write_text('\n'.join(lines) + '\n')
    print('\n'.join(lines))
    if len(images) <= int(settings['NSW']):
        print(' reached required accuracy - stopping structural energy minimisation')
    return 0


def read_settings(text):
    """Return the INCAR as a mapping, with the defaults that matter here."""
    settings = dict(DEFAULTS)
    for line in text.replace(';', '\n').splitlines():
        name, found, value = line.split('#')[0].split('!')[0].partition('=')
        if found:
            settings[name.strip().upper()] = value.strip()
    return settings


def check_potentials(atoms):
    """Stop as VASP does when POTCAR and POSCAR name different elements."""
    titles = [line for line in Path('POTCAR').read_text().splitlines() if 'VRHFIN' in line]
    found = [title.split('=')[1].split(':')[0].strip() for title in titles]
    wanted = list(dict.fromkeys(atoms.get_chemical_symbols()))
    if found != wanted:
        print(f'ERROR: POTCAR has {found}, POSCAR {wanted}')
        sys.exit(1)


def asked_failure():
    """Return the failure this run is to show, if any, and count the run."""
    name, _, limit = os.environ.get('VASP_STANDIN_FAILURE', '').partition(':')
    counter = Path(os.environ.get('VASP_STANDIN_COUNTER', 'runs'))
    runs = int(counter.read_text()) if counter.exists() else 0
    if name:
        counter.write_text(str(runs + 1))
    return name if name and runs < float(limit or math.inf) else ''


def relaxed_images(atoms, settings, failure):
    """Return the images of a relaxation, or the one of a static calculation, all computed."""
    images = []

    def keep():
        image = atoms.copy()
        image.calc = Magnet(initial_moments(settings, len(atoms)))
        image.get_potential_energy(), image.get_forces(), image.get_stress()
        images.append(image)

    n_steps = int(settings['NSW']) if int(settings['IBRION']) in (1, 2, 3) else 0
    keep()
    if not n_steps:
        return images
    atoms.calc = EMT()
    limit = float(settings['EDIFFG'])
    free = FrechetCellFilter(atoms) if int(settings['ISIF']) == 3 else atoms
    optimizer = BFGS(free, logfile=None)
    optimizer.attach(lambda: optimizer.nsteps and keep())
    optimizer.run(fmax=-limit if limit < 0 else 0.01, steps=n_steps - 1)
    return images[:2] if failure == 'zbrent' else images


class Magnet(EMT):
    """Effective-medium theory of atoms with fixed moments."""

    def __init__(self, moments):
        super().__init__()
        self.moments = moments

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        gain = STONER * sum(abs(m) for m in self.moments) + EXCHANGE * abs(sum(self.moments))
        self.results['energy'] -= gain


def initial_moments(settings, n_atoms):
    """Return the moments of MAGMOM, with VASP's default of one; none without spin."""
    if int(settings['ISPIN']) == 1:
        return [0.0] * n_atoms
    words = settings.get('MAGMOM', f'{n_atoms}*1').split()
    moments = []
    for word in words:
        number, _, value = word.rpartition('*')
        moments += int(number or 1) * [float(value)]
    return moments


def energies(images):
    """Return the energies of images, eV."""
    return [image.get_potential_energy() for image in images]


def write_vasprun(images, settings, *, n_scf=SCF_STEPS, truncated=False):
    """Write what the parsers read, in the order of the real file."""
    first, last = images[0], images[-1]
    head = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n <generator>\n'
        '  <i name="program" type="string">vasp </i>\n'
        f'  <i name="version" type="string">{VERSION}  </i>\n </generator>\n'
    )
    parts = [
        head,
        ' <incar>\n' + ''.join(_item(k, v) for k, v in settings.items()) + ' </incar>\n',
        _kpoints(),
        _parameters(first, settings),
        _atominfo(first),
        _structure(first, 'initialpos'),
        *(_calculation(image, n_scf) for image in images[:-1]),
        _calculation(last, n_scf, _eigenvalues(last, settings)),
        _structure(last, 'finalpos'),
        '</modeling>\n',
    ]
    text = ''.join(parts)
    Path('vasprun.xml').write_text(text[: len(text) // 2] if truncated else text)


def _item(name, value, kind='string'):
    return f'  <i type="{kind}" name="{name}">{value}</i>\n'


def _array(name, rows, indent=' '):
    lines = ''.join(f'{indent} <v> {" ".join(f"{x:16.8f}" for x in row)} </v>\n' for row in rows)
    return f'{indent}<varray name="{name}" >\n{lines}{indent}</varray>\n'


def _kpoints():
    lines = Path('KPOINTS').read_text().splitlines()
    mesh = [int(x) for x in lines[3].split()[:3]] if lines[1].split()[0] == '0' else [1, 1, 1]
    return (
        ' <kpoints>\n  <generation param="Gamma">\n'
        f'   <v type="int" name="divisions"> {" ".join(map(str, mesh))} </v>\n'
        '   <v name="usershift"> 0.0 0.0 0.0 </v>\n  </generation>\n'
        + _array('kpointlist', [[0.0, 0.0, 0.0]], '  ')
        + _array('weights', [[1.0]], '  ')
        + ' </kpoints>\n'
    )


def _bands(atoms):
    """Return the number of bands; the first half of them is occupied."""
    return 2 * max(4, 6 * len(atoms))


def _parameters(atoms, settings):
    kinds = {'NSW': 'ionic', 'IBRION': 'ionic', 'ISIF': 'ionic', 'NELM': 'electronic convergence'}
    items = {'ISPIN': 'electronic spin', **kinds}
    blocks = ''.join(
        f'  <separator name="{block}" >\n{_item(name, int(settings[name]), "int")}  </separator>\n'
        for name, block in items.items()
    )
    electronic = _item('NBANDS', _bands(atoms), 'int') + _item('NELECT', float(_bands(atoms)))
    return (
        f' <parameters>\n  <separator name="electronic" >\n{electronic}  </separator>\n'
        f'{blocks} </parameters>\n'
    )


def _atominfo(atoms):
    symbols = atoms.get_chemical_symbols()
    kinds = list(dict.fromkeys(symbols))
    rows = ''.join(f'    <rc><c>{s:2s}</c><c>{kinds.index(s) + 1:4d}</c></rc>\n' for s in symbols)
    types = ''.join(
        f'    <rc><c>{symbols.count(s):4d}</c><c>{s:2s}</c><c>1.0</c><c>12.0</c>'
        f'<c> PAW_PBE {s} 01Jan2000 </c></rc>\n'
        for s in kinds
    )
    return (
        f' <atominfo>\n  <atoms>{len(atoms):8d} </atoms>\n  <types>{len(kinds):8d} </types>\n'
        '  <array name="atoms" >\n   <dimension dim="1">ion</dimension>\n'
        '   <field type="string">element</field>\n   <field type="int">atomtype</field>\n'
        f'   <set>\n{rows}   </set>\n  </array>\n'
        '  <array name="atomtypes" >\n   <dimension dim="1">type</dimension>\n'
        '   <field type="int">atomspertype</field>\n   <field type="string">element</field>\n'
        '   <field>mass</field>\n   <field>valence</field>\n'
        '   <field type="string">pseudopotential</field>\n'
        f'   <set>\n{types}   </set>\n  </array>\n </atominfo>\n'
    )


def _structure(atoms, name=''):
    label = f' name="{name}"' if name else ''
    return (
        f' <structure{label} >\n  <crystal>\n'
        + _array('basis', atoms.cell.array, '   ')
        + f'   <i name="volume"> {atoms.get_volume():.8f} </i>\n'
        + _array('rec_basis', atoms.cell.reciprocal(), '   ')
        + '  </crystal>\n'
        + _array('positions', atoms.get_scaled_positions(), '  ')
        + ' </structure>\n'
    )


def _energy(atoms):
    energy = atoms.get_potential_energy()
    names = ('e_fr_energy', 'e_wo_entrp', 'e_0_energy')
    items = ''.join(f'   <i name="{name}"> {energy:.8f} </i>\n' for name in names)
    return f'  <energy>\n{items}  </energy>\n'


def _eigenvalues(atoms, settings):
    """Return bands, half of them occupied; VASP writes them for the last image alone."""
    n_bands = _bands(atoms)
    rows = ''.join(
        f'       <r> {-5.0 + 10.0 * b / n_bands:10.4f} {float(b < n_bands // 2):10.4f} </r>\n'
        for b in range(n_bands)
    )
    spins = ''.join(
        f'     <set comment="spin {s}">\n      <set comment="kpoint 1">\n{rows}      </set>\n'
        '     </set>\n'
        for s in range(1, int(settings['ISPIN']) + 1)
    )
    return (
        '  <eigenvalues>\n   <array>\n    <dimension dim="1">band</dimension>\n'
        '    <dimension dim="2">kpoint</dimension>\n    <dimension dim="3">spin</dimension>\n'
        '    <field>eigene</field>\n    <field>occ</field>\n'
        f'    <set>\n{spins}    </set>\n   </array>\n  </eigenvalues>\n'
        '  <dos>\n   <i name="efermi"> 0.00000000 </i>\n  </dos>\n'
    )


def _calculation(atoms, n_scf, eigenvalues=''):
    stress = -atoms.get_stress(voigt=False) / KILOBAR
    return (
        ' <calculation>\n'
        + n_scf * f'  <scstep>\n{_energy(atoms)}  </scstep>\n'
        + _structure(atoms)
        + _array('forces', atoms.get_forces(), '  ')
        + _array('stress', stress, '  ')
        + _energy(atoms)
        + eigenvalues
        + ' </calculation>\n'
    )


def write_outcar(images, settings, n_scf, *, ended=True):
    """Write what tells whether the run has come to its end, and how."""
    lines = [f' vasp.{VERSION} 19Mar24 (stand-in for tests)']
    lines += [f'   {name:6s} = {int(settings[name]):6d}' for name in ('NELM', 'NSW', 'IBRION')]
    lines.append(
        f'   k-points           NKPTS =      1   number of bands    NBANDS= {_bands(images[0])}'
    )
    for number, image in enumerate(images, start=1):
        lines += [f'- Iteration {number:6d}({step:4d})  -' for step in range(1, n_scf + 1)]
        stress = -image.get_stress() / KILOBAR
        xx, yy, zz, yz, xz, xy = stress
        volume = image.get_volume()
        lines += [
            f'  in kB  {xx:12.5f}{yy:12.5f}{zz:12.5f}{xy:12.5f}{yz:12.5f}{xz:12.5f}',
            f'  volume of cell : {volume:12.2f}',
            f'  free  energy   TOTEN  = {image.get_potential_energy():18.8f} eV',
        ]
    if int(settings['ISPIN']) == 2:
        lines += _magnetization(images[-1].calc.moments)
    if len(images) <= int(settings['NSW']):
        lines.append(' reached required accuracy - stopping structural energy minimisation')
    timing = [
        ' General timing and accounting informations for this job:',
        ' ========================================================',
        '                  Total CPU time used (sec):        1.000',
        '                            User time (sec):        0.900',
        '                          System time (sec):        0.100',
        '                         Elapsed time (sec):        1.100',
        '                   Maximum memory used (kb):      100000.',
        '                   Average memory used (kb):          N/A',
    ]
    Path('OUTCAR').write_text('\n'.join(lines + ended * timing) + '\n')


def _magnetization(moments):
    """Return the moments of cell and atoms as OUTCAR has them with LORBIT = 11."""
    rows = [f'{n:5d}      0.000   0.000  {m:6.3f}  {m:6.3f}' for n, m in enumerate(moments, 1)]
    total = sum(moments)
    return [
        f' number of electron      10.0000000 magnetization {total:12.7f}',
        ' magnetization (x)',
        '',
        '# of ion       s       p       d       tot',
        '------------------------------------------',
        *rows,
        '--------------------------------------------------',
        f'tot         0.000   0.000  {total:6.3f}  {total:6.3f}',
        '',
    ]


if __name__ == '__main__':
    sys.exit(main())
