"""Formats of crystallography that hold cells and positions alone: CIF and POSCAR."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import os

    from ase import Atoms


def read_cif(path: str | os.PathLike[str]) -> StructureBatch:
    """Read the crystals of a CIF, one per data block.

    Raises
    ------
    InputError
        If it is malformed or a site is only partly or not uniquely occupied.
    """
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.io.cif import CifParser

    text = Path(path).read_text(encoding='utf-8', errors='replace')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # on rounded coordinates, mostly
            # A tolerance that lets every occupancy pass: it is judged below, where it has a name.
            parser = CifParser.from_str(text, occupancy_tolerance=100.0)
            structures = parser.parse_structures(primitive=False, check_occu=False)
    # What pymatgen raises on files that are no CIF.
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error).split('\n', 1)[0]
        raise InputError(f'{path}: no crystal found in this CIF ({reason})') from None
    for structure in structures:
        for site in structure:
            if not site.is_ordered:
                where = ', '.join(f'{x:.4g}' for x in site.frac_coords)
                raise InputError(
                    f'{path}: the site at ({where}) is occupied by {site.species_string}; only '
                    'ordered structures can be used'
                )
    for structure in structures:
        structure.remove_oxidation_states()
    return _batch(path, [AseAtomsAdaptor.get_atoms(s, msonable=False) for s in structures])


def read_poscar(path: str | os.PathLike[str]) -> StructureBatch:
    """Read the crystal of a POSCAR or CONTCAR.

    Raises
    ------
    InputError
        If it is malformed or does not name its elements.
    """
    from ase.io.vasp import read_vasp

    with Path(path).open(encoding='utf-8', errors='replace') as file:
        try:
            atoms = read_vasp(file)
        # What ASE raises on lines that are no POSCAR.
        except (ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
            reason = str(error).split('\n', 1)[0]
            raise InputError(f'{path}: not a POSCAR with named elements ({reason})') from None
    return _batch(path, [atoms])


def write_cif(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write crystals without symmetry, one data block each; labels and orientation are lost.

    Raises
    ------
    InputError
        If a species is no chemical element.
    """
    images = images_of(path, batch)
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        for index, atoms in enumerate(images):
            file.write(_cif_block(f'{index}_{batch.ids[index]}', atoms))


def write_poscar(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write one crystal as a POSCAR; labels are lost.

    Raises
    ------
    InputError
        If there is not exactly one, or a species is no chemical element.
    """
    from ase.io.vasp import write_vasp

    if len(batch) != 1:
        raise InputError(f'{path}: a POSCAR holds one structure, not {len(batch)}; use .cif')
    (atoms,) = images_of(path, batch)
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        write_vasp(file, atoms, direct=True)


def images_of(path: Any, batch: StructureBatch) -> list[Atoms]:
    """Return the structures as ASE knows them; `InputError` names the file they are for."""
    try:
        return [batch.to_ase(index) for index in range(len(batch))]
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def _cif_block(name: str, atoms: Atoms) -> str:
    """Return a crystal as a data block of CIF, with all digits."""
    keys = [f'length_{x}' for x in 'abc'] + [f'angle_{x}' for x in ('alpha', 'beta', 'gamma')]
    lines = ['data_' + ''.join(c if c.isascii() and c.isprintable() else '_' for c in name)]
    lines[0] = '_'.join(lines[0].split())
    lines += [
        f'_cell_{key} {float(x)!r}' for key, x in zip(keys, atoms.cell.cellpar(), strict=True)
    ]
    lines += ["_symmetry_space_group_name_H-M 'P 1'", '_symmetry_Int_Tables_number 1']
    lines += ['loop_', '_symmetry_equiv_pos_as_xyz', "'x, y, z'"]
    lines += ['loop_', '_atom_site_label', '_atom_site_type_symbol']
    lines += [f'_atom_site_fract_{x}' for x in 'xyz'] + ['_atom_site_occupancy']
    scaled = atoms.cell.scaled_positions(atoms.positions)
    for number, (symbol, site) in enumerate(zip(atoms.symbols, scaled, strict=True), 1):
        x, y, z = (float(value) for value in site)
        lines.append(f'{symbol}{number} {symbol} {x!r} {y!r} {z!r} 1')
    return '\n'.join([*lines, '', ''])


def _batch(path: Any, images: list[Atoms]) -> StructureBatch:
    """Return crystals as a batch, each named after the file."""
    stem = Path(path).stem if Path(path).suffix else Path(path).name
    ids = [stem] if len(images) == 1 else [f'{stem}-{index}' for index in range(len(images))]
    try:
        return StructureBatch.from_ase(images, ids=ids)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
