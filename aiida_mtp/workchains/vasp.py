"""VASP through the work chains of aiida-vasp, with their handlers of errors."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from aiida.orm import Dict, Str
from aiida.plugins import DataFactory, WorkflowFactory

from aiida_mtp.calculations.vasp_functions import (
    failed_labels,
    labels_of_vasp,
    ordered_structure,
)
from aiida_mtp.core.dft.vasp_settings import CUTOFF_FACTOR, VaspSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.workchains.backends import DftBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida.engine import ProcessBuilder
    from aiida.orm import ProcessNode

    from aiida_mtp.data.structures import StructureSetData

VaspWorkChain: Any = WorkflowFactory('vasp.v2.vasp')
VaspRelaxWorkChain: Any = WorkflowFactory('vasp.v2.relax')
PotcarData: Any = DataFactory('vasp.potcar')

# What a run must have told: without this a file that is cut counts as a success.
QUANTITIES = ['run_status', 'run_stats', 'total_energies', 'forces', 'stress']
PARSER = {'parser_settings': {'required_quantity': QUANTITIES, 'include_quantity': QUANTITIES}}
RESOURCES = {'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': 1}}
STILL = 1e-3  # relative change of the cell, and Å, below which a restart has moved nothing


class VaspBackend(DftBackend):
    """One structure per work chain of aiida-vasp."""

    code_plugins = ('vasp.vasp', 'vasp.v2.vasp')
    rows_per_job = 1

    def builder(
        self, structures: StructureSetData, task: str, dft: dict[str, Any]
    ) -> ProcessBuilder:
        """Return the work chain for the one structure of a set."""
        settings = VaspSettings.from_mapping(dft['settings'].get_dict())
        structure = ordered_structure(structures)
        if task == 'static':
            builder: Any = VaspWorkChain.get_builder()
            single = builder
        else:
            builder = VaspRelaxWorkChain.get_builder()
            single = builder.vasp
            builder.relax_settings = _relax_settings(settings)  # the rest is filled in
        builder.structure = structure
        potentials = _potentials(settings, structures.species)
        single.code = dft['code']
        single.parameters = Dict({'incar': settings.tags(_cutoff(potentials))})
        single.potential_family = settings.potential_family
        single.potential_mapping = {kind: _name(settings, kind) for kind in structures.species}
        single.kpoints_spacing = settings.k_spacing / (2 * math.pi)  # theirs leaves 2π out
        single.settings = Dict(PARSER)
        single.calc.metadata.options = {**RESOURCES, **dft.get('options', {})}
        if settings.spin != 'none':
            moments = {kind: settings.initial_moments.get(kind, 0.0) for kind in structures.species}
            single.magmom_mapping = Dict({'default': 0.0, **moments})
        return builder

    def labels(self, process: ProcessNode, structures: StructureSetData) -> StructureSetData | None:
        """Return the label, or the reason why there is none; None to try again."""
        if not process.is_finished:
            return None  # killed, or its daemon stumbled
        found: StructureSetData
        if process.is_finished_ok and _is_complete(process):
            relaxed = process.outputs.relax.structure if 'relax' in process.outputs else None
            given = {} if relaxed is None else {'relaxed': relaxed}
            what = Dict(_what_counts(process))
            found = labels_of_vasp(structures, process.outputs.misc, what, **given)
        else:
            reason = process.exit_message or 'it ended without energy, forces and stress'
            found = failed_labels(structures, Str(f'{process.process_label}: {reason}'))
        return found

    @staticmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Let the settings class judge, and see that the potentials are there."""
        _family(VaspSettings.from_mapping(settings))


def _is_complete(process: ProcessNode) -> bool:
    """Tell whether all that is needed was found in the files."""
    found = process.outputs.misc.get_dict() if 'misc' in process.outputs else {}
    energies = found.get('total_energies') or {}
    return 'energy_extrapolated' in energies and bool(found.get('forces') and found.get('stress'))


def _what_counts(process: ProcessNode) -> dict[str, Any]:
    """Return what the energies depend on."""
    inputs = process.inputs.vasp if 'vasp' in process.inputs else process.inputs
    potentials = _potentials_of(inputs.potential_family.value, inputs.potential_mapping.get_dict())
    return {
        'incar': inputs.parameters.get_dict()['incar'],
        'kpoints_spacing': inputs.kpoints_spacing.value,
        'potentials': {kind: potential.title for kind, potential in sorted(potentials.items())},
    }


def _relax_settings(settings: VaspSettings) -> dict[str, Any]:
    """Return how aiida-vasp is to relax: anew until the cell is consistent with its basis set."""
    return {
        'algo': 'cg',
        'force_cutoff': settings.fmax,
        'steps': settings.max_steps,
        'positions': True,
        'shape': True,
        'volume': True,
        'convergence_on': True,
        'convergence_max_iterations': settings.restarts,
        'convergence_mode': 'inout',
        'convergence_positions': 10 * STILL,
        'convergence_volume': STILL,
        'convergence_shape_lengths': STILL,
        'convergence_shape_angles': STILL,
    }


def _name(settings: VaspSettings, kind: str) -> str:
    return settings.potential_mapping.get(kind, kind)


def _family(settings: VaspSettings) -> Any:
    """Return the family of potentials; raise `InputError` if there is none."""
    family = PotcarData.get_potcar_group(settings.potential_family)
    if family is None:
        raise InputError(
            f'VASP setting potential_family={settings.potential_family!r}: AiiDA has no such '
            'family; upload the potentials with `aiida-vasp potcar uploadfamily`'
        )
    return family


def _potentials(settings: VaspSettings, kinds: Sequence[str]) -> dict[str, Any]:
    """Return the potential of each element."""
    _family(settings)
    mapping = {kind: _name(settings, kind) for kind in kinds}
    return _potentials_of(settings.potential_family, mapping)


def _potentials_of(family: str, mapping: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = PotcarData.get_potcars_dict(list(mapping), family, mapping)
    return found


def _cutoff(potentials: dict[str, Any]) -> float:
    """Return the cutoff, eV, that suits all potentials of a screen."""
    largest = 0.0
    for potential in potentials.values():
        content = potential.find_file_node().get_content()
        text = content.decode('latin-1') if isinstance(content, bytes) else content
        match = re.search(r'ENMAX\s*=\s*([\d.]+)', text)
        if match is None:
            raise InputError(f'potential {potential.title} names no ENMAX: set cutoff')
        largest = max(largest, float(match[1]))
    return CUTOFF_FACTOR * largest
