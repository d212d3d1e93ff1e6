"""MLIP's text files of potentials: ``.mtp``, and the head of ``.almtp`` and ``.als``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.names import type_number
from aiida_mtp.core.potential.model import MtpModel
from aiida_mtp.core.potential.tables import MtpTables, level_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats, Ints

ACTIVE_STATE = (b'\n#MVS_v1.1', b'\n^')  # what ends the text: MLIP-3, MLIP-2
_TAG = 'species:'
_SEPARATORS = str.maketrans('{},', '   ')
_PAIR = re.compile(r'^\s*(\d+)-(\d+)\s*$', re.MULTILINE)


def read_potential(path: str | Path, species: Sequence[str] | None = None) -> MtpModel:
    """Read a potential.

    Parameters
    ----------
    path
        A file of MLIP-2 or MLIP-3, with or without an active set.
    species
        Names of its species. By default those we keep in ``potential_tag``, else ``type0`` …,
        after the type numbers in the file.

    Raises
    ------
    InputError
        If the file is not whole or not a potential.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f'{path}: no such file') from None
    try:
        model = parse_potential(potential_text(content))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f'{path}: not a readable potential: {error}') from None
    return model.renamed(species) if species else model


def potential_text(content: bytes) -> str:
    """Return the text before the active set."""
    ends = [end for mark in ACTIVE_STATE if (end := content.find(mark)) >= 0]
    return content[: min(ends, default=len(content))].decode('utf-8')


def parse_potential(text: str) -> MtpModel:
    """Read a potential from text; `ValueError` says what is missing."""
    text = text.replace('\r\n', '\n')
    if not text.lstrip().startswith('MTP'):
        raise ValueError('it does not begin with `MTP`')
    version = _value(text, 'version')
    if version != '1.1.0':
        raise ValueError(f'version {version} of the format, known is 1.1.0')
    kind = _value(text, 'radial_basis_type')
    if kind != 'RBChebyshev':
        raise ValueError(f'radial_basis_type {kind}, known is RBChebyshev')
    n_species = int(_value(text, 'species_count'))
    labels, radial = _radial(text, n_species)
    tables = _tables(text)
    tag = _value(text, 'potential_tag')
    names = tag.removeprefix(_TAG).split(',') if tag.startswith(_TAG) else []
    return MtpModel(
        species=tuple(names or (f'type{label}' for label in labels)),
        tables=tables,
        min_dist=float(_either(text, 'min_dist', 'min_val')),
        max_dist=float(_either(text, 'max_dist', 'max_val')),
        scaling=float(
            np.prod([float(x) for x in re.findall(r'^\s*scaling\s*=\s*(\S+)', text, re.MULTILINE)])
        ),
        radial_coeffs=radial,
        species_coeffs=_array(text, 'species_coeffs', n_species),
        moment_coeffs=_array(text, 'moment_coeffs', tables.n_scalar),
    )


def _either(text: str, *keys: str) -> str:
    present = [key for key in keys if re.search(rf'^\s*{key}\s*=', text, re.MULTILINE)]
    return _value(text, (present or keys)[0])


def _value(text: str, key: str) -> str:
    found = re.search(rf'^[ \t]*{key}[ \t]*=[ \t]*(.*?)[ \t]*$', text, re.MULTILINE)
    if not found:
        raise ValueError(f'`{key}` is missing')
    return found[1]


def _array(text: str, key: str, size: int) -> Floats:
    value = _value(text, key)
    if not value.endswith('}'):
        raise ValueError(f'`{key}` is cut off')
    numbers = _numbers(value)
    if len(numbers) != size:
        raise ValueError(f'`{key}` has {len(numbers)} numbers, not {size}')
    return numbers


def _integers(text: str, key: str, size: int) -> Ints:
    numbers = _array(text, key, size)
    whole = numbers.astype(np.int64)
    if (whole != numbers).any():
        raise ValueError(f'`{key}` has a number that is not whole')
    return whole


def _numbers(braced: str) -> Floats:
    """Return all numbers of a nested list."""
    numbers = np.array([float(x) for x in braced.translate(_SEPARATORS).split()])
    if not np.isfinite(numbers).all():
        raise ValueError('a number is not finite')
    return numbers


def _tables(text: str) -> MtpTables:
    n_basic = int(_value(text, 'alpha_index_basic_count'))
    n_times = int(_value(text, 'alpha_index_times_count'))
    n_scalar = int(_value(text, 'alpha_scalar_moments'))
    return MtpTables(
        alpha_index_basic=_integers(text, 'alpha_index_basic', 4 * n_basic).reshape(-1, 4),
        alpha_index_times=_integers(text, 'alpha_index_times', 4 * n_times).reshape(-1, 4),
        alpha_moment_mapping=_integers(text, 'alpha_moment_mapping', n_scalar),
        n_moments=int(_value(text, 'alpha_moments_count')),
        level=level_of(n_basic, n_scalar),
    )


def _radial(text: str, n_species: int) -> tuple[list[int], Floats]:
    """Return the type numbers in order of appearance and the coefficients in that order."""
    n_radial = int(_value(text, 'radial_funcs_count'))
    size = int(_either(text, 'radial_basis_size', 'basis_function_count'))
    start, end = text.find('radial_coeffs'), text.find('alpha_moments_count')
    if start < 0 or end < 0:
        raise ValueError('`radial_coeffs` or `alpha_moments_count` is missing')
    block = text[start:end]
    heads = list(_PAIR.finditer(block))
    labels = list(dict.fromkeys(int(x) for head in heads for x in head.groups()))
    if len(labels) != n_species or len(heads) != n_species**2:
        raise ValueError(f'`radial_coeffs` has {len(heads)} pairs for {n_species} species')
    radial = np.empty((n_species, n_species, n_radial, size))
    ends = [head.start() for head in heads[1:]] + [len(block)]
    for head, stop in zip(heads, ends, strict=True):
        numbers = _numbers(block[head.end() : stop].split('shift')[0])
        if len(numbers) != n_radial * size:
            raise ValueError(
                f'the pair {head[0].strip()} has {len(numbers)} coefficients, not {n_radial * size}'
            )
        i, j = (labels.index(int(x)) for x in head.groups())
        radial[i, j] = np.reshape(numbers, (n_radial, size))
    return labels, radial


def write_potential(path: str | Path, model: MtpModel) -> None:
    """Write a ``.mtp`` file that MLIP-2 and MLIP-3 read."""
    with atomic_path(path) as temporary:
        temporary.write_text(format_potential(model), encoding='utf-8')


def format_potential(model: MtpModel) -> str:
    """Return a potential as text.

    The type numbers are 0, 1 …, except for nameless species, which keep the numbers they have.
    """
    tables, n = model.tables, len(model.species)
    nameless = all(type_number(name) is not None for name in model.species)
    labels = [name.removeprefix('type') if nameless else i for i, name in enumerate(model.species)]
    lines = [
        'MTP',
        'version = 1.1.0',
        'potential_name = MTP1m',
        f'scaling = {model.scaling:.15e}',
        f'species_count = {n}',
        f'potential_tag = {"" if nameless else _TAG + ",".join(model.species)}',
        'radial_basis_type = RBChebyshev',
        f'\tmin_dist = {model.min_dist:.15e}',
        f'\tmax_dist = {model.max_dist:.15e}',
        f'\tradial_basis_size = {model.radial_coeffs.shape[3]}',
        f'\tradial_funcs_count = {tables.n_radial}',
        '\tradial_coeffs',
    ]
    for i in range(n):
        for j in range(n):
            lines.append(f'\t\t{labels[i]}-{labels[j]}')
            lines += [f'\t\t\t{_braced(row)}' for row in model.radial_coeffs[i, j]]
    lines += [
        f'alpha_moments_count = {tables.n_moments}',
        f'alpha_index_basic_count = {len(tables.alpha_index_basic)}',
        f'alpha_index_basic = {_braced_rows(tables.alpha_index_basic)}',
        f'alpha_index_times_count = {len(tables.alpha_index_times)}',
        f'alpha_index_times = {_braced_rows(tables.alpha_index_times)}',
        f'alpha_scalar_moments = {tables.n_scalar}',
        f'alpha_moment_mapping = {{{", ".join(map(str, tables.alpha_moment_mapping))}}}',
        f'species_coeffs = {_braced(model.species_coeffs)}',
        f'moment_coeffs = {_braced(model.moment_coeffs)}',
        '',
    ]
    return '\n'.join(lines)


def _braced(numbers: Any) -> str:
    return '{' + ', '.join(f'{x:.15e}' for x in numbers) + '}'


def _braced_rows(rows: Any) -> str:
    return '{' + ', '.join('{' + ', '.join(map(str, row)) + '}' for row in rows) + '}'
