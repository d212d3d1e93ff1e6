"""Quantum ESPRESSO as a code of AiiDA, with pseudopotentials; skips where there are none."""

import os
import shutil
from pathlib import Path

import pytest
from aiida.orm import InstalledCode

FAMILY = 'TEST'
CUTOFFS = {'Al': (20.0, 80.0), 'Ni': (35.0, 280.0)}  # Ry


def espresso_code(computer):
    """Return pw.x as a code, and install the pseudopotentials as a family."""
    pytest.importorskip('aiida_quantumespresso')
    from aiida_pseudo.data.pseudo.upf import UpfData
    from aiida_pseudo.groups.family.cutoffs import CutoffsPseudoPotentialFamily

    executable = shutil.which('pw.x')
    if executable is None:
        pytest.skip('pw.x is not installed: apt-get install quantum-espresso')
    folder = os.environ.get('AIIDA_MTP_TEST_PSEUDOS')
    if folder is None or not Path(folder).is_dir():
        pytest.skip('AIIDA_MTP_TEST_PSEUDOS names no folder: .ci/pseudopotentials.sh makes it')
    family = CutoffsPseudoPotentialFamily.create_from_folder(
        Path(folder), FAMILY, pseudo_type=UpfData
    )
    cutoffs = {
        element: {'cutoff_wfc': waves, 'cutoff_rho': density}
        for element, (waves, density) in CUTOFFS.items()
    }
    family.set_cutoffs(cutoffs, 'normal', unit='Ry')
    computer.set_minimum_job_poll_interval(0.1)
    computer.configure(safe_interval=0)
    return InstalledCode(
        label='pw',
        computer=computer,
        filepath_executable=executable,
        default_calc_job_plugin='quantumespresso.pw',
        prepend_text='export OMP_NUM_THREADS=1',
    ).store()
