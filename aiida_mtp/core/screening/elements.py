"""The elements in the structures they are known in: references of every formation energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

PARENTS = ('fcc', 'bcc', 'hcp')


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
        return [(str(known['symmetry']), bulk(symbol), 'its measured lattice constants')]
    except (KeyError, ValueError, RuntimeError, NotImplementedError):
        pass  # ASE says so for elements it has no crystal for
    radius = float(covalent_radii[atomic_numbers[symbol]])
    a = 2**0.5 * 2 * radius * 1.05
    sizes = {'fcc': a, 'bcc': a / 2 ** (1 / 3), 'hcp': a / 2**0.5}
    return [
        (parent, bulk(symbol, parent, a=sizes[parent]), 'the size of its covalent radius')
        for parent in PARENTS
    ]
