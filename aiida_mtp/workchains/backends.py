"""What the screen asks of a DFT code, and the codes that answer.

A backend turns a set of structures into processes and a finished process back into labels; the
label work chain does the rest: windows of submission, restarts, provenance. A code that computes
one structure per process sets `rows_per_job = 1`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from aiida.orm import Dict, Str
from aiida.plugins import CalculationFactory

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import ProcessNode

    from aiida_mtp.data.structures import StructureSetData


class DftBackend(ABC):
    """One DFT code."""

    rows_per_job: ClassVar[int | None] = None
    """Number of structures a process computes; None if it takes any number."""

    @abstractmethod
    def builder(
        self, structures: StructureSetData, task: str, dft: dict[str, Any]
    ) -> ProcessBuilder:
        """Return the process that labels these structures.

        Parameters
        ----------
        task
            ``static`` (energy, forces and stress as they are) or ``relax`` (cell and positions).
        dft
            The `dft` inputs of the label work chain: code, settings, options.
        """

    @abstractmethod
    def labels(self, process: ProcessNode, structures: StructureSetData) -> StructureSetData | None:
        """Return what the process found of its structures, with a status per row.

        None if it found nothing and may be tried again.
        """

    @staticmethod
    @abstractmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Raise `InputError` if these settings are not ones of this code."""


class AseBackend(DftBackend):
    """Any ASE calculator, through the executable ``mtp-dft``."""

    def builder(
        self, structures: StructureSetData, task: str, dft: dict[str, Any]
    ) -> ProcessBuilder:
        """Return one calculation for the whole set."""
        process: Any = CalculationFactory('mtp.dft')
        builder = process.get_builder()
        builder.code = dft['code']
        builder.structures = structures
        builder.task = Str(task)
        builder.parameters = Dict(dft['settings'].get_dict())
        builder.metadata.options = dft.get('options', {})
        return builder

    def labels(
        self,
        process: ProcessNode,
        structures: StructureSetData,  # noqa: ARG002 - it has its own
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
