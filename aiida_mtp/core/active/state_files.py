r"""Active sets in MLIP's files: ``.almtp`` of MLIP-3 and ``.als`` of MLIP-2.

Both are a potential as text, then the active set, the matrices as raw numbers::

    .almtp  \n#MVS_v1.1\n five lines of weights # A (A⁻¹)ᵀ \n#\n n lines `structure equation` #\n
    .als    \n^ four weights \n# A (A⁻¹)ᵀ \n n lines `row structure`

and the structures in the ``.cfg`` format. The raw numbers may contain any bytes, so that what
stands behind them is found by counting.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.active.active_set import EMPTY, UNKNOWN_ATOM, ActiveSet, Mode
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path
from aiida_mtp.core.files.cfg import parse_cfg
from aiida_mtp.core.files.names import type_number
from aiida_mtp.core.potential.mlip import format_potential, parse_potential, potential_text

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch

MLIP3 = b'\n#MVS_v1.1\n'
MLIP2 = b'\n^'
_WEIGHTS = ('energy_weight', 'force_weight', 'stress_weight', 'site_en_weight', 'weight_scaling')
_BY_NUMBER_OF_ATOMS = 2  # MLIP's weight_scaling for b = (1/N) dE/dθ
_ID = re.compile(r'^ Feature +ID\t(.*?)$', re.MULTILINE)
_NO_ATOMS = re.compile(r'^ Size\s+0\s', re.MULTILINE)
_EMPTY_CFG = (
    'BEGIN_CFG\n Size\n    0\n Supercell\n'
    + ''.join('    ' + ' '.join(f'{x:.16e}' for x in row) + '\n' for row in np.eye(3))
    + ' AtomData:  id type       cartes_x      cartes_y      cartes_z\nEND_CFG\n\n'
)


def read_active_state(path: str | Path, model: MtpModel) -> ActiveSet | None:
    """Read the active set of a potential's file.

    Parameters
    ----------
    model
        The potential in the same file.

    Returns
    -------
    ActiveSet or None
        None if the file is a potential without one. Of an ``.als`` in neighborhood mode the atoms
        of the rows are not known.

    Raises
    ------
    InputError
        If the file is damaged or holds an active set of another kind.
    """
    content = Path(path).read_bytes()
    reader = _Reader(content, str(path), model)
    places = {mark: at for mark in (MLIP3, MLIP2) if (at := content.find(mark)) >= 0}
    if not places:
        return None
    mark = min(places, key=lambda mark: places[mark])  # a later one is chance, among raw numbers
    return (reader.mlip3 if mark == MLIP3 else reader.mlip2)(places[mark] + len(mark))


class _Reader:
    """What is behind the potential in one file."""

    def __init__(self, content: bytes, path: str, model: MtpModel) -> None:
        self.content, self.path, self.model = content, path, model
        self.n = model.n_parameters

    def mlip3(self, at: int) -> ActiveSet:
        header = self.content[at : at + 1000].split(b'\n', len(_WEIGHTS))
        weights = {}
        for name, line in zip(_WEIGHTS, [*header, *[b''] * len(_WEIGHTS)], strict=False):
            words = line.split()
            if len(words) != 2 or words[0] != name.encode():
                raise self._damaged(f'expected `{name} VALUE`, found {line[:40]!r}')
            try:
                weights[name] = float(words[1])
            except ValueError:
                raise self._damaged(f'{name} is {words[1]!r}, not a number') from None
            at += len(line) + 1
        mode = self._mode(*(weights[name] for name in _WEIGHTS))
        at = self._expect(b'#', at)
        matrix, inverse, at = self._matrices(at)
        at = self._expect(b'\n#\n', at)
        rows, at = self._pairs(at)
        at = self._expect(b'#\n', at)
        structures, _ = self._structures(at)
        atoms = np.zeros(self.n, dtype=np.int64)
        if mode is Mode.NEIGHBORHOOD:
            atoms = rows[:, 1] - _first_site_equation(structures.n_atoms[rows[:, 0]])
        atoms = np.where(rows[:, 0] == EMPTY, EMPTY, atoms)
        return self._active_set(matrix, inverse, rows[:, 0], atoms, structures, mode)

    def mlip2(self, at: int) -> ActiveSet:
        try:
            site, energy, force, stress = struct.unpack_from('=4d', self.content, at)
        except struct.error:
            raise self._damaged('it ends within the weights') from None
        mode = self._mode(energy, force, stress, site, _BY_NUMBER_OF_ATOMS)
        at = self._expect(b'\n#', at + 32)
        matrix, inverse, at = self._matrices(at)
        at = self._expect(b'\n', at)
        rows, at = self._pairs(at)
        # a structure without atoms stands for all empty rows
        structures, is_full = self._structures(at)
        if not np.array_equal(rows[:, 0], np.arange(self.n)):
            raise self._damaged('its rows are not numbered from 0')
        of_row = self._checked(rows[:, 1], len(is_full))
        renumbered = np.where(is_full, np.cumsum(is_full) - 1, EMPTY)[of_row]
        atoms = np.full(self.n, UNKNOWN_ATOM if mode is Mode.NEIGHBORHOOD else 0)
        atoms = np.where(renumbered == EMPTY, EMPTY, atoms)
        return self._active_set(matrix, inverse, renumbered, atoms, structures, mode)

    def _active_set(
        self,
        matrix: Floats,
        inverse: Floats,
        of_row: Ints,
        atoms: Ints,
        structures: StructureBatch,
        mode: Mode,
    ) -> ActiveSet:
        if not (np.isfinite(matrix).all() and np.isfinite(inverse).all()):
            raise self._damaged('its matrices are not finite')
        self._checked(of_row, len(structures))
        return ActiveSet(matrix, inverse, of_row, atoms, structures, mode)

    def _checked(self, of_row: Ints, n_structures: int) -> Ints:
        if of_row.min() < EMPTY or of_row.max() >= n_structures:
            raise self._damaged(f'a row points beyond its {n_structures} structures')
        return of_row

    def _mode(
        self, energy: float, force: float, stress: float, site: float, scaling: float
    ) -> Mode:
        if (energy, force, stress, site, scaling) == (1, 0, 0, 0, _BY_NUMBER_OF_ATOMS):
            return Mode.CONFIGURATION
        if (energy, force, stress, site) == (0, 0, 0, 1):
            return Mode.NEIGHBORHOOD
        raise InputError(
            f'{self.path}: active set with weights energy {energy:g}, force {force:g}, '
            f'stress {stress:g}, site {site:g}, scaling {scaling:g}: only configuration mode '
            '(1, 0, 0, 0, 2) and neighborhood mode (0, 0, 0, 1) are handled'
        )

    def _matrices(self, at: int) -> tuple[Floats, Floats, int]:
        size = 8 * self.n**2
        if len(self.content) < at + 2 * size:
            raise self._damaged(f'it ends within the matrices of {self.n} parameters')
        raw = np.frombuffer(self.content, '<f8', 2 * self.n**2, at).reshape(2, self.n, self.n)
        return raw[0].copy(), raw[1].T.copy(), at + 2 * size

    def _pairs(self, at: int) -> tuple[Ints, int]:
        found = re.compile(rb'(?:-?\d+ -?\d+\n){%d}' % self.n).match(self.content, at)
        if found is None:
            raise self._damaged(f'expected {self.n} pairs of numbers behind the matrices')
        pairs = np.array(found.group().split(), dtype=np.int64).reshape(-1, 2)
        return pairs, found.end()

    def _structures(self, at: int) -> tuple[StructureBatch, Bools]:
        """Return the structures, and which of those in the file have atoms."""
        try:
            text = self.content[at:].decode('ascii')
        except UnicodeDecodeError:
            raise self._damaged('its structures are not text') from None
        blocks = re.findall(r'BEGIN_CFG.*?END_CFG', text, re.DOTALL)
        is_full = np.array([_NO_ATOMS.search(block) is None for block in blocks], dtype=bool)
        lines = text if is_full.all() else '\n'.join(np.array(blocks, dtype=object)[is_full])
        own = parse_potential(potential_text(self.content)).species
        if _type_numbers(own) is None:
            batch = parse_cfg(lines.splitlines(), self.path, own)
        else:
            batch = parse_cfg(lines.splitlines(), self.path).with_species(own)
        ids = [found[1] for block in blocks if (found := _ID.search(block))]
        if len(ids) == len(batch):
            batch = batch.replaced(ids=np.array(ids, dtype=object))
        return batch.replaced(columns={}).renamed(self.model.species), is_full

    def _expect(self, marker: bytes, at: int) -> int:
        if self.content[at : at + len(marker)] != marker:
            raise self._damaged(f'expected {marker!r} at byte {at}')
        return at + len(marker)

    def _damaged(self, what: str) -> InputError:
        return InputError(f'{self.path}: the active set is damaged: {what}')


def write_active_state(path: str | Path, model: MtpModel, active_set: ActiveSet) -> None:
    """Write a potential with its active set; the suffix ``.als`` asks for MLIP-2's format.

    Raises
    ------
    ValueError
        If the active set is not one of this potential.
    """
    if active_set.n_parameters != model.n_parameters:
        raise ValueError(
            f'active set of {active_set.n_parameters} parameters, potential of {model.n_parameters}'
        )
    make = _mlip2_bytes if Path(path).suffix == '.als' else _mlip3_bytes
    state = make(active_set, active_set.structures.with_species(model.species))
    with atomic_path(path) as temporary:
        temporary.write_bytes(format_potential(model).rstrip('\n').encode() + state)


def _mlip3_bytes(active_set: ActiveSet, structures: StructureBatch) -> bytes:
    is_site = active_set.mode is Mode.NEIGHBORHOOD
    values = (float(not is_site), 0.0, 0.0, float(is_site))
    weights = [f'{name} {value:.16e}\n' for name, value in zip(_WEIGHTS[:-1], values, strict=True)]
    weights.append(f'{_WEIGHTS[-1]} {_BY_NUMBER_OF_ATOMS}\n')
    of_row = active_set.structure_of_row
    equations = np.zeros_like(of_row)
    if is_site:
        if (active_set.atom_of_row[~active_set.is_empty_row] == UNKNOWN_ATOM).any():
            raise InputError(
                'an active set in neighborhood mode read from an .als file lacks the atoms of its '
                'rows, which an .almtp file needs: build it anew from its training set'
            )
        equations = active_set.atom_of_row + _first_site_equation(structures.n_atoms[of_row])
    equations = np.where(active_set.is_empty_row, EMPTY, equations)
    pairs = ''.join(f'{s} {e}\n' for s, e in zip(of_row, equations, strict=True))
    texts = []
    for index in range(len(structures)):
        selected = ','.join(str(e) for e in np.unique(equations[of_row == index]))
        texts.append(_cfg(structures, index, f' Feature   selected_eqn_inds\t{selected}\n'))
    return b''.join(
        [
            MLIP3,
            ''.join(weights).encode(),
            b'#',
            _matrix_bytes(active_set),
            f'\n#\n{pairs}#\n'.encode(),
            ''.join(texts).encode(),
        ]
    )


def _mlip2_bytes(active_set: ActiveSet, structures: StructureBatch) -> bytes:
    is_site = active_set.mode is Mode.NEIGHBORHOOD
    # structures are numbered by the first row they hold; one without atoms holds the empty rows
    numbers = {s: number for number, s in enumerate(dict.fromkeys(active_set.structure_of_row))}
    pairs = ''.join(f'{row} {numbers[s]}\n' for row, s in enumerate(active_set.structure_of_row))
    texts = [_EMPTY_CFG if s == EMPTY else _cfg(structures, s) for s in numbers]
    return b''.join(
        [
            MLIP2,
            struct.pack('=4d', float(is_site), float(not is_site), 0.0, 0.0),
            b'\n#',
            _matrix_bytes(active_set),
            f'\n{pairs}'.encode(),
            ''.join(texts).encode(),
        ]
    )


def _matrix_bytes(active_set: ActiveSet) -> bytes:
    transposed = np.ascontiguousarray(active_set.inverse.T, dtype='<f8')
    return np.ascontiguousarray(active_set.matrix, dtype='<f8').tobytes() + transposed.tobytes()


def _first_site_equation(n_atoms: Ints) -> Ints:
    """Return the number of MLIP's first equation for a site: behind energy, forces and stress."""
    return 1 + 3 * n_atoms + 6


def _type_numbers(species: tuple[str, ...]) -> list[int] | None:
    """Return the numbers in the names of nameless species, None if they have names."""
    numbers = [number for name in species if (number := type_number(name)) is not None]
    return numbers if len(numbers) == len(species) else None


def _cfg(structures: StructureBatch, index: int, features: str = '') -> str:
    """Return a structure with all digits, in the way MLIP lays it out in these files."""

    def row(values: Floats) -> str:
        return ' '.join(f'{x:.16e}' for x in values)

    atoms = structures.atoms_of(index)
    forces = structures.forces[atoms]
    has_forces = bool(np.isfinite(forces).all())
    lines = ['BEGIN_CFG', ' Size', f'    {structures.n_atoms[index]}', ' Supercell']
    lines += [f'    {row(vector)}' for vector in structures.cells[index]]
    header = ' AtomData:  id type       cartes_x      cartes_y      cartes_z'
    lines.append(header + ('           fx          fy          fz' if has_forces else ''))
    places = zip(structures.types[atoms], structures.positions[atoms], forces, strict=True)
    labels = _type_numbers(structures.species) or range(len(structures.species))
    for number, (kind, position, force) in enumerate(places, start=1):
        tail = f'  {row(force)}' if has_forces else ''
        lines.append(f'    {number} {labels[kind]}  {row(position)}{tail}')
    if np.isfinite(structures.energies[index]):
        lines += [' Energy', f'    {structures.energies[index]:.16e}']
    if np.isfinite(structures.stresses[index]).all():
        virial = -structures.stresses[index] * structures.volumes[index]
        lines.append(' PlusStress:  xx          yy          zz          yz          xz          xy')
        lines.append(f'     {row(virial)}')
    lines.append(f' Feature   ID\t{structures.ids[index]}')
    return '\n'.join(lines) + f'\n{features}END_CFG\n\n'
