"""VASP through the work chains of aiida-vasp, with their handlers of errors."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from aiida.orm import Dict, Str
from aiida.plugins import CalculationFactory, DataFactory, WorkflowFactory

from aiida_mtp.calculations.code_functions import ordered_structure
from aiida_mtp.calculations.vasp_functions import labels_of_vasp
from aiida_mtp.core.dft.vasp_settings import CUTOFF_FACTOR, MAGNETISM, VaspSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.workchains.plugin_backend import RESOURCES, PluginBackend, moments_by_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida.engine import ProcessBuilder
    from aiida.orm import CalcJobNode, ProcessNode

    from aiida_mtp.data.structures import StructureSetData
    from aiida_mtp.workchains.backends import Job

VaspCalculation: Any = CalculationFactory('vasp.vasp')
VaspWorkChain: Any = WorkflowFactory('vasp.v2.vasp')
VaspRelaxWorkChain: Any = WorkflowFactory('vasp.v2.relax')
PotcarData: Any = DataFactory('vasp.potcar')

# What a run must have told: without this a file that is cut counts as a success.
QUANTITIES = ['run_status', 'run_stats', 'total_energies', 'forces', 'stress']
STILL = 1e-3  # relative change of the cell, and Å, below which a restart has moved nothing


class VaspBackend(PluginBackend):
    """One structure from one magnetic state per work chain of aiida-vasp."""

    code_plugins = ('vasp.vasp', 'vasp.v2.vasp')
    settings_class = VaspSettings

    def builder(self, job: Job) -> ProcessBuilder:
        """Return the work chain for the one structure of a job."""
        settings = VaspSettings.from_mapping(job.dft['settings'].get_dict())
        structure = ordered_structure(job.structures)
        moments = moments_by_state(settings, structure.get_ase())[job.state]
        if job.task == 'static':
            builder: Any = VaspWorkChain.get_builder()
            single = builder
        else:
            builder = VaspRelaxWorkChain.get_builder()
            single = builder.vasp
            builder.relax_settings = _relax_settings(settings)  # the rest is filled in
        builder.structure = structure
        species = job.structures.species
        potentials = _potentials(settings, species)
        single.code = job.dft['code']
        single.parameters = Dict({'incar': settings.tags(_cutoff(potentials), moments)})
        single.potential_family = settings.potential_family
        single.potential_mapping = {kind: _name(settings, kind) for kind in species}
        single.kpoints_spacing = settings.k_spacing / (2 * math.pi)  # theirs leaves 2π out
        single.settings = Dict({'parser_settings': _parser_settings(has_spin=any(moments))})
        single.calc.metadata.options = RESOURCES | job.options
        return builder

    @staticmethod
    def was_cut_short(run: CalcJobNode) -> bool:
        """Tell whether VASP did not come to the end of its output."""
        stopped = VaspCalculation.exit_codes.ERROR_DID_NOT_FINISH.status
        return 'misc' not in run.outputs or run.exit_status == stopped

    @staticmethod
    def is_complete(process: ProcessNode) -> bool:
        """Tell whether energy, forces and stress were found in the files."""
        found = process.outputs.misc.get_dict() if 'misc' in process.outputs else {}
        energies = found.get('total_energies') or {}
        return 'energy_extrapolated' in energies and bool(
            found.get('forces') and found.get('stress')
        )

    def label(self, process: ProcessNode, job: Job) -> StructureSetData:
        """Return what a complete process found."""
        given = {'relaxed': process.outputs.relax.structure} if 'relax' in process.outputs else {}
        settings = VaspSettings.from_mapping(job.dft['settings'].get_dict())
        what = Dict({**_what_counts(process), **settings.magnetism()})
        found: StructureSetData = labels_of_vasp(
            job.structures, process.outputs.misc, what, Str(job.state), **given
        )
        return found

    @staticmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Let the settings class judge, and see that the potentials are there."""
        _family(VaspSettings.from_mapping(settings))


def _parser_settings(*, has_spin: bool) -> dict[str, list[str]]:
    moments = ['site_magnetization'] if has_spin else []
    return {'required_quantity': QUANTITIES, 'include_quantity': QUANTITIES + moments}


def _what_counts(process: ProcessNode) -> dict[str, Any]:
    """Return what the energies depend on."""
    inputs = process.inputs.vasp if 'vasp' in process.inputs else process.inputs
    potentials = _potentials_of(inputs.potential_family.value, inputs.potential_mapping.get_dict())
    incar = inputs.parameters.get_dict()['incar']
    return {
        'incar': {tag: value for tag, value in incar.items() if tag not in MAGNETISM},
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
