"""Calcfunctions between sets of structures and the work chains of aiida-vasp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Str, StructureData
from ase.units import GPa

from aiida_mtp.core.dft.magnetism import state_summary
from aiida_mtp.core.dft.results import DONE, FAILED, Result, with_results
from aiida_mtp.core.dft.settings import hash_of
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Ints
    from aiida_mtp.core.structures import StructureBatch

KILOBAR = 0.1 * GPa
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@calcfunction
def ordered_structure(structures: StructureSetData) -> StructureData:
    """Return the one structure of a set with its atoms sorted by species, as POSCAR has them."""
    batch = structures.get_batch()
    return StructureData(ase=batch.to_ase(0)[_order(batch)])


def _order(batch: StructureBatch) -> Ints:
    return np.argsort(batch.types, kind='stable')


@calcfunction
def labels_of_vasp(
    structures: StructureSetData,
    misc: Dict,
    settings: Dict,
    state: Str,
    relaxed: StructureData | None = None,
) -> StructureSetData:
    """Return the structure of a set with what VASP says of it.

    Parameters
    ----------
    misc
        Of aiida-vasp: energies in eV, forces in eV/Å, stress in kB, positive under compression.
    settings
        What the energies depend on.
    state
        Name of the magnetic state it was begun from.
    relaxed
        Where the relaxation ended; by default the structure is where it was.
    """
    batch, found = structures.get_batch(), misc.get_dict()
    back = np.argsort(_order(batch))
    stress = -KILOBAR * np.array(found['stress'])
    atoms = None if relaxed is None else relaxed.get_ase()[back]
    version = found.get('version', '')
    return _labelled(
        batch,
        state.value,
        digest=hash_of(settings.get_dict(), version),
        status=DONE,
        energy=found['total_energies']['energy_extrapolated'],
        forces=np.array(found['forces'])[back].tolist(),
        stress=[float(stress[pair]) for pair in VOIGT],
        positions=None if atoms is None else atoms.positions.tolist(),
        cell=None if atoms is None else atoms.cell.tolist(),
        version=version,
        **_moments(found),
    )


@calcfunction
def failed_labels(structures: StructureSetData, reason: Str, state: Str) -> StructureSetData:
    """Return the structure of a set with the reason why VASP has no result for it."""
    batch = structures.get_batch()
    return _labelled(batch, state.value, digest='', status=FAILED, message=reason.value)


def _labelled(batch: StructureBatch, state: str, **found: Any) -> StructureSetData:
    """Return the one structure of a batch with what was found from one magnetic state."""
    result = Result(
        structure='',
        task_digest='',
        magnetic_state=state,
        magnetic_states={state: state_summary(found)},
        **found,
    )
    return StructureSetData.from_batch(with_results(batch, [result]))


def _moments(misc: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the moment of the cell and the sum of those of the atoms, µB, if there is spin."""
    found = misc.get('site_magnetization') or {}
    of_atoms = found.get('sphere', {}).get('x', {}).get('site_moment', {})
    total = found.get('full_cell') or [None]
    sizes = [abs(moments['tot']) for moments in of_atoms.values()]
    return {'magnetic_moment': total[0], 'absolute_moment': sum(sizes) if sizes else None}
