"""Generation of prototypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import Dict, to_aiida_type

from aiida_mtp.calculations.base import (
    EngineCalculation,
    add_json,
    add_structures,
    checked_by,
)
from aiida_mtp.core.screening.spec import PrototypeSpec
from aiida_mtp.data.job_files import OUTPUT, SETTINGS, STRUCTURES
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.common import CalcInfo
    from aiida.common.folders import Folder


class MtpPrototypesCalculation(EngineCalculation):
    """Enumerate and decorate prototypes; structures of the user's own join them."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs and outputs."""
        super().define(spec)
        spec.inputs['metadata']['options']['parser_name'].default = 'mtp.prototypes'
        spec.input(
            'parameters',
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=checked_by(PrototypeSpec.from_mapping),
            help='Elements, parent lattices and so on; see `PrototypeSpec`.',
        )
        spec.input(
            'structures',
            valid_type=StructureSetData,
            required=False,
            help='Structures beside them.',
        )
        spec.output('structures', valid_type=StructureSetData, help='All candidates.')

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files."""
        parameters = self.inputs.parameters.get_dict()
        if 'structures' in self.inputs:
            add_structures(folder, self.inputs.structures)
            parameters['structures'] = [*parameters.get('structures', []), STRUCTURES]
        add_json(folder, parameters)
        words = ['prototypes', SETTINGS, '-o', OUTPUT, '--threads', str(self.cores())]
        return self.calc_info(words, [OUTPUT])
