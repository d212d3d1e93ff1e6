"""Structures from and to files, the format by suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.cfg import read_cfg, write_cfg
from aiida_mtp.core.files.crystal import read_crystal, write_cif, write_poscar
from aiida_mtp.core.files.extxyz import read_extxyz, write_extxyz
from aiida_mtp.core.files.parquet import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiida_mtp.core.structures import StructureBatch

_READERS: dict[str, Callable[..., StructureBatch]] = {
    '.cfg': read_cfg,
    '.xyz': read_extxyz,
    '.extxyz': read_extxyz,
    '.cif': read_crystal,
    '.vasp': read_crystal,
}
_WRITERS: dict[str, Callable[[Path, StructureBatch], None]] = {
    '.parquet': write_parquet,
    '.cfg': write_cfg,
    '.xyz': write_extxyz,
    '.extxyz': write_extxyz,
    '.cif': write_cif,
    '.vasp': write_poscar,
}


def read_structures(path: str | Path, species: Sequence[str] | None = None) -> StructureBatch:
    """Read a file of structures.

    Parameters
    ----------
    path
        ``.parquet``, ``.cfg`` (MLIP), ``.xyz``/``.extxyz``, ``.cif``, ``.vasp``/``POSCAR``.
    species
        The species and their order; names for the nameless types of a ``.cfg``.

    Raises
    ------
    InputError
        If the file cannot be read; the message names it and says why.
    """
    suffix = _suffix(path)
    if suffix == '.parquet':
        batch = read_parquet(path)
        if not species:
            return batch
        nameless = all(name.startswith('type') for name in batch.species)
        return batch.renamed(species) if nameless else batch.with_species(species)
    if suffix not in _READERS:
        raise InputError(f'{path}: unknown suffix; known are .parquet, {", ".join(_READERS)}')
    return _READERS[suffix](path, species)


def write_structures(path: str | Path, batch: StructureBatch) -> None:
    """Write a file of structures, whole or not at all.

    Raises
    ------
    InputError
        If the suffix is unknown, or the format cannot hold the batch.
    """
    suffix = _suffix(path)
    if suffix not in _WRITERS:
        raise InputError(f'{path}: unknown suffix; known are {", ".join(_WRITERS)}')
    _WRITERS[suffix](Path(path), batch)


def _suffix(path: str | Path) -> str:
    name = Path(path).name
    return '.vasp' if name.startswith(('POSCAR', 'CONTCAR')) else Path(path).suffix.lower()
