"""The text files of configurations of MLIP-2 and MLIP-3 (``.cfg``).

Their ``PlusStress`` is −V σ with the stress σ of ASE, in eV. Species are numbers there. The ids,
origins, status and columns of a batch become ``Feature`` lines; MLIP's feature ``MV_grade`` is
the column `grade`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.names import NUMBERS, column_name
from aiida_mtp.core.structures import NEW, StructureBatch

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from aiida_mtp.core._typing import Floats

VOIGT = ('xx', 'yy', 'zz', 'yz', 'xz', 'xy')
_GRADE = 'MV_grade'
_ROWS = {'id': 'ids', 'origin': 'origins', 'status': 'status'}  # features that are no columns


@dataclass
class _Configuration:
    """What stands between BEGIN_CFG and END_CFG."""

    line: int
    size: int = -1
    cell: Floats | None = None
    types: Any = None
    positions: Any = None
    is_direct: bool = False
    forces: Any = None
    energy: float = np.nan
    plus_stress: Any = None
    features: dict[str, str] = field(default_factory=dict)


class _Lines:
    """The lines of a file, counted for messages."""

    def __init__(self, lines: Iterable[str], name: str) -> None:
        self._lines = iter(lines)
        self._name = name
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number += 1
        return next(self._lines)

    def words(self) -> list[str]:
        """Return the words of the next line."""
        return next(self, '').split()

    def numbers(self, count: int, what: str) -> list[float]:
        """Return the numbers of the next line."""
        words = self.words()
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != count:
            raise self.error(f'expected {count} number(s), {what}, not {" ".join(words)!r}')
        return values

    def error(self, message: str) -> InputError:
        """Return the error that something is wrong at this line."""
        return InputError(f'{self._name}, line {self.number}: {message}')


def read_cfg(path: str | os.PathLike[str], species: Sequence[str] | None = None) -> StructureBatch:
    """Read the configurations of an MLIP file.

    Parameters
    ----------
    species
        Names of the types 0, 1 …; by default ``type0``, ``type1`` …

    Raises
    ------
    InputError
        If the file is malformed or has more types than `species` names.
    """
    with Path(path).open(encoding='utf-8', errors='replace') as file:
        return parse_cfg(file, str(path), species)


def parse_cfg(
    lines: Iterable[str], name: str, species: Sequence[str] | None = None
) -> StructureBatch:
    """Read configurations from lines of text, as `read_cfg`; `name` is for messages."""
    source = _Lines(lines, name)
    configurations = []
    for line in source:
        keyword = line.strip()
        if keyword == 'BEGIN_CFG':
            configurations.append(_configuration(source))
        elif keyword:
            raise source.error(f'expected BEGIN_CFG, not {keyword[:40]!r}')
    n_types = max((int(c.types.max()) + 1 for c in configurations), default=0)
    if species is None:
        species = [f'type{t}' for t in range(n_types)]
    elif n_types > len(species):
        raise InputError(
            f'{name}: it has types up to {n_types - 1}, but only {len(species)} species are '
            f'named ({", ".join(species)})'
        )
    return _batch(configurations, species)


def _configuration(source: _Lines) -> _Configuration:
    """Read one configuration, after its BEGIN_CFG."""
    found = _Configuration(source.number)
    for line in source:
        words = line.split()
        keyword = words[0] if words else ''
        if keyword == 'Feature':
            key, _, value = line.split(None, 1)[1].strip().replace('\t', ' ').partition(' ')
            found.features[key] = value.strip()
        elif keyword == 'Size':
            found.size = int(source.numbers(1, 'the number of atoms')[0])
        elif keyword.lower() == 'supercell':
            found.cell = _cell(source)
        elif keyword.lower() in {'atomdata:', 'atomic_data:'}:
            _atom_data(source, words[1:], found)
        elif keyword == 'Energy':
            found.energy = source.numbers(1, 'the energy')[0]
        elif keyword in {'PlusStress:', 'Virial:'}:
            found.plus_stress = _stress(source, words[1:])
        elif keyword == 'Stress:':
            raise source.error(
                "'Stress:' leaves the sign open; write it as PlusStress, which is −V σ"
            )
        elif keyword == 'END_CFG':
            return _complete(source, found)
        elif keyword:
            raise source.error(f'{keyword!r} is no part of a configuration')
    raise source.error(f'END_CFG of the configuration of line {found.line} is missing')


def _complete(source: _Lines, found: _Configuration) -> _Configuration:
    """Return the configuration if it lacks nothing, its positions cartesian."""
    if found.types is None:
        raise source.error(f'the configuration of line {found.line} has no AtomData')
    if found.cell is None:
        raise source.error(
            f'the configuration of line {found.line} has no Supercell: only crystals, periodic in '
            'three directions, can be used'
        )
    if found.is_direct:
        found.positions = found.positions @ found.cell
    return found


def _cell(source: _Lines) -> Floats:
    """Read three lattice vectors."""
    rows: list[list[float]] = []
    for _ in range(3):
        words = source.words()
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 3:
            raise source.error(
                f'Supercell has {len(rows)} of 3 lattice vectors: only crystals, periodic in '
                'three directions, can be used'
            )
        rows.append(row)
    cell = np.array(rows)
    if not (np.isfinite(cell).all() and abs(np.linalg.det(cell)) > 0):
        raise source.error('the lattice vectors of Supercell span no volume')
    return cell


def _atom_data(source: _Lines, header: list[str], found: _Configuration) -> None:
    """Read the table of atoms; columns other than those of a batch are skipped."""
    if found.size < 1:
        raise source.error('a positive Size must stand before AtomData')
    rows = [source.words() for _ in range(found.size)]
    try:
        table = np.array(rows, dtype=np.float64)
    except ValueError:
        table = np.empty((0, 0))
    if table.shape != (found.size, len(header)):
        raise source.error(
            f'AtomData before this line is not {found.size} rows (Size) of {len(header)} numbers'
        )
    columns = dict(zip(header, table.T, strict=True))

    def vectors(*names: str) -> Floats | None:
        if not all(name in columns for name in names):
            return None
        return np.column_stack([columns[name] for name in names])

    if 'id' in columns and (columns['id'] != np.arange(1, found.size + 1)).any():
        raise source.error('the ids of AtomData are not 1, 2, 3 … in order')
    found.types = columns.get('type', np.zeros(found.size)).astype(np.int16)
    if (found.types < 0).any():
        raise source.error('a type of AtomData is negative')
    found.forces = vectors('fx', 'fy', 'fz')
    found.positions = vectors('cartes_x', 'cartes_y', 'cartes_z')
    if found.positions is None:
        found.positions = vectors('direct_x', 'direct_y', 'direct_z')
        found.is_direct = True
    if found.positions is None:
        raise source.error('AtomData has no positions (cartes_x … or direct_x …)')


def _stress(source: _Lines, header: list[str]) -> Floats:
    """Read −V σ, shape (6,), in the order of VOIGT."""
    values = source.numbers(6, 'the stress')
    if not header:
        return np.array(values)
    if sorted(header) != sorted(VOIGT):
        raise source.error(f'the stress is given as {" ".join(header)}, not {" ".join(VOIGT)}')
    return np.array([values[header.index(name)] for name in VOIGT])


def _batch(configurations: list[_Configuration], species: Sequence[str]) -> StructureBatch:
    """Join configurations."""
    cells = np.array([c.cell for c in configurations]).reshape(-1, 3, 3)
    volumes = np.abs(np.linalg.det(cells))
    stresses = np.full((len(configurations), 6), np.nan)
    for index, one in enumerate(configurations):
        if one.plus_stress is not None:
            stresses[index] = -one.plus_stress / volumes[index]
    rows: dict[str, list[str]] = {}
    for feature, name in _ROWS.items():
        values = [c.features.pop(feature, '') for c in configurations]
        if all(values):
            rows[name] = values
    return StructureBatch.build(
        species,
        [c.types for c in configurations],
        [c.positions for c in configurations],
        cells,
        energies=[c.energy for c in configurations],
        forces=[
            np.full((len(c.types), 3), np.nan) if c.forces is None else c.forces
            for c in configurations
        ],
        stresses=stresses,
        columns=_columns(configurations),
        **rows,
    )


def _columns(configurations: list[_Configuration]) -> dict[str, Any]:
    """Return a column for every feature: numbers where that is known, else text as it stands."""
    columns: dict[str, Any] = {}
    for feature in dict.fromkeys(key for c in configurations for key in c.features):
        name = 'grade' if feature == _GRADE else column_name(feature)
        values = [c.features.get(feature, '') for c in configurations]
        columns[name] = values
        if name in NUMBERS:
            try:
                columns[name] = [float(value) if value else np.nan for value in values]
            except ValueError:
                columns[name] = values
    return columns


def write_cfg(path: str | os.PathLike[str], batch: StructureBatch) -> None:
    """Write a batch as an MLIP file, with all digits; what is NaN or empty is left out."""
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        for index in range(len(batch)):
            file.write(format_cfg(batch, index))


def format_cfg(batch: StructureBatch, index: int) -> str:
    """Return one structure as the text of an MLIP file."""
    atoms = batch.atoms_of(index)
    types, table = batch.types[atoms], batch.positions[atoms]
    header = ' AtomData:  id type       cartes_x      cartes_y      cartes_z'
    if np.isfinite(batch.forces[atoms]).all():
        header += '           fx          fy          fz'
        table = np.hstack([table, batch.forces[atoms]])
    lines = ['BEGIN_CFG', ' Size', f'    {len(types)}', ' Supercell']
    lines += [_numbers(row) for row in batch.cells[index]]
    lines.append(header)
    lines += [
        f'    {number} {kind}{_numbers(row)}'
        for number, (kind, row) in enumerate(zip(types, table, strict=True), 1)
    ]
    if np.isfinite(batch.energies[index]):
        lines += [' Energy', _numbers([batch.energies[index]])]
    if np.isfinite(batch.stresses[index]).all():
        plus_stress = -batch.volumes[index] * batch.stresses[index]
        lines.append(' PlusStress:  xx          yy          zz          yz          xz          xy')
        lines.append(_numbers(plus_stress))
    for name, value in _features(batch, index).items():
        lines.append(f' Feature   {name}\t{" ".join(value.split())}')
    return '\n'.join([*lines, 'END_CFG', '', ''])


def _features(batch: StructureBatch, index: int) -> dict[str, str]:
    """Return what is not blank of the rest of a row, as text."""
    features = {key: str(getattr(batch, name)[index]) for key, name in _ROWS.items()}
    if features['status'] == NEW:
        del features['status']
    for name, column in batch.columns.items():
        key = _GRADE if name == 'grade' else '_'.join(name.split())
        value = column[index].item() if isinstance(column[index], np.generic) else column[index]
        features[key] = '' if value != value else str(value)  # noqa: PLR0124 NaN
    return {key: value for key, value in features.items() if value.strip()}


def _numbers(values: Any) -> str:
    """Return numbers with as many digits as tell them from every other."""
    return ''.join(f'    {float(value)!r}' for value in values)
