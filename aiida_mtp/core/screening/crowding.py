"""Structures whose atoms stand too close to be metals: molecules on a lattice and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.neighbors import neighbor_list

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.structures import StructureBatch

CHUNK = 20_000  # structures whose neighbours are held at a time
TOUCHING = 2 ** (1 / 6)  # nearest distance in fcc, in units of the cube root of the atomic volume


def closest_contacts(batch: StructureBatch, atomic_volumes: Floats) -> Floats:
    """Return the closest contact of each structure, relative to touching spheres.

    Parameters
    ----------
    batch
        The structures.
    atomic_volumes
        shape (n_species,): volume per atom of the elements, Å³.

    Returns
    -------
    Floats
        shape (n_structures,): 1 if the closest atoms touch as they do in the close-packed
        elements; capped at 1.
    """
    diameters = TOUCHING * np.cbrt(atomic_volumes)
    contacts = np.ones(len(batch))
    for start in range(0, len(batch), CHUNK):
        part = batch.take(slice(start, start + CHUNK))
        pairs = neighbor_list(part, float(diameters.max()))
        centre = np.repeat(np.arange(len(part.positions)), np.diff(pairs.first))
        touching = 0.5 * (diameters[part.types[centre]] + diameters[part.types[pairs.index]])
        relative = np.linalg.norm(pairs.r_ij, axis=1) / touching
        np.minimum.at(contacts, start + part.structure_of_atom[centre], relative)
    return contacts
