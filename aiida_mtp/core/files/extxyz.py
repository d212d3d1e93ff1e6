"""Extended XYZ, through ASE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.names import column_name
from aiida_mtp.core.structures import NEW, StructureBatch

if TYPE_CHECKING:
    import os

    from ase import Atoms

_ROWS = {'id': 'ids', 'origin': 'origins', 'status': 'status'}
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


def read_extxyz(path: str | os.PathLike[str]) -> StructureBatch:
    """Read structures, their labels, and the numbers and words of their comment lines.

    A `virial` (−V σ, eV) is read as the stress where there is no `stress`.

    Raises
    ------
    InputError
        If the file is malformed or a structure is not a crystal.
    """
    from ase.io.extxyz import XYZError, read_xyz

    with Path(path).open(encoding='utf-8', errors='replace') as file:
        try:
            images = list(read_xyz(file, slice(None)))
        # What ASE raises on lines that are not extended XYZ.
        except (XYZError, ValueError, KeyError, IndexError, TypeError, StopIteration) as error:
            reason = str(error).split('\n', 1)[0]
            raise InputError(f'{path}: not extended XYZ ({reason})') from None
    rows: dict[str, Any] = {}
    for key, name in _ROWS.items():
        values = [str(atoms.info.pop(key, '')) for atoms in images]
        if all(values):
            rows[name] = values
    stresses = [_stress(atoms) for atoms in images]
    try:
        return StructureBatch.from_ase(
            images,
            energies=[_result(atoms, 'energy', ()) for atoms in images],
            forces=[_result(atoms, 'forces', (len(atoms), 3)) for atoms in images],
            stresses=stresses,
            columns=_columns(images),
            **rows,
        )
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def write_extxyz(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write structures with labels and columns.

    Raises
    ------
    InputError
        If a species is no chemical element.
    """
    from ase.io.extxyz import write_xyz

    try:
        images = [_image(batch, index) for index in range(len(batch))]
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        write_xyz(file, images)


def _image(batch: StructureBatch, index: int) -> Atoms:
    """Return a structure with everything known of it."""
    atoms = batch.to_ase(index)
    atoms.info['origin'] = str(batch.origins[index])
    atoms.info['status'] = str(batch.status[index])
    atoms.info.update({name: column[index] for name, column in batch.columns.items()})
    atoms.info = {key: value for key, value in atoms.info.items() if not _is_blank(value)}
    return atoms


def _is_blank(value: Any) -> bool:
    """Whether a value says nothing."""
    return value in ('', NEW) if isinstance(value, str) else bool(np.isnan(value))


def _result(atoms: Atoms, name: str, shape: tuple[int, ...]) -> Any:
    """Return a label, or NaN."""
    results = {} if atoms.calc is None else atoms.calc.results
    return np.asarray(results.get(name, np.full(shape, np.nan)), dtype=np.float64)


def _stress(atoms: Atoms) -> Any:
    """Return the stress, shape (6,)."""
    stress = _result(atoms, 'stress', (6,))
    virial = atoms.info.pop('virial', None)
    if np.isfinite(stress).all() or np.size(virial) != 9:
        return stress
    tensor = np.asarray(virial, dtype=np.float64).reshape(3, 3)
    return -tensor[_VOIGT] / abs(atoms.cell.volume)


def _columns(images: list[Atoms]) -> dict[str, Any]:
    """Return a column for every number or word of the comment lines."""
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(key for atoms in images for key in atoms.info):
        values = [atoms.info.get(key) for atoms in images]
        known = [value for value in values if value is not None]
        if all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in known):
            columns[column_name(key)] = np.array(
                [np.nan if value is None else value for value in values], dtype=np.float64
            )
        elif all(np.ndim(value) == 0 for value in known):
            columns[column_name(key)] = ['' if value is None else str(value) for value in values]
    return columns
