"""Entries of pymatgen, as JSON: what its phase diagrams take, and databases hand out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.crystal import images_of
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import os

NAMES = ('entry_id', 'material_id', 'structure_id')  # what databases call an id
KEPT = ('formation_energy', 'e_above_hull', 'label_process', 'label_settings', 'magnetic_moment')


def write_entries(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write structures with their energies, eV per cell, as `ComputedStructureEntry`.

    Forces and stresses are lost; what the hull knows of a structure is kept in `data`.

    Raises
    ------
    InputError
        If a structure has no energy, or a species is no chemical element.
    """
    from pymatgen.entries.computed_entries import ComputedStructureEntry
    from pymatgen.io.ase import AseAtomsAdaptor

    unlabelled = batch.ids[~np.isfinite(batch.energies)]
    if len(unlabelled):
        raise InputError(f'{path}: {unlabelled[0]} has no energy, and an entry must have one')
    entries = []
    for row, atoms in enumerate(images_of(path, batch.without_labels())):
        data = {key: _plain(batch.columns[key][row]) for key in KEPT if key in batch.columns}
        entry = ComputedStructureEntry(
            AseAtomsAdaptor.get_structure(atoms),
            float(batch.energies[row]),
            data={'origin': str(batch.origins[row]), 'status': str(batch.status[row]), **data},
            entry_id=str(batch.ids[row]),
        )
        entries.append(entry.as_dict())
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(entries), encoding='utf-8')


def read_entries(path: str | os.PathLike[str]) -> StructureBatch:
    """Read a list of entries, or of documents of a database, each with a structure.

    Energies are those of entries, uncorrected; without one a structure has none. Classes that a
    file names are not looked at: only structures are made of it.

    Raises
    ------
    InputError
        If this is no such list, or a site is not occupied by one element.
    """
    from pymatgen.core.structure import Structure
    from pymatgen.io.ase import AseAtomsAdaptor

    try:
        found = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{path}: no JSON ({error})') from None
    images, ids, energies = [], [], []
    for number, entry in enumerate(_listed(path, found)):
        name = next((str(entry[key]) for key in NAMES if entry.get(key)), f'entry-{number}')
        try:
            structure = Structure.from_dict(entry['structure'])
            structure.remove_oxidation_states()
            atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
            energy = float(entry.get('energy', math.nan))
        # What pymatgen raises on dictionaries that are no structures.
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            reason = str(error).split('\n', 1)[0]
            raise InputError(f'{path}: {name} has no ordered structure ({reason})') from None
        images.append(atoms)
        ids.append(name)
        energies.append(energy)
    try:
        return StructureBatch.from_ase(images, ids=ids, energies=energies)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def _listed(path: Any, found: Any) -> list[dict[str, Any]]:
    """Return the entries; some exports have them below a word."""
    if isinstance(found, dict):
        found = next((found[key] for key in ('entries', 'data') if key in found), found)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f'{path}: not a list of entries, each with a structure')
    return found


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; what is not a number is null."""
    if isinstance(value, str):
        return value
    return float(value) if math.isfinite(value) else None
