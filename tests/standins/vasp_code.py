"""VASP's stand-in as a code of AiiDA, with potentials that are made up."""

import sys
from pathlib import Path

from aiida.orm import InstalledCode
from aiida_vasp.data.potcar import PotcarData

SCRIPT = Path(__file__).with_name('vasp.py')
FAMILY = 'TEST'
POTCAR = """  PAW_PBE {element} 01Jan2000
   3.00000000000000
 parameters from PSCTR are:
   VRHFIN ={element}: s2p1
   LEXCH  = PE
   EATOM  =    10.0000 eV,    1.0000 Ry

   TITEL  = PAW_PBE {element} 01Jan2000
   LULTRA =        F    use ultrasoft PP ?
   IUNSCR =        1    unscreen: 0-lin 1-nonlin 2-no
   RPACOR =    1.500    partial core radius
   POMASS =   26.982; ZVAL   =    3.000    mass and valenz
   RCORE  =    1.900    outmost cutoff radius
   RWIGS  =    2.650; RWIGS  =    1.402    wigner-seitz radius (au A)
   ENMAX  =  {enmax}; ENMIN  =  180.225 eV
   EAUG   =  291.052
   END of PSCTR-controll parameters
 End of Dataset
"""


class VaspStandIn:
    """A code of AiiDA that behaves as VASP does.

    Parameters
    ----------
    folder
        Where the executable and the potentials are made.
    enmax
        By element, eV.
    """

    def __init__(self, computer, folder, enmax):
        computer.set_minimum_job_poll_interval(0.1)
        computer.configure(safe_interval=0)
        for element, value in enmax.items():
            (folder / 'potentials' / element).mkdir(parents=True)
            text = POTCAR.format(element=element, enmax=value)
            (folder / 'potentials' / element / 'POTCAR').write_text(text)
        PotcarData.upload_potcar_family(str(folder / 'potentials'), FAMILY, 'made up for tests')
        self._executable, self._counter = folder / 'vasp', folder / 'runs'
        self.fail_with('')
        self.code = InstalledCode(
            label='vasp',
            computer=computer,
            filepath_executable=str(self._executable),
            default_calc_job_plugin='vasp.vasp',
        ).store()

    def fail_with(self, failure):
        """Make the next runs fail; see `vasp.py` for how."""
        self._executable.write_text(
            f'#!/bin/sh\nexport VASP_STANDIN_FAILURE={failure}\n'
            f'export VASP_STANDIN_COUNTER={self._counter}\nexec {sys.executable} {SCRIPT}\n'
        )
        self._executable.chmod(0o755)
