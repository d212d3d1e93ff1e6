"""Calcfunctions between sets of structures and the work chains of aiida-quantumespresso."""

from __future__ import annotations

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Str, StructureData, TrajectoryData
from ase.units import GPa

from aiida_mtp.calculations.code_functions import in_order, labelled
from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.dft.settings import hash_of
from aiida_mtp.data.structures import StructureSetData


@calcfunction
def labels_of_espresso(
    structures: StructureSetData,
    found: Dict,
    trajectory: TrajectoryData,
    settings: Dict,
    state: Str,
    relaxed: StructureData | None = None,
) -> StructureSetData:
    """Return the structure of a set with what Quantum ESPRESSO says of it.

    Parameters
    ----------
    found
        `output_parameters` of aiida-quantumespresso: energies in eV, moments in µB.
    trajectory
        Its last forces (eV/Å) and stress (GPa, positive under compression) are those of the end.
    settings
        What the energies depend on.
    state
        Name of the magnetic state it was begun from.
    relaxed
        Where the relaxation ended; by default the structure is where it was.
    """
    values = found.get_dict()
    version = f'{values["creator_name"]} {values["creator_version"]}'
    stress = -GPa * np.array(trajectory.get_array('stress')[-1])
    batch = structures.get_batch()
    return labelled(
        batch,
        state.value,
        digest=hash_of(settings.get_dict(), version),
        status=DONE,
        energy=values['energy'],
        version=version,
        magnetic_moment=values.get('total_magnetization'),
        absolute_moment=values.get('absolute_magnetization'),
        **in_order(batch, trajectory.get_array('forces')[-1], stress, relaxed),
    )
