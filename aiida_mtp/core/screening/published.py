"""Formation energies others have published, to hold a hull against."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MP = 'Materials Project'
OQMD = 'OQMD (CC BY 4.0)'
PYCLUPAN = 'pyclupan data (PBE)'

_VALUES: dict[str, tuple[float, str]] = {
    'AlNi': (-0.66, f'{MP}: −0.66 to −0.70'),
    'AlNi3': (-0.43, f'{MP}: −0.43 to −0.45'),
    'Al3Ni': (-0.411, OQMD),
    'Al4Ni3': (-0.632, OQMD),
    'Al3Ni2': (-0.619, OQMD),
    'Al3Ni5': (-0.574, OQMD),
    'AlTi': (-0.436, OQMD),
    'AlTi3': (-0.328, OQMD),
    'Al2Ti': (-0.450, OQMD),
    'Al3Ti': (-0.412, OQMD),
    'NiTi': (-0.418, OQMD),
    'Ni3Ti': (-0.495, OQMD),
    'NiTi2': (-0.313, OQMD),
    'Ni4Ti3': (-0.434, OQMD),
    'AlNi2Ti': (-0.641, OQMD),
    'Al16Ni7Ti6': (-0.574, OQMD),
    'Cu3Pt': (-0.141, OQMD),
    'CuPt7': (-0.076, OQMD),
    'Ni3Pt': (-0.076, OQMD),
    'NiPt': (-0.101, OQMD),
    'Cu3Pd': (-0.108, OQMD),
    'Cu4Pd': (-0.072, OQMD),
    'CuPd': (-0.126, OQMD),
    'CoPt': (-0.092, OQMD),
    'CoPt3': (-0.067, OQMD),
    'HfMo2': (-0.170, OQMD),
    'AgAu': (-0.0617, PYCLUPAN),
    'AuCu3': (-0.0461, PYCLUPAN),
    'AgAu3': (-0.0457, PYCLUPAN),
    'Ag4Au': (-0.0367, PYCLUPAN),
    'Ag3Au': (-0.0451, PYCLUPAN),
    'Au2Cu': (-0.0456, PYCLUPAN),
    'Ag2Au': (-0.0510, PYCLUPAN),
    'Ag3Au2': (-0.0554, PYCLUPAN),
    'AuCu': (-0.0582, PYCLUPAN),
    'Ag5Au': (-0.0309, PYCLUPAN),
    'Au3Cu2': (-0.0512, PYCLUPAN),
    'AgAu2Cu': (-0.0621, PYCLUPAN),
}


def published_energies(species: Sequence[str]) -> dict[str, tuple[float, str]]:
    """Return published formation energies of the compounds of these elements.

    Parameters
    ----------
    species
        Chemical symbols.

    Returns
    -------
    dict
        Reduced formula, the elements in alphabetical order → eV/atom and its source.

    Notes
    -----
    All are of the PBE functional. They are for comparison, not a test: they belong to the lowest
    structure their source has of a composition. OQMD: Saal et al., JOM 65, 1501 (2013), which fits
    the energies of some elements, such as Ti, to measured formation enthalpies. Materials Project:
    Jain et al., APL Mater. 1, 011002 (2013). Cu-Ag-Au: relaxed orderings of fcc up to six atoms of
    the pyclupan examples.
    """
    wanted = set(species)
    return {
        formula: value
        for formula, value in _VALUES.items()
        if set(re.findall(r'[A-Z][a-z]?', formula)) <= wanted
    }
