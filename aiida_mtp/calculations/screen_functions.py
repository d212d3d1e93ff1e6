"""Calcfunctions of the whole screen."""

from __future__ import annotations

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, List

from aiida_mtp.core.screening.elements import elemental_structures as structures_of_elements
from aiida_mtp.data.structures import StructureSetData


@calcfunction
def elemental_structures(elements: List) -> StructureSetData:
    """Return the elements in the structures they are known in."""
    return StructureSetData.from_batch(structures_of_elements(elements.get_list()))


@calcfunction
def prototype_spec(elements: List, prototypes: Dict, references: StructureSetData) -> Dict:
    """Return what to generate, with the volume per atom of each element as DFT relaxed it."""
    batch = references.get_batch()
    per_atom = batch.volumes / batch.n_atoms
    volumes = {}
    for column, symbol in enumerate(batch.species):
        own = np.flatnonzero(batch.compositions[:, column] == batch.n_atoms)
        lowest = own[np.argmin(batch.energies_per_atom[own])]
        volumes[symbol] = float(per_atom[lowest])
    return Dict(
        {**prototypes.get_dict(), 'elements': elements.get_list(), 'atomic_volumes': volumes}
    )
