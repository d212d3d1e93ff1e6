"""MLIP's text format for configurations.

MLIP's ``PlusStress`` is −V·σ in ASE's sign, in eV, in the order xx yy zz yz xz xy. Its types are
numbers: without names they become the species ``type0``, ``type1`` …
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_VOIGT = ('xx', 'yy', 'zz', 'yz', 'xz', 'xy')
_GRADE = 'MV_grade'


def read_cfg(path: str | Path, species: Sequence[str] | None = None) -> StructureBatch:
    """Read all configurations of a file.

    Raises
    ------
    InputError
        If the file is cut off, a value is no number, or a configuration is not periodic.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
    except (UnicodeDecodeError, FileNotFoundError) as error:
        why = 'no such file' if isinstance(error, FileNotFoundError) else 'not a text file'
        raise InputError(f'{path}: {why}') from None
    return parse_cfg(text, str(path), species)


def parse_cfg(
    text: str, where: str = 'cfg', species: Sequence[str] | None = None
) -> StructureBatch:
    """Read configurations from text; see `read_cfg`."""
    found: list[dict[str, Any]] = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if line.strip() == 'BEGIN_CFG':
            try:
                found.append(_configuration(lines))
            except (ValueError, IndexError, StopIteration) as error:
                what = 'the file ends inside it' if isinstance(error, StopIteration) else str(error)
                raise InputError(f'{where}: configuration at line {number}: {what}') from None
    if not found and text.strip():
        raise InputError(f'{where}: holds no BEGIN_CFG: not a file of configurations')
    n_types = max((int(c['types'].max(initial=-1)) for c in found), default=-1) + 1
    names = tuple(species) if species else tuple(f'type{t}' for t in range(n_types))
    if n_types > len(names):
        raise InputError(
            f'{where}: has types 0 to {n_types - 1}, but {len(names)} species are named: '
            f'{", ".join(names)}'
        )
    grades = [c['features'].get(_GRADE) for c in found]
    columns = {}
    if found and any(g is not None for g in grades):
        columns['grade'] = [np.nan if g is None else float(g) for g in grades]
    return StructureBatch.build(
        names,
        [c['types'] for c in found],
        [c['positions'] for c in found],
        np.array([c['cell'] for c in found]).reshape(-1, 3, 3),
        energies=[c['energy'] for c in found],
        forces=[c['forces'] for c in found],
        stresses=np.array([c['stress'] for c in found]).reshape(-1, 6),
        columns=columns,
    )


def _configuration(lines: Iterator[tuple[int, str]]) -> dict[str, Any]:
    """Read the lines up to END_CFG."""
    size, cell = 0, np.empty((0, 3))
    table: dict[str, Any] = {}
    energy, virial, features = np.nan, None, {}
    while True:
        _, line = next(lines)
        words = line.split()
        if not words:
            continue
        key = words[0].rstrip(':')
        if key == 'END_CFG':
            break
        if key == 'Size':
            size = int(next(lines)[1])
        elif key == 'Supercell':
            cell = np.array([_numbers(next(lines)[1]) for _ in range(3)])
        elif key == 'AtomData':
            rows = [next(lines)[1].split() for _ in range(size)]
            table = _columns(line.split(':', 1)[1].split(), rows)
        elif key == 'Energy':
            energy = float(next(lines)[1])
        elif key in {'PlusStress', 'Virial'}:
            virial = _voigt(line.split(':', 1)[1].split(), _numbers(next(lines)[1]))
        elif key == 'Stress':
            raise ValueError('`Stress:` is ambiguous in its sign; MLIP writes `PlusStress:`')
        elif key == 'Feature':
            features[words[1]] = ' '.join(words[2:])
    return _assembled(size, cell, table, energy, virial, features)


def _assembled(
    size: int, cell: Any, table: dict[str, Any], energy: float, virial: Any, features: Any
) -> dict[str, Any]:
    if cell.shape != (3, 3):
        raise ValueError('needs three Supercell vectors: only periodic structures are handled')
    volume = abs(float(np.linalg.det(cell)))
    if not volume > 0:
        raise ValueError('the Supercell has no volume')
    if 'type' not in table:
        raise ValueError('AtomData needs a column `type`')
    if 'cartes_x' in table:
        positions = np.column_stack([table[f'cartes_{x}'] for x in 'xyz'])
    elif 'direct_x' in table:
        positions = np.column_stack([table[f'direct_{x}'] for x in 'xyz']) @ cell
    else:
        raise ValueError('AtomData needs cartes_x cartes_y cartes_z, or direct_x direct_y direct_z')
    forces = np.full((size, 3), np.nan)
    if 'fx' in table:
        forces = np.column_stack([table[f'f{x}'] for x in 'xyz'])
    stress = np.full(6, np.nan) if virial is None else -virial / volume
    return {
        'types': table['type'].astype(np.int16),
        'positions': positions,
        'cell': cell,
        'energy': energy,
        'forces': forces,
        'stress': stress,
        'features': features,
    }


def _numbers(line: str) -> list[float]:
    numbers = [float(word) for word in line.split()]
    if len(numbers) not in {3, 6}:
        raise ValueError(f'expected 3 or 6 numbers, not {line.strip()!r}')
    return numbers


def _columns(names: list[str], rows: list[list[str]]) -> dict[str, Any]:
    short = [row for row in rows if len(row) < len(names)]
    if short:
        raise ValueError(
            f'AtomData has columns {" ".join(names)}, but a row is {" ".join(short[0])!r}'
        )
    table = np.array([row[: len(names)] for row in rows], dtype=np.float64)
    return dict(zip(names, table.reshape(-1, len(names)).T, strict=True))


def _voigt(names: list[str], values: list[float]) -> Any:
    by_name = dict(zip(names, values, strict=True))
    return np.array([by_name[name] for name in _VOIGT])


def write_cfg(path: str | Path, batch: StructureBatch) -> None:
    """Write all configurations; what is not known is left out."""
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        for index in range(len(batch)):
            file.write(format_cfg(batch, index))


def format_cfg(batch: StructureBatch, index: int) -> str:
    """Return one configuration as text, ended by an empty line."""
    atoms = batch.atoms_of(index)
    forces = batch.forces[atoms]
    has_forces = bool(np.isfinite(forces).all())
    lines = ['BEGIN_CFG', ' Size', f'    {batch.n_atoms[index]}', ' Supercell']
    lines += ['    ' + ' '.join(f'{x:20.14f}' for x in row) for row in batch.cells[index]]
    header = ' AtomData:  id type       cartes_x      cartes_y      cartes_z'
    lines.append(header + ('           fx          fy          fz' if has_forces else ''))
    for i, (kind, position) in enumerate(
        zip(batch.types[atoms], batch.positions[atoms], strict=True)
    ):
        row = f'  {i + 1:8d} {kind:4d} ' + ' '.join(f'{x:20.14f}' for x in position)
        if has_forces:
            row += ' ' + ' '.join(f'{x:18.12f}' for x in forces[i])
        lines.append(row)
    if np.isfinite(batch.energies[index]):
        lines += [' Energy', f'    {batch.energies[index]:24.14f}']
    if np.isfinite(batch.stresses[index]).all():
        virial = -batch.stresses[index] * batch.volumes[index]
        lines.append(' PlusStress:  xx          yy          zz          yz          xz          xy')
        lines.append('    ' + ' '.join(f'{x:18.12f}' for x in virial))
    grade = batch.column('grade')[index]
    if np.isfinite(grade):
        lines.append(f' Feature   {_GRADE}\t{grade:.12g}')
    return '\n'.join([*lines, 'END_CFG', '', ''])
