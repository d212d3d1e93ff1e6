"""Potentials of VASP and Quantum ESPRESSO that are made up."""

import pytest
from standins.vasp_code import POTCAR


def write_potcars(folder, names):
    """Write potentials, such as ``Ni`` or ``Ni_pv``, below a folder."""
    for name in names:
        element = name.partition('_')[0]
        text = POTCAR.format(element=name, enmax=200)
        (folder / name).mkdir(parents=True)
        (folder / name / 'POTCAR').write_text(text.replace(f'VRHFIN ={name}', f'VRHFIN ={element}'))
    return folder


def make_pseudo_family(folder, label, elements):
    """Return a family of pseudopotentials without cutoffs."""
    groups = pytest.importorskip('aiida_pseudo.groups.family')
    upf = pytest.importorskip('aiida_pseudo.data.pseudo.upf')
    folder.mkdir()
    for name in elements:
        header = f'<PP_HEADER element="{name}" z_valence="3.0"/>'
        (folder / f'{name}.upf').write_text(f'<UPF version="2.0.1">{header}</UPF>')
    make = groups.CutoffsPseudoPotentialFamily.create_from_folder
    return make(folder, label, pseudo_type=upf.UpfData)
