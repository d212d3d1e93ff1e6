"""Quantum ESPRESSO through the work chains of aiida-quantumespresso, with their handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.common.exceptions import MissingEntryPointError
from aiida.orm import Bool, Dict, Float, Group, Int, List, QueryBuilder, Str
from aiida.plugins import WorkflowFactory
from ase.units import Rydberg

from aiida_mtp.calculations.code_functions import kind_tags, ordered_structure_with_kinds
from aiida_mtp.calculations.espresso_functions import labels_of_espresso
from aiida_mtp.core.dft.espresso_settings import EspressoSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.workchains.plugin_backend import RESOURCES, PluginBackend, moments_by_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida.engine import ProcessBuilder
    from aiida.orm import CalcJobNode, ProcessNode
    from ase import Atoms

    from aiida_mtp.data.structures import StructureSetData
    from aiida_mtp.workchains.backends import Job

FAMILIES = 'pseudo.family'  # how the types of groups begin in which aiida-pseudo keeps them
NEEDED = ('output_parameters', 'output_trajectory')


class EspressoBackend(PluginBackend):
    """One structure from one magnetic state per work chain of aiida-quantumespresso."""

    code_plugins = ('quantumespresso.pw',)
    settings_class = EspressoSettings

    def builder(self, job: Job) -> ProcessBuilder:
        """Return the work chain for the one structure of a job."""
        settings = EspressoSettings.from_mapping(job.dft['settings'].get_dict())
        batch = job.structures.get_batch()
        atoms = batch.to_ase(0)[batch.types.argsort(kind='stable')]
        moments = moments_by_state(settings, atoms)[job.state]
        structure = ordered_structure_with_kinds(job.structures, List(moments))
        family = pseudo_family(settings.pseudo_family)
        pseudos = family.get_pseudos(structure=structure)
        parameters = settings.parameters(
            job.task,
            len(atoms),
            _cutoffs(settings, family, job.structures.species),
            _magnetization(atoms, moments, pseudos),
        )
        if job.task == 'static':
            builder: Any = _work_chain('quantumespresso.pw.base').get_builder()
            single = builder
            builder.pw.structure = structure
        else:
            builder = _work_chain('quantumespresso.pw.relax').get_builder()
            single = builder.base_relax
            builder.structure = structure
            builder.meta_convergence = Bool(value=True)
            builder.max_meta_convergence_iterations = Int(settings.restarts)
        single.kpoints_distance = Float(settings.k_spacing)
        single.pw.code = job.dft['code']
        single.pw.pseudos = pseudos
        single.pw.parameters = Dict(parameters)
        single.pw.metadata.options = RESOURCES | job.options
        return builder

    @staticmethod
    def was_cut_short(run: CalcJobNode) -> bool:
        """Tell whether pw.x did not come to the end of its output."""
        return 'output_parameters' not in run.outputs

    @staticmethod
    def is_complete(process: ProcessNode) -> bool:
        """Tell whether energy, forces and stress were found in the files."""
        return all(name in process.outputs for name in NEEDED)

    def label(self, process: ProcessNode, job: Job) -> StructureSetData:
        """Return what a complete process found."""
        outputs = process.outputs
        settings = EspressoSettings.from_mapping(job.dft['settings'].get_dict())
        given = {'relaxed': outputs.output_structure} if job.task == 'relax' else {}
        found: StructureSetData = labels_of_espresso(
            job.structures,
            outputs.output_parameters,
            outputs.output_trajectory,
            Dict(_what_counts(settings, job.structures.species)),
            Str(job.state),
            **given,
        )
        return found

    @staticmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Let the settings class judge, and see that the pseudopotentials are there."""
        chosen = EspressoSettings.from_mapping(settings)
        _work_chain('quantumespresso.pw.base')
        family = pseudo_family(chosen.pseudo_family)
        if not (chosen.cutoff and chosen.density_cutoff) and not hasattr(family, 'get_cutoffs'):
            raise InputError(
                f'pseudopotentials {family.label} recommend no cutoffs: set cutoff and '
                'density_cutoff, or `aiida-pseudo family cutoffs set`'
            )


def _work_chain(name: str) -> Any:
    try:
        return WorkflowFactory(name)
    except MissingEntryPointError:
        raise InputError(
            "Quantum ESPRESSO needs its plugin of AiiDA: pip install 'aiida-mtp[espresso]'"
        ) from None


def _magnetization(
    atoms: Atoms, moments: Sequence[float], pseudos: dict[str, Any]
) -> dict[str, float]:
    """Return the polarisation of each kind: its moment by the number of its valence electrons."""
    tags = kind_tags(list(atoms.symbols), moments)
    kinds = [f'{symbol}{tag or ""}' for symbol, tag in zip(atoms.symbols, tags, strict=True)]
    return {
        kind: max(-1.0, min(1.0, moment / pseudos[kind].z_valence))
        for kind, moment in zip(kinds, moments, strict=True)
    }


def pseudo_family(name: str) -> Any:
    """Return the pseudopotentials of this name; raise `InputError` if there are none."""
    query = QueryBuilder().append(
        Group,
        subclassing=True,
        filters={'label': name, 'type_string': {'like': f'{FAMILIES}%'}},
    )
    family = query.first(flat=True)
    if family is None:
        raise InputError(
            f'Quantum ESPRESSO setting pseudo_family={name!r}: AiiDA has no such '
            'family; install it with `aiida-pseudo install`'
        )
    return family


def _cutoffs(
    settings: EspressoSettings, family: Any, species: Sequence[str]
) -> tuple[float, float]:
    """Return the cutoffs of wave functions and density, eV, that suit all species of a screen."""
    known = settings.cutoff, settings.density_cutoff
    if all(known):
        return float(known[0] or 0.0), float(known[1] or 0.0)
    recommended = family.get_recommended_cutoffs(elements=tuple(species), unit='Ry')
    return tuple(given or value * Rydberg for given, value in zip(known, recommended, strict=True))  # type: ignore[return-value]


def _what_counts(settings: EspressoSettings, species: Sequence[str]) -> dict[str, Any]:
    """Return what the energies depend on."""
    family = pseudo_family(settings.pseudo_family)
    return {
        **settings.what_counts(),
        'cutoffs': _cutoffs(settings, family, species),
        'pseudos': {name: family.get_pseudo(name).md5 for name in sorted(species)},
    }
