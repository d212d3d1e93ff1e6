"""One structure, one result: whatever happens to it."""

from __future__ import annotations

import tempfile
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiida_mtp.core.dft.relax import relax, single_point
from aiida_mtp.core.dft.results import DONE, FAILED, NOT_CONVERGED, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from ase import Atoms

    start = time.perf_counter()
    atoms = Atoms(job['symbols'], positions=job['positions'], cell=job['cell'], pbc=True)
    act = single_point if task.name == 'static' else relax
    found: dict[str, Any]
    try:
        with _folder(task.settings) as folder, warnings.catch_warnings():
            warnings.simplefilter('ignore')  # calculators repeat theirs for every structure
            found = _found(act(task.settings, atoms, folder))
    # Calculators raise whatever they like. This is the boundary of a structure: its failure must
    # not be that of the others.
    except Exception as error:  # noqa: BLE001
        name = type(error).__name__
        found = {
            'status': NOT_CONVERGED if name in _NOT_CONVERGED else FAILED,
            'message': ' '.join(f'{name}: {error}'.split()),
        }
    return task.result(job['structure'], **found, seconds=round(time.perf_counter() - start, 3))


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
        'positions': labels.positions.tolist(),
        'cell': labels.cell.tolist(),
        'n_steps': labels.n_steps,
    }
