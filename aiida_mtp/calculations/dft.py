"""DFT through ASE: single points and relaxations of a set of structures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import Dict, Str, to_aiida_type

from aiida_mtp.calculations.base import (
    EngineCalculation,
    add_json,
    add_structures,
    checked_by,
    not_empty,
)
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.data.job_files import OUTPUT, RESULTS, SETTINGS, STRUCTURES
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.common import CalcInfo
    from aiida.common.folders import Folder

TASKS = ('static', 'relax')


def validate_task(value: Str, _: Any) -> str | None:
    """Refuse any other task."""
    known = ' or '.join(TASKS)
    return None if value.value in TASKS else f'task is {value.value!r}, it must be {known}'


class MtpDftCalculation(EngineCalculation):
    """Label or relax structures with an ASE calculator, as many at a time as there are cores."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs and outputs."""
        super().define(spec)
        spec.inputs['metadata']['options']['parser_name'].default = 'mtp.dft'
        spec.input(
            'structures', valid_type=StructureSetData, validator=not_empty, help='What to compute.'
        )
        spec.input(
            'task',
            valid_type=Str,
            serializer=to_aiida_type,
            default=lambda: Str('static'),
            validator=validate_task,
            help='`static`: energy, forces and stress; `relax`: cell and positions too.',
        )
        spec.input(
            'parameters',
            valid_type=Dict,
            serializer=to_aiida_type,
            validator=checked_by(DftSettings.from_mapping),
            help='Calculator and its settings; see `DftSettings`.',
        )
        spec.output(
            'structures', valid_type=StructureSetData, help='All structures, each with a status.'
        )
        spec.output('report', valid_type=Dict, help='Counts and versions.')
        spec.default_output_node = 'report'
        spec.exit_code(
            cls.UNFINISHED,
            'ERROR_UNFINISHED',
            message='The job ended before {n_unfinished} of {n_structures} structures were done.',
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files."""
        add_structures(folder, self.inputs.structures)
        add_json(folder, self.inputs.parameters.get_dict())
        words = [self.inputs.task.value, STRUCTURES, SETTINGS, '-o', OUTPUT]
        words += ['--results', RESULTS, '--processes', str(self.cores())]
        return self.calc_info(words, [OUTPUT, RESULTS])
