"""Many structures relaxed, each from start to end on one thread.

Nothing is summed across structures or threads: the result is the same for any number of threads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._arrays import strings
from aiida_mtp.core._threads import on_all_threads
from aiida_mtp.core.active.active_set import ActiveSet, Mode
from aiida_mtp.core.potential.arguments import KernelArguments, kernel_arguments
from aiida_mtp.core.potential.workspace import CAPACITY, make_workspace
from aiida_mtp.core.relax.frame import REASONS, UNFINISHED, UNKNOWN_SPECIES, Grading, Limits
from aiida_mtp.core.relax.kernels import Rows, Scan, relax_rows
from aiida_mtp.core.relax.settings import RelaxSettings
from aiida_mtp.core.relax.steps import make_room
from aiida_mtp.core.structures import NEW, StructureBatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aiida_mtp.core._typing import Bools, Floats, Ints, Types
    from aiida_mtp.core.potential.model import MtpModel

STRUCTURES_PER_CALL = 8  # of a thread: few enough that none is left with all the work
MIN_DIST_FACTOR = 0.7  # default of RelaxSettings.min_dist, in units of the potential's


@dataclass(frozen=True)
class Relaxed:
    """What came of the relaxation of a batch.

    Parameters
    ----------
    structures
        Every structure in order: where it got to, with the energy, forces and stress there, the
        reason it stopped as status, and columns `grade` (largest met) and `n_steps` (evaluations).
        What could not be evaluated at all has no labels.
    candidates
        The frame of the largest grade of each structure that exceeded `threshold_save`, to be
        labelled; its origin is the id of the structure, its id that and a hash of the geometry.
    """

    structures: StructureBatch
    candidates: StructureBatch


def relax(
    model: MtpModel,
    batch: StructureBatch,
    settings: RelaxSettings | None = None,
    active_set: ActiveSet | None = None,
    *,
    n_threads: int | None = None,
    progress: Callable[[int], Any] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Relaxed:
    """Relax cell and positions of every structure, watching the extrapolation grade at every step.

    Parameters
    ----------
    active_set
        Without it no grades are computed.
    n_threads
        By default as many as other kernels use.
    progress
        Called with the number of structures finished since the last call.
    is_over
        Tells whether the time is up: then what is begun is finished, and the rest stays as it is
        with status ``unfinished``. So a structure is relaxed from start to end in one go or not at
        all, and the result does not depend on when the time was up.
    """
    settings = settings or RelaxSettings()
    known, types = _types_in(model, batch)
    rows = _rows(batch, types)
    rows.reasons[~known] = UNKNOWN_SPECIES
    todo = np.flatnonzero(known)
    if progress is not None:
        progress(int((~known).sum()))
    task = _Task(
        rows,
        kernel_arguments(model),
        _inverse(active_set),
        is_by_atom=active_set is not None and active_set.mode is Mode.NEIGHBORHOOD,
        limits=_limits(settings, model),
        factors=_scan_factors(settings),
        is_over=is_over,
    )
    pieces = np.split(todo, np.arange(STRUCTURES_PER_CALL, len(todo), STRUCTURES_PER_CALL))
    for done in on_all_threads(task.relax, pieces, n_threads):
        if progress is not None:
            progress(done)
    return Relaxed(_structures(batch, rows), _candidates(batch, rows))


@dataclass(frozen=True)
class _Task:
    """What a thread needs to know to relax some rows."""

    rows: Rows
    potential: KernelArguments
    inverse: Floats
    is_by_atom: bool
    limits: Limits
    factors: Floats
    is_over: Callable[[], bool]

    def relax(self, todo: Ints) -> int:
        """Relax some rows and return their number; none if there are none or the time is up."""
        if not len(todo) or self.is_over():
            return 0
        n_points, n_parameters = len(self.factors), len(self.inverse)
        n_atoms = int(np.diff(self.rows.first_atom)[todo].max())
        n_rows = n_atoms if self.is_by_atom else min(1, n_parameters)
        grading = Grading(self.inverse, np.zeros((n_rows, n_parameters)), np.zeros(n_parameters))
        scan = Scan(self.factors, np.zeros(n_points), np.zeros(n_points, dtype=np.int64))
        room = make_room(n_atoms)
        capacity, done = CAPACITY, 0
        while done < len(todo):
            work = make_workspace(self.potential, capacity)
            done += relax_rows(
                todo[done:], self.rows, self.potential, grading, self.limits, scan, work, room
            )
            capacity *= 2  # only if it was too small
        return len(todo)


def _rows(batch: StructureBatch, types: Types) -> Rows:
    n, n_atoms = len(batch), len(batch.positions)
    return Rows(
        first_atom=batch.first_atom,
        types=types,
        positions=batch.positions.copy(),
        cells=batch.cells.copy(),
        energies=np.full(n, np.nan),
        forces=np.full((n_atoms, 3), np.nan),
        stresses=np.full((n, 6), np.nan),
        grades=np.full(n, np.nan),
        reasons=np.full(n, UNFINISHED),
        n_steps=np.zeros(n, dtype=np.int64),
        candidate_positions=np.empty((n_atoms, 3)),
        candidate_cells=np.empty((n, 3, 3)),
        candidate_grades=np.full(n, np.nan),
    )


def _structures(batch: StructureBatch, rows: Rows) -> StructureBatch:
    words = np.array([str(reason) for reason in REASONS], dtype=object)
    return batch.replaced(
        positions=rows.positions,
        cells=rows.cells,
        energies=rows.energies,
        forces=rows.forces,
        stresses=rows.stresses,
        status=words[rows.reasons],
    ).with_columns(grade=rows.grades, n_steps=rows.n_steps)


def _candidates(batch: StructureBatch, rows: Rows) -> StructureBatch:
    frames = batch.replaced(
        positions=rows.candidate_positions,
        cells=rows.candidate_cells,
        origins=batch.ids,
        columns={'grade': rows.candidate_grades},
    )
    frames = frames.take(np.isfinite(rows.candidate_grades)).without_labels()
    return frames.replaced(
        ids=strings([_name_of_frame(frames, row) for row in range(len(frames))]),
        status=strings([NEW] * len(frames)),
    )


def _name_of_frame(frames: StructureBatch, row: int) -> str:
    """Return the id of a structure with a hash of where it is now, different for each frame."""
    positions = frames.positions[frames.atoms_of(row)]
    geometry = frames.cells[row].tobytes() + positions.tobytes()
    return f'{frames.ids[row]}~{hashlib.sha256(geometry).hexdigest()[:8]}'


def _types_in(model: MtpModel, batch: StructureBatch) -> tuple[Bools, Types]:
    """Return which structures have only species of the model, and all types in its order."""
    lookup = [model.species.index(s) if s in model.species else -1 for s in batch.species]
    types = np.array([*lookup, -1], dtype=np.int16)[batch.types]
    n_unknown = np.zeros(len(batch), dtype=np.int64)
    np.add.at(n_unknown, batch.structure_of_atom, types < 0)
    return n_unknown == 0, types


def _inverse(active_set: ActiveSet | None) -> Floats:
    if active_set is None:
        return np.empty((0, 0))
    return np.ascontiguousarray(active_set.inverse)


def _limits(settings: RelaxSettings, model: MtpModel) -> Limits:
    values = {name: getattr(settings, name) for name in Limits._fields}
    if settings.min_dist is None:
        values['min_dist'] = MIN_DIST_FACTOR * model.min_dist
    return Limits(**{name: float(value) for name, value in values.items()})


def _scan_factors(settings: RelaxSettings) -> Floats:
    if not settings.scan_volume:
        return np.empty(0)
    return np.geomspace(settings.scan_min, settings.scan_max, settings.scan_points)
