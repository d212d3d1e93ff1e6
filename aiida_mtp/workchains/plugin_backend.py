"""DFT codes that another plugin of AiiDA runs, with its work chains and handlers of errors."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from aiida.orm import CalcJobNode, Str

from aiida_mtp.calculations.code_functions import failed_labels
from aiida_mtp.core.dft.magnetism import starting_moments
from aiida_mtp.workchains.backends import DftBackend, Job

if TYPE_CHECKING:
    from aiida.orm import ProcessNode
    from ase import Atoms

    from aiida_mtp.core.dft.plane_waves import PlaneWaveSettings
    from aiida_mtp.data.structures import StructureSetData

RESOURCES = {'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': 1}}


class PluginBackend(DftBackend):
    """One structure from one magnetic state per work chain."""

    rows_per_job = 1

    settings_class: ClassVar[type[PlaneWaveSettings]]

    def magnetic_states(self, structures: StructureSetData, settings: dict[str, Any]) -> list[str]:
        """Return those the settings ask for."""
        atoms = structures.get_batch().to_ase(0)
        return list(moments_by_state(self.settings_class.from_mapping(settings), atoms))

    def labels(self, process: ProcessNode, job: Job) -> StructureSetData | None:
        """Return the label, or the reason why there is none; None to try again."""
        runs = [node for node in process.called_descendants if isinstance(node, CalcJobNode)]
        if not process.is_finished or not runs:
            return None
        if self.was_cut_short(max(runs, key=lambda run: run.ctime)):
            return None
        if process.is_finished_ok and self.is_complete(process):
            return self.label(process, job)
        reason = process.exit_message or 'it ended without energy, forces and stress'
        reason = f'{process.process_label}: {reason}'
        failed: StructureSetData = failed_labels(job.structures, Str(reason), Str(job.state))
        return failed

    @staticmethod
    @abstractmethod
    def was_cut_short(run: CalcJobNode) -> bool:
        """Tell whether a run of the code was stopped: that says nothing of the structure."""

    @staticmethod
    @abstractmethod
    def is_complete(process: ProcessNode) -> bool:
        """Tell whether energy, forces and stress were found in the files."""

    @abstractmethod
    def label(self, process: ProcessNode, job: Job) -> StructureSetData:
        """Return what a complete process found."""


def moments_by_state(settings: PlaneWaveSettings, atoms: Atoms) -> dict[str, list[float]]:
    """Return the initial moments of the atoms, µB, by the name of the magnetic state."""
    return starting_moments(settings.spin, atoms, settings.initial_moments)
