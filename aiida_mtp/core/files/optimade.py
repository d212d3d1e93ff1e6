"""JSON lines of OPTIMADE: what its servers load, and databases of materials hand out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.crystal import images_of
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from ase import Atoms

VERSION = '1.2.0'
PREFIX = '_aiidamtp_'  # of properties that OPTIMADE does not define
STANDARD = {
    'elements': ('list', 'Chemical symbols, in alphabetical order.'),
    'nelements': ('integer', 'Number of elements.'),
    'elements_ratios': ('list', 'Their fractions of the atoms.'),
    'chemical_formula_descriptive': ('string', 'Chemical formula of the cell.'),
    'chemical_formula_reduced': ('string', 'Chemical formula, without common divisors.'),
    'chemical_formula_anonymous': ('string', 'The same with A, B … for the elements.'),
    'dimension_types': ('list', 'Periodic in three directions.'),
    'nperiodic_dimensions': ('integer', 'Number of those.'),
    'lattice_vectors': ('list', 'Of the cell, Å.'),
    'cartesian_site_positions': ('list', 'Of the atoms, Å.'),
    'nsites': ('integer', 'Number of atoms.'),
    'species': ('list', 'What the names of the sites mean.'),
    'species_at_sites': ('list', 'Which of those each atom is.'),
    'structure_features': ('list', 'Nothing out of the ordinary.'),
    'last_modified': ('timestamp', 'Not kept.'),
}
OWN = {
    'energy': ('float', 'eV', 'Energy of the cell.'),
    'formation_energy': ('float', 'eV/atom', 'Formation energy, from the elements.'),
    'e_above_hull': ('float', 'eV/atom', 'Distance above the convex hull.'),
    'magnetic_moment': ('float', 'µB', 'Magnetic moment of the cell.'),
    'origin': ('string', None, 'Where the structure comes from.'),
    'status': ('string', None, 'What became of it.'),
    'label_process': ('string', None, 'Uuid of the process that computed the energy.'),
    'label_settings': ('string', None, 'Hash of its settings: equal where energies compare.'),
}


def write_optimade(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write structures as the ``structures`` entries of OPTIMADE, one a line.

    Energies and what the hull knows of a structure are properties of our own, which the second line
    describes; forces and stresses are lost.

    Raises
    ------
    InputError
        If a species is no chemical element.

    Notes
    -----
    Andersen et al., Sci. Data 8, 217 (2021); Evans et al., Digital Discovery 3, 1509 (2024).
    """
    images = images_of(path, batch.without_labels())
    own = [name for name in OWN if name in batch.columns or name in {'energy', 'origin', 'status'}]
    lines = [{'x-optimade': {'meta': {'api_version': VERSION}}}, _info(own)]
    for row, atoms in enumerate(images):
        known = {f'{PREFIX}{name}': _plain(_value(batch, name, row)) for name in own}
        attributes = {**_attributes(atoms), **known}
        entry = {'type': 'structures', 'id': str(batch.ids[row]), 'attributes': attributes}
        lines.append(entry)
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        file.writelines(f'{json.dumps(line, ensure_ascii=False)}\n' for line in lines)


def read_optimade(path: str | os.PathLike[str]) -> StructureBatch:
    """Read the structures of JSON lines, also those of other databases.

    Energies are read where they are properties of ours: others mean other things.

    Raises
    ------
    InputError
        If this is no such file, or a site is not occupied by one element.
    """
    images, ids, energies = [], [], []
    for number, entry in _entries(path):
        name = str(entry.get('id', f'line-{number}'))
        attributes = entry.get('attributes') or {}
        try:
            images.append(_atoms(attributes))
            energy = attributes.get(f'{PREFIX}energy')
            energies.append(math.nan if energy is None else float(energy))
        # What ASE raises on lists of other shapes and words that are no elements.
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise InputError(f'{path}: {name} has no ordered structure ({error})') from None
        ids.append(name)
    try:
        return StructureBatch.from_ase(images, ids=ids, energies=energies)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def _atoms(attributes: dict[str, Any]) -> Atoms:
    from ase import Atoms

    symbols = {}
    for one in attributes['species']:
        (symbols[one['name']],) = one['chemical_symbols']  # one element, or it is disordered
    return Atoms(
        [symbols[site] for site in attributes['species_at_sites']],
        positions=attributes['cartesian_site_positions'],
        cell=attributes['lattice_vectors'],
        pbc=attributes.get('dimension_types', [1, 1, 1]),
    )


def _entries(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the entries that are structures, with the numbers of their lines."""
    with Path(path).open(encoding='utf-8', errors='replace') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise InputError(f'{path}: line {number} is no JSON ({error})') from None
            if not isinstance(entry, dict) or (number == 1 and 'x-optimade' not in entry):
                raise InputError(f'{path}: line {number}: not JSON lines of OPTIMADE')
            if entry.get('type') == 'structures':
                yield number, entry


def _info(own: list[str]) -> dict[str, Any]:
    """Return the line that describes the properties of an entry."""
    properties: dict[str, Any] = {
        name: {'type': kind, 'description': text} for name, (kind, text) in STANDARD.items()
    }
    for name in own:
        kind, unit, text = OWN[name]
        properties[f'{PREFIX}{name}'] = {'type': kind, 'description': text}
        if unit:
            properties[f'{PREFIX}{name}']['unit'] = unit
    return {
        'type': 'info',
        'id': 'structures',
        'description': 'Crystals and their energies.',
        'formats': ['json'],
        'properties': properties,
        'output_fields_by_format': {'json': ['id', 'type', *properties]},
    }


def _attributes(atoms: Atoms) -> dict[str, Any]:
    """Return the properties that OPTIMADE defines."""
    symbols = list(atoms.symbols)
    elements = sorted(set(symbols))
    counts = np.array([symbols.count(element) for element in elements])
    reduced = counts // np.gcd.reduce(counts)
    letters = [chr(ord('A') + index) for index in range(len(elements))]
    return {
        'elements': elements,
        'nelements': len(elements),
        'elements_ratios': [float(ratio) for ratio in counts / len(symbols)],
        'chemical_formula_descriptive': _formula(elements, counts),
        'chemical_formula_reduced': _formula(elements, reduced),
        'chemical_formula_anonymous': _formula(letters, np.sort(reduced)[::-1]),
        'dimension_types': [1, 1, 1],
        'nperiodic_dimensions': 3,
        'lattice_vectors': atoms.cell.array.tolist(),
        'cartesian_site_positions': atoms.positions.tolist(),
        'nsites': len(symbols),
        'species': [
            {'name': element, 'chemical_symbols': [element], 'concentration': [1.0]}
            for element in elements
        ],
        'species_at_sites': symbols,
        'structure_features': [],
        'last_modified': None,
    }


def _formula(names: list[str], counts: Any) -> str:
    pairs = zip(names, counts, strict=True)
    return ''.join(f'{name}{n if n > 1 else ""}' for name, n in pairs)


def _value(batch: StructureBatch, name: str, row: int) -> Any:
    given = {'energy': batch.energies, 'origin': batch.origins, 'status': batch.status}
    return (given[name] if name in given else batch.columns[name])[row]


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; what is not known is null."""
    if isinstance(value, str):
        return value or None
    return float(value) if math.isfinite(value) else None
