"""Hulls of others in files: what databases hand out."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.compositions import distinct_compositions, lowest_rows
from aiida_mtp.core.screening.hull import hull_of_energies
from aiida_mtp.core.screening.reference_hull import ReferenceHull

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

FORMULAS = ('formula', 'formula_pretty', 'pretty_formula', 'compound', 'composition', 'name')
FORMATION = ('formation_energy', 'enthalpy_formation_atom', 'delta_e')  # of MP, AFLOW, OQMD
IDS = ('material_id', 'entry_id', 'auid', 'id')
NO_LETTER = re.compile(r'[^a-z0-9]+')


def read_reference(path: str | os.PathLike[str], species: Sequence[str]) -> ReferenceHull:
    """Read the phases that a database has of a system.

    Parameters
    ----------
    path
        JSON: entries of pymatgen or documents of the Materials Project, corrections included; CSV:
        a column with formulas and one with formation energies in eV/atom, as OQMD (``delta_e``) and
        AFLOW (``enthalpy_formation_atom``) name it or with ``formation energy`` in its name.
    species
        The elements; phases with others are left out.

    Raises
    ------
    InputError
        If it cannot be understood, holds nothing of these elements, or an element is missing from
        entries with total energies.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() not in {'.json', '.csv'}:
        raise InputError(f'{path}: a reference hull is a .json (entries) or a .csv file')
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError:
        raise InputError(f'{path}: is no text') from None
    try:
        listed = _of_json(text) if path.suffix.lower() == '.json' else _of_csv(text)
        return _reference(path.name, listed, tuple(species))
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


@dataclass(frozen=True)
class _Entry:
    """What a file says of one phase: atoms by element, and an energy per atom."""

    atoms: Mapping[str, float]
    energy: float  # eV/atom
    name: str
    is_formation: bool


def _reference(source: str, listed: Iterable[_Entry], species: tuple[str, ...]) -> ReferenceHull:
    entries = [one for one in listed if set(one.atoms) <= set(species)]
    if not entries:
        raise InputError(f'holds no phase of {"-".join(species)}')
    kinds = {one.is_formation for one in entries}
    if len(kinds) > 1:
        raise InputError('some energies are total ones, some are formation energies')
    counts = np.array([_integers(one.atoms, species) for one in entries], dtype=np.int64)
    energies = np.array([one.energy for one in entries])
    zero = dict.fromkeys(species, 0.0) if kinds == {True} else None
    hull = hull_of_energies(species, counts, energies, zero)
    compositions, composition_of = distinct_compositions(counts)
    rows = lowest_rows(composition_of, energies, len(compositions))
    fractions = compositions / compositions.sum(axis=1, keepdims=True)
    formation = energies[rows] - fractions @ hull.references
    return ReferenceHull(
        source=source,
        hull=hull,
        counts=compositions,
        formation_energies=formation,
        e_above_hull=np.maximum(formation - hull.energies_at(fractions), 0.0),
        ids=tuple(entries[row].name for row in rows),
    )


def _of_json(text: str) -> list[_Entry]:
    """Return the entries of a JSON file; classes that it names are not looked at."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f'no JSON ({error})') from None
    if isinstance(found, dict):
        found = next((found[key] for key in ('entries', 'data') if key in found), found)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError('not a list of entries')
    return [_of_document(number, one) for number, one in enumerate(found, 1)]


def _of_document(number: int, document: Mapping[str, Any]) -> _Entry:
    name = next((str(document[key]) for key in IDS if document.get(key)), '')
    where = f'entry {number} ({name or "nameless"})'
    try:
        atoms = _atoms_of_document(document)
        if 'formation_energy_per_atom' in document:
            return _Entry(
                atoms,
                _number(document['formation_energy_per_atom'], where),
                name,
                is_formation=True,
            )
        total = _number(document['energy'], where) + float(document.get('correction') or 0.0)
    # What dictionaries raise that are no entries.
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f'{where} has no composition with an energy ({type(error).__name__}: {error})'
        ) from None
    return _Entry(atoms, total / sum(atoms.values()), name, is_formation=False)


def _atoms_of_document(document: Mapping[str, Any]) -> dict[str, float]:
    composition = document.get('composition', document.get('composition_reduced'))
    if isinstance(composition, dict):
        return {str(symbol): float(n) for symbol, n in composition.items()}
    if 'structure' in document:
        atoms: dict[str, float] = {}
        for site in document['structure']['sites']:
            for one in site['species']:
                atoms[one['element']] = atoms.get(one['element'], 0.0) + float(one['occu'])
        return atoms
    names = [str(document[key]) for key in FORMULAS if key in document]
    return _atoms_of_formula(names[0])


def _of_csv(text: str) -> list[_Entry]:
    rows = list(csv.reader(text.splitlines(), dialect=_dialect(text)))
    if not rows:
        raise InputError('is empty')
    head = [NO_LETTER.sub('_', name.lower()).strip('_') for name in rows[0]]
    formula = _column(head, lambda name: name in FORMULAS, rows[0], 'formula')
    energy = _column(
        head, lambda name: any(key in name for key in FORMATION), rows[0], 'formation_energy'
    )
    if re.search(r'mev|kj|kcal|ry', head[energy]):
        raise InputError(f'column {rows[0][energy]!r}: formation energies in eV/atom are needed')
    name = next((column for column, key in enumerate(head) if key in IDS), None)
    entries = []
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(formula, energy):
            raise InputError(f'line {number} has {len(row)} cells, the first line {len(rows[0])}')
        if not row[energy].strip():  # a phase whose energy the database does not tell
            continue
        value = _number(row[energy], f'line {number}')
        own = row[name].strip() if name is not None and name < len(row) else ''
        try:
            atoms = _atoms_of_formula(row[formula])
        except InputError as error:
            raise InputError(f'line {number}: {error}') from None
        entries.append(_Entry(atoms, value, own, is_formation=True))
    return entries


def _dialect(text: str) -> type[csv.Dialect] | csv.Dialect:
    """Return how a table is written: separated by commas, semicolons or tabs."""
    head = text.split('\n', 1)[0]

    class Dialect(csv.excel):
        delimiter = max(',;\t', key=head.count)

    return Dialect


def _column(head: Sequence[str], is_it: Any, shown: Sequence[str], wanted: str) -> int:
    for column, name in enumerate(head):
        if is_it(name):
            return column
    raise InputError(f'no column {wanted!r} among {", ".join(shown)}')


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise InputError(f'{where}: {value!r} is no energy')
    return number


def _atoms_of_formula(formula: str) -> dict[str, float]:
    from pymatgen.core.composition import Composition

    try:
        atoms = Composition(formula.strip()).get_el_amt_dict()
    except ValueError:  # CompositionError is one
        atoms = {}
    if not atoms:
        raise InputError(f'{formula!r} is no formula')
    return {str(symbol): float(n) for symbol, n in atoms.items()}


def _integers(atoms: Mapping[str, float], species: Sequence[str]) -> list[int]:
    """Return atoms of each element; fractions of a formula such as Fe0.5Ni0.5 are multiplied."""
    amounts = [Fraction(atoms.get(symbol, 0.0)).limit_denominator(1000) for symbol in species]
    factor = int(np.lcm.reduce([amount.denominator for amount in amounts]))
    return [int(amount * factor) for amount in amounts]
