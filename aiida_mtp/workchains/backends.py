"""What the screen asks of a DFT code, and the codes that answer.

A backend turns a set of structures into processes and a finished process back into labels; the
label work chain does the rest: windows of submission, restarts, provenance. A code that computes
one structure per process sets `rows_per_job = 1`. Backends are entry points of the group
``aiida_mtp.backends``, so that another package can bring its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from aiida.orm import Dict, Str
from aiida.plugins import CalculationFactory

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida.engine import ProcessBuilder
    from aiida.orm import AbstractCode, ProcessNode

    from aiida_mtp.data.structures import StructureSetData

GROUP = 'aiida_mtp.backends'


@dataclass(frozen=True)
class Job:
    """What one process computes.

    Parameters
    ----------
    task
        ``static`` (energy, forces and stress as they are) or ``relax`` (cell and positions).
    dft
        The `dft` inputs of the label work chain: code, settings, options.
    state
        Name of the magnetic state to begin from, of those `magnetic_states` gave.
    """

    structures: StructureSetData
    task: str
    dft: Mapping[str, Any]
    state: str = ''

    @property
    def options(self) -> dict[str, Any]:
        """Options of the scheduler, those for its largest structure."""
        chosen = dict(self.dft.get('options', {}))
        above = self.dft.get('options_above', {})
        if above:
            n_atoms = int(self.structures.get_batch().n_atoms.max())
            for limit in sorted(above, key=int):
                if n_atoms > int(limit):
                    chosen |= above[limit]
        return chosen


class DftBackend(ABC):
    """One DFT code."""

    code_plugins: ClassVar[tuple[str, ...]]
    """Calculation plugins of the codes it can run."""

    rows_per_job: ClassVar[int | None] = None
    """Number of structures a process computes; None if it takes any number."""

    def magnetic_states(
        self,
        structures: StructureSetData,  # noqa: ARG002 - for backends whose processes take one state
        settings: dict[str, Any],  # noqa: ARG002
    ) -> list[str]:
        """Return the magnetic states to compute a job's structures from, each with a process.

        A backend whose processes do all by themselves returns one without a name.
        """
        return ['']

    @abstractmethod
    def builder(self, job: Job) -> ProcessBuilder:
        """Return the process that labels the structures of a job."""

    @abstractmethod
    def labels(self, process: ProcessNode, job: Job) -> StructureSetData | None:
        """Return what the process found of its structures, with a status per row.

        None if it found nothing and may be tried again.
        """

    @staticmethod
    @abstractmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Raise `InputError` if these settings are not ones of this code."""


class AseBackend(DftBackend):
    """Any ASE calculator, through the executable ``mtp-dft``."""

    code_plugins = ('mtp.dft',)

    def builder(self, job: Job) -> ProcessBuilder:
        """Return one calculation for the whole set."""
        process: Any = CalculationFactory('mtp.dft')
        builder = process.get_builder()
        builder.code = job.dft['code']
        builder.structures = job.structures
        builder.task = Str(job.task)
        builder.parameters = Dict(job.dft['settings'].get_dict())
        builder.metadata.options = job.options
        return builder

    def labels(
        self,
        process: ProcessNode,
        job: Job,  # noqa: ARG002 - the process has its structures
    ) -> StructureSetData | None:
        """Return the set the calculation made, whole or in part."""
        labels: StructureSetData | None = (
            process.outputs.structures if 'structures' in process.outputs else None
        )
        return labels

    @staticmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Let the settings class of ``mtp-dft`` judge."""
        from aiida_mtp.core.dft.settings import DftSettings

        DftSettings.from_mapping(settings)


def backend_names() -> list[str]:
    """Return the names of all installed backends."""
    return sorted(entry_points(group=GROUP).names)


def load_backend(name: str) -> type[DftBackend]:
    """Return the backend of this name.

    Raises
    ------
    InputError
        If there is none.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise InputError(f'no DFT backend {name!r}; there are {", ".join(backend_names())}')
    backend: type[DftBackend] = next(iter(found)).load()
    return backend


def backend_of(code: AbstractCode) -> str:
    """Return the name of the backend that runs a code.

    Raises
    ------
    InputError
        If none does.
    """
    plugin = code.default_calc_job_plugin
    for name in backend_names():
        if plugin in load_backend(name).code_plugins:
            return name
    raise InputError(
        f'code {code.full_label} is for {plugin or "no calculation plugin"}, which no DFT backend '
        f'runs; name one of {", ".join(backend_names())}'
    )
