"""What is known of each structure, in one small file each, kept as soon as it is known.

A file is named after the task and a hash of the structure, and tells the hash of the settings:
whatever changes, nothing is taken for the result of something else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.files.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.structures import StructureBatch

DONE = 'done'
NOT_CONVERGED = 'not_converged'
FAILED = 'failed'
UNFINISHED = 'unfinished'
"""The status of a structure that a job was stopped before."""


@dataclass(frozen=True)
class Result:
    """What a calculation found.

    Parameters
    ----------
    structure
        Hash of the structure it was given.
    task_digest, digest
        Hashes of the settings; see `DftSettings`.
    status
        ``done``, ``not_converged`` or ``failed`` …
    message
        … and why.
    energy
        Of the whole cell, eV.
    forces
        shape (n_atoms, 3), eV/Å.
    stress
        shape (6,), ASE's order and sign, eV/Å³.
    magnetic_moment
        Of the whole cell, µB; None without spin.
    absolute_moment
        Sum of the sizes of the moments of the atoms, µB; None without spin.
    magnetic_state
        The one it was begun from that counts: the lowest in energy.
    magnetic_states
        All it was begun from, each with energy (eV) and moments (µB), or why it has none.
    positions, cell
        shapes (n_atoms, 3) and (3, 3), Å: of the structure the numbers belong to.
    n_steps
        Steps of the relaxation.
    seconds
        Wall time.
    """

    structure: str
    task_digest: str
    digest: str
    status: str
    message: str = ''
    energy: float | None = None
    forces: list[list[float]] | None = None
    stress: list[float] | None = None
    magnetic_moment: float | None = None
    absolute_moment: float | None = None
    magnetic_state: str = ''
    magnetic_states: dict[str, dict[str, Any]] | None = None
    positions: list[list[float]] | None = None
    cell: list[list[float]] | None = None
    n_steps: int = 0
    seconds: float = 0.0
    version: str = ''

    def write(self, folder: Path, task: str) -> None:
        """Write the file, whole or not at all."""
        with atomic_path(result_path(folder, task, self.structure)) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1), encoding='utf-8')


def read_result(folder: Path, task: str, structure: str) -> Result | None:
    """Return what is known of a structure; None if there is no file, or none that is whole."""
    try:
        content = result_path(folder, task, structure).read_text(encoding='utf-8')
        values = json.loads(content)
        result = Result(**values)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return result if result.structure == structure else None


def result_path(folder: Path, task: str, structure: str) -> Path:
    """Return the file for a structure."""
    return folder / f'{task}-{structure}.json'


def structure_hash(symbols: Sequence[str], cell: Floats, positions: Floats) -> str:
    """Return a hash of the very numbers of a structure, 24 digits."""
    digest = hashlib.sha256(' '.join(symbols).encode())
    for array in (cell, positions):
        digest.update(np.ascontiguousarray(array, dtype='<f8').tobytes())
    return digest.hexdigest()[:24]


def structure_hashes(batch: StructureBatch) -> list[str]:
    """Return the hash of each structure."""
    hashes = []
    for index in range(len(batch)):
        rows = batch.atoms_of(index)
        symbols = [batch.species[t] for t in batch.types[rows]]
        hashes.append(structure_hash(symbols, batch.cells[index], batch.positions[rows]))
    return hashes


def collect_results(batch: StructureBatch, folder: str | Path, task: str) -> StructureBatch:
    """Return every row of a batch, in order, with what a folder of results knows of it.

    Rows without a result have status ``unfinished`` and no labels. Needs no calculator, so that
    the results of a job that was killed can be gathered anywhere.
    """
    folder = Path(folder)
    results = [read_result(folder, task, key) for key in structure_hashes(batch)]
    return with_results(batch, results)


def with_results(batch: StructureBatch, results: Sequence[Result | None]) -> StructureBatch:
    """Return a batch with one result, or none, for each row."""
    blank = batch.without_labels()
    energies, forces, stresses = blank.energies, blank.forces, blank.stresses
    positions, cells = batch.positions.copy(), batch.cells.copy()
    for index, result in enumerate(results):
        if result is None:
            continue
        rows = batch.atoms_of(index)
        for array, where, value in (
            (energies, index, result.energy),
            (forces, rows, result.forces),
            (stresses, index, result.stress),
            (positions, rows, result.positions),
            (cells, index, result.cell),
        ):
            if value is not None:
                array[where] = value
    status = [UNFINISHED if result is None else result.status for result in results]
    return batch.replaced(
        positions=positions,
        cells=cells,
        energies=energies,
        forces=forces,
        stresses=stresses,
        status=np.array(status, dtype=object),
    ).with_columns(**_columns(results))


def _columns(results: Sequence[Result | None]) -> dict[str, Any]:
    """Return the columns that results give."""

    def column(name: str, blank: Any) -> list[Any]:
        values = [None if r is None else getattr(r, name) for r in results]
        return [blank if value is None else value for value in values]

    numbers = ('magnetic_moment', 'absolute_moment', 'n_steps', 'seconds')
    states = column('magnetic_states', {})
    return {
        'message': column('message', ''),
        'label_settings': column('digest', ''),
        'magnetic_state': column('magnetic_state', ''),
        'magnetic_states': [json.dumps(known) if known else '' for known in states],
        **{name: np.array(column(name, np.nan), dtype=np.float64) for name in numbers},
    }
