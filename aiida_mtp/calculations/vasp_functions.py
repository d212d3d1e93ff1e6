"""Calcfunctions between sets of structures and the work chains of aiida-vasp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Str, StructureData
from ase.units import GPa

from aiida_mtp.calculations.code_functions import in_order, labelled
from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.dft.settings import hash_of
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from collections.abc import Mapping


KILOBAR = 0.1 * GPa


@calcfunction
def labels_of_vasp(
    structures: StructureSetData,
    found: Dict,
    settings: Dict,
    state: Str,
    relaxed: StructureData | None = None,
) -> StructureSetData:
    """Return the structure of a set with what VASP says of it.

    Parameters
    ----------
    found
        `misc` of aiida-vasp: energies in eV, forces in eV/Å, stress in kB, positive under
        compression.
    settings
        What the energies depend on.
    state
        Name of the magnetic state it was begun from.
    relaxed
        Where the relaxation ended; by default the structure is where it was.
    """
    batch, misc = structures.get_batch(), found.get_dict()
    version = misc.get('version', '')
    return labelled(
        batch,
        state.value,
        digest=hash_of(settings.get_dict(), version),
        status=DONE,
        energy=misc['total_energies']['energy_extrapolated'],
        **in_order(batch, misc['forces'], -KILOBAR * np.array(misc['stress']), relaxed),
        version=version,
        **_moments(misc),
    )


def _moments(misc: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the moment of the cell and the sum of those of the atoms, µB, if there is spin."""
    found = misc.get('site_magnetization') or {}
    of_atoms = found.get('sphere', {}).get('x', {}).get('site_moment', {})
    total = found.get('full_cell') or [None]
    sizes = [abs(moments['tot']) for moments in of_atoms.values()]
    return {'magnetic_moment': total[0], 'absolute_moment': sum(sizes) if sizes else None}
