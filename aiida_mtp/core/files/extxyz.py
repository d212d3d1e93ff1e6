"""Extended XYZ, through ASE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core._arrays import as_column
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.structures import NEW, StructureBatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_RESERVED = {'id', 'origin', 'status', 'energy', 'stress', 'virial', 'forces', 'magmom'}


def read_extxyz(path: str | Path, species: Sequence[str] | None = None) -> StructureBatch:
    """Read all frames, with energy, forces and stress where they are given.

    Raises
    ------
    InputError
        If the file is not one, or a frame is not periodic.
    """
    from ase.io import read

    try:
        frames: Any = read(path, index=':', format='extxyz')
    except (ValueError, KeyError, IndexError, OSError, RuntimeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f'{path}: not a readable extended XYZ file ({why})') from None
    infos = [frame.info for frame in frames]
    try:
        batch = StructureBatch.from_ase(
            frames,
            species,
            ids=[str(info.get('id', i)) for i, info in enumerate(infos)],
            origins=[str(info.get('origin', '')) for info in infos],
            status=[str(info.get('status', NEW)) for info in infos],
        )
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    labels = [_labels(frame) for frame in frames]
    return batch.replaced(
        energies=np.array([label[0] for label in labels], dtype=np.float64),
        forces=np.concatenate([label[1] for label in labels]).reshape(-1, 3),
        stresses=np.array([label[2] for label in labels]).reshape(-1, 6),
        columns=_scalar_columns(infos),
    )


def _labels(frame: Any) -> tuple[float, Any, Any]:
    results = frame.calc.results if frame.calc else {}
    energy = results.get('energy', frame.info.get('energy', np.nan))
    forces = results.get('forces', np.full((len(frame), 3), np.nan))
    stress = results.get('stress', np.full(6, np.nan))
    return float(energy), np.asarray(forces), np.asarray(stress)


def _scalar_columns(infos: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what every frame carries as one number or one word."""
    columns: dict[str, Any] = {}
    for name in sorted(set.intersection(*(set(info) for info in infos)) if infos else ()):
        values = [info[name] for info in infos]
        if name in _RESERVED:
            continue
        if all(isinstance(v, (int, float, np.integer, np.floating)) for v in values):
            columns[name] = np.array(values, dtype=np.float64)
        elif all(isinstance(v, str) for v in values):
            columns[name] = as_column(values)
    return columns


def write_extxyz(path: str | Path, batch: StructureBatch) -> None:
    """Write all structures with their labels and columns."""
    from ase.io import write

    frames = []
    for index in range(len(batch)):
        atoms = batch.to_ase(index)
        atoms.info.update(origin=batch.origins[index], status=batch.status[index])
        for name, column in batch.columns.items():
            atoms.info[name] = column[index]
        frames.append(atoms)
    with atomic_path(path) as temporary:
        if frames:
            write(temporary, frames, format='extxyz')
        else:
            temporary.touch()
