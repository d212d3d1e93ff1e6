"""CIF and POSCAR: one crystal a file, through pymatgen."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure


def read_crystal(path: str | Path, species: Sequence[str] | None = None) -> StructureBatch:
    """Read one crystal; its id is the name of the file.

    Raises
    ------
    InputError
        If the file is not readable, or a site is partly occupied.
    """
    structure = _structure(Path(path))
    for site in structure:
        if not site.is_ordered:
            where = ', '.join(f'{x:.3f}' for x in site.frac_coords)
            raise InputError(
                f'{path}: the site at {where} is partly occupied ({site.species_string}); '
                'give an ordered structure'
            )
    symbols = [site.specie.symbol for site in structure]
    names = tuple(species) if species else tuple(sorted(set(symbols)))
    strange = sorted(set(symbols) - set(names))
    if strange:
        raise InputError(f'{path}: species {", ".join(strange)} not among {", ".join(names)}')
    return StructureBatch.build(
        names,
        [[names.index(symbol) for symbol in symbols]],
        [structure.cart_coords],
        np.array([structure.lattice.matrix]),
        ids=[Path(path).name.removesuffix('.cif').removesuffix('.vasp')],
        origins=[f'file {Path(path).name}'],
    )


def _structure(path: Path) -> Structure:
    from pymatgen.io.cif import CifParser
    from pymatgen.io.vasp.inputs import Poscar

    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # pymatgen's remarks on roundings of a CIF
            if path.suffix == '.cif':
                return CifParser(path, occupancy_tolerance=1.05).parse_structures(primitive=True)[0]
            return Poscar.from_str(path.read_text(encoding='utf-8')).structure
    except (ValueError, KeyError, IndexError, AssertionError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        why = 'no such file' if missing else (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f'{path}: not a readable crystal ({why})') from None


def write_poscar(path: str | Path, batch: StructureBatch) -> None:
    """Write the one structure of a batch.

    Raises
    ------
    InputError
        If there is not exactly one.
    """
    from ase.io import write

    if len(batch) != 1:
        raise InputError(f'{path}: holds one structure, but there are {len(batch)}; use .parquet')
    with atomic_path(path) as temporary:
        write(temporary, batch.to_ase(0), format='vasp', direct=True, sort=True)


def write_cif(path: str | Path, batch: StructureBatch) -> None:
    """Write the one structure of a batch, as `write_poscar` does."""
    from ase.io import write

    if len(batch) != 1:
        raise InputError(f'{path}: holds one structure, but there are {len(batch)}; use .parquet')
    with atomic_path(path) as temporary:
        write(temporary, batch.to_ase(0), format='cif')
