"""The candidates of a screen: orderings of lattices, known crystals, structures of the user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.screening.crowding import closest_contacts
from aiida_mtp.core.screening.elements import PARENTS, elemental_structures
from aiida_mtp.core.screening.lattices import derivative_structures
from aiida_mtp.core.screening.library import (
    aflow_prototypes,
    decorated,
    prototypes_of,
    safe_name,
    unique_names,
)
from aiida_mtp.core.screening.perturbation import MIN_DIST, NOT_FINITE
from aiida_mtp.core.structures import NEW, StructureBatch

if TYPE_CHECKING:
    import os

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.screening.spec import PrototypeSpec

OVERLAPPING = 0.4  # closest contact no crystal has, in units of touching spheres


def make_prototypes(spec: PrototypeSpec, folder: str | os.PathLike[str] = '.') -> StructureBatch:
    """Return the candidates of a screen, each crystal once, at estimated volumes.

    First come the elements and derivative structures of fcc, bcc and hcp, then the decorations of
    the AFLOW library and of the user's prototypes, last the user's structures, whose volumes stay.
    Those that cannot be crystals have a status that says why: nothing should learn from them.

    Parameters
    ----------
    spec
        What to generate.
    folder
        Where names of files start from.

    Returns
    -------
    StructureBatch
        Right-handed compact cells. The species are the elements of `spec` in their order.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    folder = Path(folder)
    parts = [derivative_structures(p, spec.largest(p), spec.elements) for p in PARENTS]
    prototypes = aflow_prototypes(spec.largest_aflow) if spec.aflow else []
    for name in spec.prototypes:
        prototypes += prototypes_of(_read(folder / name), name)
    if prototypes:
        enumerated = {parent: spec.largest(parent) for parent in PARENTS}
        known = decorated(prototypes, spec.elements, enumerated)
        if not spec.polymorphs:
            known = known.take(np.count_nonzero(known.compositions, axis=1) > 1)
        parts.append(_with_reduced_cells(known))
    generated = StructureBatch.concatenate(parts).with_species(spec.elements)
    volumes = _atomic_volumes(spec)
    generated = _at_volumes(generated, volumes)
    if spec.closest:
        generated = generated.take(closest_contacts(generated, volumes) >= spec.closest)
    own = [_judged(_own_structures(folder / name, spec), volumes) for name in spec.structures]
    candidates = StructureBatch.concatenate([generated, *own])
    return _in_cell(candidates.replaced(ids=strings(unique_names(candidates.ids.tolist()))))


def _atomic_volumes(spec: PrototypeSpec) -> Floats:
    """Return the volume per atom of each element, Å³."""
    known = elemental_structures(spec.elements)
    elements = np.array(known.compositions.argmax(axis=1))
    per_atom = known.volumes / known.n_atoms
    volumes = [
        spec.atomic_volumes.get(symbol, per_atom[elements == column].mean())
        for column, symbol in enumerate(spec.elements)
    ]
    return np.array(volumes, dtype=np.float64)


def _at_volumes(batch: StructureBatch, atomic_volumes: Floats) -> StructureBatch:
    """Scale structures to the sum of the volumes of their atoms (Vegard)."""
    scale = np.cbrt(batch.compositions @ atomic_volumes / batch.volumes)
    return batch.replaced(
        cells=batch.cells * scale[:, None, None],
        positions=batch.positions * scale[batch.structure_of_atom, None],
    )


def _with_reduced_cells(batch: StructureBatch) -> StructureBatch:
    """Return the same crystals, their cells spanned by shortest vectors."""
    from ase.geometry import minkowski_reduce

    cells = [minkowski_reduce(cell)[0] for cell in batch.cells]  # type: ignore[no-untyped-call]
    return batch.replaced(cells=np.array(cells).reshape(-1, 3, 3))


def _in_cell(batch: StructureBatch) -> StructureBatch:
    """Return the same crystals with right-handed vectors and all atoms inside the cell."""
    cells = batch.cells * np.sign(np.linalg.det(batch.cells))[:, None, None]
    of_atom = batch.structure_of_atom
    scaled = np.einsum('ai,aij->aj', batch.positions, np.linalg.inv(cells)[of_atom])
    outside = np.floor(scaled + 1e-9)  # an atom on the border stays there
    positions = batch.positions - np.einsum('ai,aij->aj', outside, cells[of_atom])
    return batch.replaced(cells=cells, positions=positions)


def _own_structures(path: Path, spec: PrototypeSpec) -> StructureBatch:
    """Return the structures of a file, with ids that tell where they come from."""
    batch = _read(path)
    try:
        batch = batch.with_species(spec.elements)
    except InputError as error:
        raise InputError(f'{path}: {error}; other compounds can be given as prototypes') from None
    ids = [
        safe_name(name if ':' in name else f'{name}:{formula}')
        for name, formula in zip(_names(path, batch), batch.formulas, strict=True)
    ]
    origins = [f'{path.name}, {name}' for name in batch.ids]
    return batch.without_labels().replaced(
        ids=strings(ids),
        origins=strings(origins),
        status=strings([NEW] * len(batch)),
        columns={},
    )


def _judged(batch: StructureBatch, volumes: Floats) -> StructureBatch:
    """Return structures with a status for those that cannot be crystals."""
    is_finite = np.array(
        [
            bool(
                np.isfinite(batch.positions[batch.atoms_of(row)]).all() and np.isfinite(cell).all()
            )
            for row, cell in enumerate(batch.cells)
        ]
    )
    status = batch.status.copy()
    status[~is_finite] = NOT_FINITE
    contacts = closest_contacts(batch.take(is_finite), volumes)
    status[np.flatnonzero(is_finite)[contacts < OVERLAPPING]] = MIN_DIST
    return batch.replaced(status=status)


def _read(path: Path) -> StructureBatch:
    batch = read_structures(path)
    return batch.replaced(ids=strings(_names(path, batch)))


def _names(path: Path, batch: StructureBatch) -> list[str]:
    """Return the ids of a file's structures; those that are mere numbers with the file's name."""
    return [f'{path.stem}-{name}' if name.isdigit() else name for name in batch.ids]
