"""Relaxation of one shard of structures with a potential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import Dict

from aiida_mtp.calculations.base import (
    EngineCalculation,
    add_json,
    add_potential,
    add_structures,
    not_empty,
    settings_input,
)
from aiida_mtp.core.relax.settings import RelaxSettings
from aiida_mtp.data.job_files import CANDIDATES, OUTPUT, REPORT, SETTINGS, STRUCTURES
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.common import CalcInfo
    from aiida.common.folders import Folder

MARGIN = 0.05  # of the wall time: to finish what is begun, and to write …
MIN_MARGIN = 30.0  # … but no less than this, s


class MtpRelaxCalculation(EngineCalculation):
    """Relax cell and positions of many structures, watching the extrapolation grade.

    Shortly before `max_wallclock_seconds` it stops by itself: what it did not come to is given back
    as it was, with status ``unfinished``.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs and outputs."""
        super().define(spec)
        spec.inputs['metadata']['options']['parser_name'].default = 'mtp.relax'
        spec.input(
            'structures', valid_type=StructureSetData, validator=not_empty, help='What to relax.'
        )
        spec.input(
            'potential',
            valid_type=MtpPotentialData,
            help='With its active set: without one nothing tells when it extrapolates.',
        )
        settings_input(
            spec, 'parameters', RelaxSettings, 'Settings of the relaxation; see `RelaxSettings`.'
        )
        spec.output(
            'structures', valid_type=StructureSetData, help='All structures, each with a status.'
        )
        spec.output(
            'candidates', valid_type=StructureSetData, help='Frames on which it extrapolated.'
        )
        spec.output('report', valid_type=Dict, help='Counts.')
        spec.default_output_node = 'report'
        spec.exit_code(
            cls.UNFINISHED,
            'ERROR_UNFINISHED',
            message='The time was up: {n_unfinished} of {n_structures} structures were not begun.',
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input files."""
        add_structures(folder, self.inputs.structures)
        potential = add_potential(folder, self.inputs.potential)
        add_json(folder, self.inputs.parameters.get_dict())
        words = ['relax', potential, STRUCTURES, '-o', OUTPUT, '--candidates', CANDIDATES]
        words += ['--settings', SETTINGS, '--report', REPORT, '--threads', str(self.cores())]
        wallclock = self.inputs.metadata.options.get('max_wallclock_seconds')
        if wallclock is not None:
            words += ['--stop-after', f'{stop_after(wallclock):g}']
        return self.calc_info(words, [OUTPUT, CANDIDATES, REPORT])


def stop_after(wallclock: float) -> float:
    """Return when a job of so many seconds should come to its end."""
    margin = max(MARGIN * wallclock, MIN_MARGIN)
    return max(wallclock - margin, wallclock / 2)
