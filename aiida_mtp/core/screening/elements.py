"""The elements in the structures they are known in: references of every formation energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

PARENTS = ('fcc', 'bcc', 'hcp')

VOLUMES = {
    'B': 7.3,
    'P': 19.0,
    'S': 25.7,
    'Mn': 12.2,
    'Ga': 19.6,
    'Se': 27.3,
    'Te': 34.0,
    'Pm': 33.6,
    'Pa': 24.9,
    'U': 20.8,
    'Np': 19.2,
    'Pu': 20.0,
}
"""Measured volumes of solid elements whose crystals ASE does not build, Å³/atom."""


def elemental_structures(elements: Sequence[str]) -> StructureBatch:
    """Return each element in its structure at zero temperature, at its known volume.

    Elements for which ASE has no ready structure come in fcc, bcc and hcp instead; the lowest of
    them becomes the reference.

    Raises
    ------
    InputError
        If a symbol is no element.

    Notes
    -----
    Structures and lattice constants: ASE's `reference_states`, after Kittel.
    """
    from ase.data import atomic_numbers

    unknown = [symbol for symbol in elements if not atomic_numbers.get(symbol)]
    if unknown:
        raise InputError(f'elements: {", ".join(unknown)} is no chemical symbol')
    atoms, ids, origins = [], [], []
    for symbol in elements:
        for name, structure, source in _structures_of(symbol):
            atoms.append(structure)
            ids.append(f'element-{name}:{symbol}')
            origins.append(f'{name} {symbol}, at {source}')
    return StructureBatch.from_ase(atoms, species=list(elements), ids=ids, origins=origins)


def _structures_of(symbol: str) -> list[tuple[str, Atoms, str]]:
    """Return lattice, structure and where its size is from."""
    from ase.build import bulk
    from ase.data import atomic_numbers, covalent_radii, reference_states

    known = reference_states[atomic_numbers[symbol]] or {}
    try:
        # of orthorhombic elements (U, Np) ASE builds the lattice, without the other atoms
        if known['symmetry'] != 'orthorhombic':
            return [(str(known['symmetry']), bulk(symbol), 'its measured lattice constants')]
    except (KeyError, ValueError, RuntimeError, NotImplementedError):
        pass  # ASE says so for elements it has no crystal for
    # an atom of a gas: a sphere of its covalent radius in fcc, a little larger
    volume = VOLUMES.get(symbol, 2**0.5 / 2 * (2.1 * covalent_radii[atomic_numbers[symbol]]) ** 3)
    sizes = {'fcc': (4 * volume) ** (1 / 3), 'bcc': (2 * volume) ** (1 / 3)}
    sizes['hcp'] = (2**0.5 * volume) ** (1 / 3)
    source = 'its measured volume' if symbol in VOLUMES else 'the size of its covalent radius'
    return [
        (parent, bulk(symbol, parent, a=sizes[parent], c=_height(parent, sizes[parent])), source)
        for parent in PARENTS
    ]


def _height(parent: str, a: float) -> float | None:
    return a * (8 / 3) ** 0.5 if parent == 'hcp' else None
