"""Training of a potential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import Dict, Float, Int, to_aiida_type

from aiida_mtp.calculations.base import (
    EngineCalculation,
    add_json,
    add_potential,
    add_structures,
    not_empty,
    settings_input,
)
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.data.job_files import REPORT, SETTINGS, TRAINED, TRAINING
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.common import CalcInfo
    from aiida.common.folders import Folder


def validate_start(inputs: Any, _: Any) -> str | None:
    """Ask for either a potential to start from, or a level and a cutoff."""
    if 'potential' in inputs and ('level' in inputs or 'cutoff' in inputs):
        return 'give either a potential to start from, or level and cutoff'
    if 'potential' not in inputs and not {'level', 'cutoff'} <= set(inputs):
        return 'give level and cutoff, or a potential to start from'
    return None


class MtpTrainCalculation(EngineCalculation):
    """Train a potential and make its active set."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs and outputs."""
        super().define(spec)
        spec.inputs['metadata']['options']['parser_name'].default = 'mtp.train'
        spec.inputs.validator = validate_start
        spec.input(
            'structures',
            valid_type=StructureSetData,
            validator=not_empty,
            help='The training set, labelled.',
        )
        spec.input(
            'potential', valid_type=MtpPotentialData, required=False, help='Where to start from.'
        )
        spec.input(
            'level',
            valid_type=Int,
            serializer=to_aiida_type,
            required=False,
            help='Of a potential trained from scratch: even, 2 to 28.',
        )
        spec.input(
            'cutoff',
            valid_type=Float,
            serializer=to_aiida_type,
            required=False,
            help='Of a potential trained from scratch, Å.',
        )
        settings_input(
            spec,
            'parameters',
            TrainingSettings,
            'Settings of the training; see `TrainingSettings`.',
        )
        spec.input(
            'seed', valid_type=Int, serializer=to_aiida_type, default=lambda: Int(0), help='Seed.'
        )
        spec.output('potential', valid_type=MtpPotentialData, help='With its active set.')
        spec.output('report', valid_type=Dict, help='Errors per property.')
        spec.default_output_node = 'report'

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files."""
        add_structures(folder, self.inputs.structures, TRAINING)
        add_json(folder, self.inputs.parameters.get_dict())
        words = ['train', TRAINING, '-o', TRAINED]
        if 'potential' in self.inputs:
            words += ['--init', add_potential(folder, self.inputs.potential)]
        else:
            species = self.inputs.structures.species
            words += ['--level', str(self.inputs.level.value), '--species', *species]
            words += ['--cutoff', repr(self.inputs.cutoff.value)]
        words += ['--settings', SETTINGS, '--seed', str(self.inputs.seed.value)]
        words += ['--report', REPORT, '--threads', str(self.cores())]
        return self.calc_info(words, [TRAINED, REPORT])
