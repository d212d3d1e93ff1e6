"""Selection of the configurations a potential would learn most from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import Dict, Int, to_aiida_type

from aiida_mtp.calculations.base import (
    EngineCalculation,
    add_potential,
    add_structures,
    not_empty,
)
from aiida_mtp.data.job_files import CANDIDATES, OUTPUT, REPORT, TRAINING
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.common import CalcInfo
    from aiida.common.folders import Folder


class MtpSelectCalculation(EngineCalculation):
    """Choose the candidates that enlarge the volume of the training set most (maxvol)."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs and outputs."""
        super().define(spec)
        spec.inputs['metadata']['options']['parser_name'].default = 'mtp.select'
        spec.input('potential', valid_type=MtpPotentialData, help='Gives the basis.')
        spec.input(
            'candidates', valid_type=StructureSetData, validator=not_empty, help='To choose from.'
        )
        spec.input(
            'training_set',
            valid_type=StructureSetData,
            required=False,
            help='What is labelled already; absent at the very start.',
        )
        spec.input(
            'limit',
            valid_type=Int,
            serializer=to_aiida_type,
            required=False,
            help='Most structures to choose.',
        )
        spec.output('structures', valid_type=StructureSetData, help='The chosen ones.')
        spec.output('report', valid_type=Dict, help='Counts.')
        spec.default_output_node = 'report'

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files."""
        add_structures(folder, self.inputs.candidates, CANDIDATES)
        words = ['select', '--potential', add_potential(folder, self.inputs.potential)]
        words += ['--candidates', CANDIDATES, '-o', OUTPUT]
        if 'training_set' in self.inputs:
            add_structures(folder, self.inputs.training_set, TRAINING)
            words += ['--training', TRAINING]
        if 'limit' in self.inputs:
            words += ['--limit', str(self.inputs.limit.value)]
        words += ['--report', REPORT, '--threads', str(self.cores())]
        return self.calc_info(words, [OUTPUT, REPORT])
