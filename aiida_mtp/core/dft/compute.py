"""One structure, one result: whatever happens to it, and from however many magnetic states."""

from __future__ import annotations

import tempfile
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiida_mtp.core.dft.calculators import magnetic_starts
from aiida_mtp.core.dft.magnetism import best_state, state_summary
from aiida_mtp.core.dft.relax import relax, single_point
from aiida_mtp.core.dft.results import DONE, FAILED, NOT_CONVERGED, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

    from aiida_mtp.core.dft.relax import Labels
    from aiida_mtp.core.dft.settings import DftSettings

# Names of the exceptions of self-consistency loops that do not converge; not imported, for most of
# these calculators are not installed.
_NOT_CONVERGED = {'KohnShamConvergenceError', 'ConvergenceError', 'SCFError'}


@dataclass(frozen=True)
class Task:
    """What is done with every structure of a run.

    Parameters
    ----------
    name
        ``static`` or ``relax``.
    """

    name: str
    settings: DftSettings
    task_digest: str
    digest: str
    version: str

    @classmethod
    def make(cls, name: str, settings: DftSettings) -> Task:
        """Make a task; what is looked up once need not be for every structure."""
        return cls(name, settings, settings.task_digest(name), settings.digest(), settings.version)

    def result(self, structure: str, **found: Any) -> Result:
        """Return a result of this task."""
        return Result(
            structure=structure,
            task_digest=self.task_digest,
            digest=self.digest,
            version=self.version,
            **found,
        )


def compute(task: Task, job: Mapping[str, Any]) -> Result:
    """Compute a structure; whatever goes wrong becomes its status and message.

    Parameters
    ----------
    job
        ``structure`` (its hash), ``symbols``, ``positions`` and ``cell``.
    """
    import ase

    start = time.perf_counter()
    atoms = ase.Atoms(job['symbols'], positions=job['positions'], cell=job['cell'], pbc=True)
    found = {}
    for state, moments in magnetic_starts(task.settings, atoms).items():
        atoms.set_initial_magnetic_moments(moments)  # type: ignore[no-untyped-call]
        found[state] = _computed(task, atoms)
    best = best_state(found, len(atoms))
    states = {state: state_summary(result) for state, result in found.items()}
    return task.result(
        job['structure'],
        **found[best],
        magnetic_state=best,
        magnetic_states=states,
        seconds=round(time.perf_counter() - start, 3),
    )


def _computed(task: Task, atoms: Atoms) -> dict[str, Any]:
    """Return what a calculation with these initial moments finds, or why it finds nothing."""
    act = single_point if task.name == 'static' else relax
    try:
        with _folder(task.settings) as folder, warnings.catch_warnings():
            warnings.simplefilter('ignore')  # calculators repeat theirs for every structure
            return _found(act(task.settings, atoms, folder))
    # Calculators raise whatever they like. This is the boundary of a structure: its failure must
    # not be that of the others.
    except Exception as error:  # noqa: BLE001
        name = type(error).__name__
        return {
            'status': NOT_CONVERGED if name in _NOT_CONVERGED else FAILED,
            'message': ' '.join(f'{name}: {error}'.split()),
        }


def _folder(settings: DftSettings) -> AbstractContextManager[str]:
    """Return a folder for the files of a calculator, if it has any."""
    if settings.calculator in {'emt', 'gpaw'}:
        return nullcontext('.')
    return tempfile.TemporaryDirectory(prefix='mtp-dft-')


def _found(labels: Labels) -> dict[str, Any]:
    """Return labels as plain values."""
    return {
        'status': NOT_CONVERGED if labels.shortfall else DONE,
        'message': labels.shortfall,
        'energy': labels.energy,
        'forces': labels.forces.tolist(),
        'stress': labels.stress.tolist(),
        'magnetic_moment': labels.magnetic_moment,
        'absolute_moment': None if labels.moments is None else float(abs(labels.moments).sum()),
        'positions': labels.positions.tolist(),
        'cell': labels.cell.tolist(),
        'n_steps': labels.n_steps,
    }
