"""Structures in files; the suffix of a name tells the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from aiida_mtp.core.structures import StructureBatch

KNOWN = (
    '.parquet, .cfg, .xyz, .extxyz, .json (entries of pymatgen), .jsonl (OPTIMADE), .cif, .vasp, '
    'POSCAR*, CONTCAR*'
)


def read_structures(
    path: str | os.PathLike[str], species: Sequence[str] | None = None
) -> StructureBatch:
    """Read every structure of a file.

    Parameters
    ----------
    path
        Its name tells the format: ``.parquet``, ``.cfg`` (MLIP), ``.xyz``, ``.extxyz``, ``.json``
        (entries of pymatgen), ``.jsonl`` (OPTIMADE), ``.cif``, ``.vasp``, ``POSCAR…``,
        ``CONTCAR…``.
    species
        The list of species in which the types of the batch count. For a ``.cfg`` file, which has
        no names, these are the names of its types; by default ``type0``, ``type1`` …

    Raises
    ------
    InputError
        If the file cannot be understood.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == 'cfg':
        from aiida_mtp.core.files.cfg import read_cfg

        return read_cfg(path, species)
    if kind == 'parquet':
        from aiida_mtp.core.files.parquet import read_parquet

        batch = read_parquet(path)
    elif kind == 'extxyz':
        from aiida_mtp.core.files.extxyz import read_extxyz

        batch = read_extxyz(path)
    elif kind == 'entries':
        from aiida_mtp.core.files.entries import read_entries

        batch = read_entries(path)
    elif kind == 'optimade':
        from aiida_mtp.core.files.optimade import read_optimade

        batch = read_optimade(path)
    elif kind == 'cif':
        from aiida_mtp.core.files.crystal import read_cif

        batch = read_cif(path)
    else:
        from aiida_mtp.core.files.crystal import read_poscar

        batch = read_poscar(path)
    if species is None:
        return batch
    try:
        return batch.with_species(species)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def write_structures(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write a batch, whole or not at all; the name tells the format as for reading.

    Parquet keeps everything; ``.cfg`` has no names of species, ``.xyz`` eight decimals, and both
    write columns as text; ``.json`` and ``.jsonl`` have energies alone; ``.cif`` and POSCAR hold
    cells and positions.

    Raises
    ------
    InputError
        If the format cannot hold the batch.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == 'parquet':
        from aiida_mtp.core.files.parquet import write_parquet as write
    elif kind == 'cfg':
        from aiida_mtp.core.files.cfg import write_cfg as write
    elif kind == 'extxyz':
        from aiida_mtp.core.files.extxyz import write_extxyz as write
    elif kind == 'entries':
        from aiida_mtp.core.files.entries import write_entries as write
    elif kind == 'optimade':
        from aiida_mtp.core.files.optimade import write_optimade as write
    elif kind == 'cif':
        from aiida_mtp.core.files.crystal import write_cif as write
    else:
        from aiida_mtp.core.files.crystal import write_poscar as write
    write(path, batch)


def _kind(path: Path) -> str:
    """Return the format a name stands for."""
    suffixes = {
        '.parquet': 'parquet',
        '.cfg': 'cfg',
        '.xyz': 'extxyz',
        '.extxyz': 'extxyz',
        '.json': 'entries',
        '.jsonl': 'optimade',
        '.cif': 'cif',
        '.vasp': 'poscar',
    }
    kind = suffixes.get(path.suffix.lower())
    if kind is None and path.name.upper().startswith(('POSCAR', 'CONTCAR')):
        kind = 'poscar'
    if kind is None:
        raise InputError(f'{path}: the name tells no format of structures; known: {KNOWN}')
    return kind
