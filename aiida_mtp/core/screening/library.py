"""Known crystal structures, decorated with other elements in all ways."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.screening.fingerprints import fingerprints
from aiida_mtp.core.screening.lattices import primitive_cell
from aiida_mtp.core.screening.symmetry import symmetry_of
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiida_mtp.core._typing import Floats, Types

SAME = 5e-3  # difference of fingerprints below which two decorations are one
PARENT = 1e-2  # … below which a crystal is one of the parent lattices, up to a strain of 1 %
SYMPREC = 2e-3  # in units of the cube root of the volume per atom: the digits of the library


@dataclass(frozen=True)
class Prototype:
    """A crystal whose species are placeholders.

    Parameters
    ----------
    name
        The beginning of the ids of its decorations.
    origin
        Where it comes from, in words.
    cell, positions
        shape (3, 3) and (n_atoms, 3): Å.
    sites
        shape (n_atoms,): which placeholder each atom is, 0, 1 …
    """

    name: str
    origin: str
    cell: Floats
    positions: Floats
    sites: Types

    @property
    def n_placeholders(self) -> int:
        """Number of species to choose."""
        return int(self.sites.max()) + 1


def aflow_prototypes(largest: float) -> list[Prototype]:
    """Return the prototypes of the AFLOW library whose cells have at most this many atoms.

    Notes
    -----
    Mehl et al., Comput. Mater. Sci. 136, S1 (2017), as pymatgen carries it. Placeholders stand in
    the order of the letters of the AFLOW label: the alphabetical order of the compound's elements.
    """
    from pymatgen.analysis import prototypes as pymatgen_prototypes

    library: Any = pymatgen_prototypes
    prototypes = []
    for entry in library.AFLOW_PROTOTYPE_LIBRARY:
        structure = entry['snl'].structure
        if len(structure) > largest:
            continue
        symbols = [site.specie.symbol for site in structure]
        tags = entry['tags']
        compound = StructureBatch.build(
            sorted(set(symbols)),
            [_placeholders(symbols)],
            [structure.cart_coords],
            structure.lattice.matrix,
        ).formulas[0]
        kind = tags['strukturbericht']
        words = [f'AFLOW {tags["aflow"]}', compound, '' if kind == 'None' else kind]
        prototypes.append(
            Prototype(
                name=f'aflow-{tags["aflow"]}-{compound}',
                origin=', '.join(word for word in words if word),
                cell=np.array(structure.lattice.matrix),
                positions=np.array(structure.cart_coords),
                sites=_placeholders(symbols),
            )
        )
    return _with_unique_names(prototypes)


def prototypes_of(batch: StructureBatch, origin: str) -> list[Prototype]:
    """Return structures as prototypes, their species in alphabetical order as placeholders."""
    prototypes = []
    for index, formula in enumerate(batch.formulas):
        atoms = batch.atoms_of(index)
        prototypes.append(
            Prototype(
                name=safe_name(f'{batch.ids[index]}-{formula}'),
                origin=f'{formula} of {origin}',
                cell=batch.cells[index],
                positions=batch.positions[atoms],
                sites=_placeholders([batch.species[t] for t in batch.types[atoms]]),
            )
        )
    return _with_unique_names(prototypes)


def decorated(
    prototypes: Sequence[Prototype], elements: Sequence[str], enumerated: Mapping[str, int]
) -> StructureBatch:
    """Return all assignments of elements to the placeholders of prototypes, each crystal once.

    One element may take several placeholders. The id of a decoration spells the elements in the
    order of the placeholders: ``…-AuCu3:AlNi3`` has Al for Au and Ni for Cu.

    Parameters
    ----------
    prototypes
        What to decorate. Of equal crystals, the first prototype's stays.
    elements
        Chemical symbols.
    enumerated
        Atoms in the largest cells of the derivative structures of each lattice that are there
        already, 0 for the elements alone.

    Returns
    -------
    StructureBatch
        Primitive cells, with a volume of 1 Å³ per atom.
    """
    parents = {parent: _at_unit_volume(*_arrays(parent)) for parent in enumerated}
    found = []
    for prototype in prototypes:
        parent = _parent_of(prototype, parents)
        found += [
            candidate
            for candidate in _decorations(prototype, elements)
            if parent is None or not _is_enumerated(candidate, parent, enumerated[parent])
        ]
    return _distinct(found, elements)


@dataclass(frozen=True)
class _Decoration:
    """A decorated crystal in its primitive cell, at unit volume per atom."""

    name: str
    origin: str
    space_group: int
    cell: Floats
    positions: Floats
    types: Types


def _decorations(prototype: Prototype, elements: Sequence[str]) -> Iterator[_Decoration]:
    cell, positions = _at_unit_volume(prototype.cell, prototype.positions)
    counts = np.bincount(prototype.sites)
    counts //= np.gcd.reduce(counts)
    for chosen in product(range(len(elements)), repeat=prototype.n_placeholders):
        types = np.array(chosen, dtype=np.int16)[prototype.sites]
        spelled = ''.join(
            f'{elements[e]}{n if n > 1 else ""}' for e, n in zip(chosen, counts, strict=True)
        )
        symmetry = symmetry_of(cell, positions, types, SYMPREC)
        yield _Decoration(
            name=f'{prototype.name}:{spelled}',
            origin=prototype.origin,
            space_group=symmetry.number if symmetry else 0,
            cell=symmetry.cell if symmetry else cell,
            positions=symmetry.positions if symmetry else positions,
            types=symmetry.types if symmetry else types,
        )


def _distinct(found: list[_Decoration], elements: Sequence[str]) -> StructureBatch:
    """Return the first of equal crystals.

    Only crystals of one composition, space group and size of primitive cell are compared.
    """
    batch = StructureBatch.build(
        elements,
        [one.types for one in found],
        [one.positions for one in found],
        np.array([one.cell for one in found]).reshape(-1, 3, 3),
        ids=[one.name for one in found],
        origins=[one.origin for one in found],
    )
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, one in enumerate(found):
        groups.setdefault((one.space_group, *batch.compositions[row].tolist()), []).append(row)
    kept = []
    for rows in groups.values():
        values = fingerprints(batch.take(rows)) if len(rows) > 1 else np.zeros((1, 1))
        distinct: list[int] = []
        for index in range(len(rows)):
            apart = np.abs(values[distinct] - values[index]).max(axis=1)
            if not np.any(apart < SAME):
                distinct.append(index)
        kept += [rows[index] for index in distinct]
    return batch.take(sorted(kept))


def _parent_of(prototype: Prototype, parents: Mapping[str, tuple[Floats, Floats]]) -> str | None:
    """Return the lattice the atoms of a prototype form when all are the same."""
    crystals = [_at_unit_volume(prototype.cell, prototype.positions), *parents.values()]
    batch = StructureBatch.build(
        ['X'],
        [np.zeros(len(positions)) for _, positions in crystals],
        [positions for _, positions in crystals],
        np.array([cell for cell, _ in crystals]),
    )
    values = fingerprints(batch)
    apart = np.abs(values[1:] - values[0]).max(axis=1)
    return next((name for name, d in zip(parents, apart, strict=True) if d < PARENT), None)


def _is_enumerated(candidate: _Decoration, parent: str, largest: int) -> bool:
    """Tell whether a decorated lattice is among its derivative structures."""
    n_atoms = len(candidate.types)
    is_element = n_atoms == len(primitive_cell(parent)) and len(set(candidate.types.tolist())) == 1
    return n_atoms <= largest or is_element


def _arrays(parent: str) -> tuple[Floats, Floats]:
    atoms = primitive_cell(parent)
    return atoms.cell.array, atoms.positions


def _at_unit_volume(cell: Floats, positions: Floats) -> tuple[Floats, Floats]:
    unit = np.cbrt(abs(np.linalg.det(cell)) / len(positions))
    return cell / unit, positions / unit


def _placeholders(symbols: Sequence[str]) -> Types:
    order = sorted(set(symbols))
    return np.array([order.index(symbol) for symbol in symbols], dtype=np.int16)


def safe_name(name: str) -> str:
    """Return a name without characters that a shell, a path or a table would trip over."""
    return re.sub(r'[^A-Za-z0-9_.:+-]+', '_', name)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after those that occurred before."""
    unique: dict[str, None] = {}
    for name in names:
        count, candidate = 1, name
        while candidate in unique:
            count += 1
            candidate = f'{name}-{count}'
        unique[candidate] = None
    return list(unique)


def _with_unique_names(prototypes: list[Prototype]) -> list[Prototype]:
    names = unique_names([prototype.name for prototype in prototypes])
    return [replace(one, name=name) for one, name in zip(prototypes, names, strict=True)]
