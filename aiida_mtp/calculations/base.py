"""What all jobs of the executables have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aiida.common import CalcInfo, CodeInfo
from aiida.engine import CalcJob
from aiida.orm import Dict, to_aiida_type

from aiida_mtp.core.errors import InputError
from aiida_mtp.data.job_files import SETTINGS, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiida.common.folders import Folder

    from aiida_mtp.core.settings import Settings
    from aiida_mtp.data.potential import MtpPotentialData
    from aiida_mtp.data.structures import StructureSetData


class EngineCalculation(CalcJob):
    """A job of ``mtp-engine`` or ``mtp-dft``: files in, files out, one line on failure.

    The number of threads is that of the cores the job asks for; it is not an input, for it does not
    change the result.
    """

    BAD_INPUT: ClassVar = 210
    """Exit status of a job that refused its input."""
    UNFINISHED: ClassVar = 401
    """Exit status of a job whose time was up: what it did not come to has that status."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define what all jobs share."""
        super().define(spec)
        options = spec.inputs['metadata']['options']
        options['resources'].default = lambda: {'num_machines': 1, 'num_mpiprocs_per_machine': 1}
        options['resources'].required = False  # or other options alone, a queue, are refused
        options['withmpi'].default = False
        spec.exit_code(
            cls.BAD_INPUT,
            'ERROR_BAD_INPUT',
            message='The input was refused: {reason}',
            invalidates_cache=True,
        )
        spec.exit_code(
            302,
            'ERROR_OUTPUT_MISSING',
            message='The job left no {file}: {reason}',
            invalidates_cache=True,
        )
        spec.exit_code(
            303,
            'ERROR_OUTPUT_CORRUPT',
            message='The job left an unreadable file: {reason}',
            invalidates_cache=True,
        )

    def cores(self) -> int:
        """Return the number of cores the job has."""
        resources = self.inputs.metadata.options.resources
        return int(resources.get('num_cores_per_mpiproc') or 1)

    def calc_info(self, words: list[str], retrieve: list[str]) -> CalcInfo:
        """Return what AiiDA needs to run one command line."""
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = words
        code.withmpi = False
        info = CalcInfo()
        info.codes_info = [code]
        # large results are kept once, in the output nodes
        info.retrieve_temporary_list = list(retrieve)
        info.retrieve_list = []
        return info


def add_structures(folder: Folder, structures: StructureSetData, name: str = STRUCTURES) -> None:
    """Put a set of structures into the folder of a job."""
    with structures.open(mode='rb') as source:
        folder.create_file_from_filelike(source, name, mode='wb')


def add_potential(folder: Folder, potential: MtpPotentialData) -> str:
    """Put a potential into the folder of a job and return the name of the file."""
    name = potential.best_file
    with potential.base.repository.open(name, mode='rb') as source:
        folder.create_file_from_filelike(source, name, mode='wb')
    return name


def add_json(folder: Folder, values: Mapping[str, Any], name: str = SETTINGS) -> None:
    """Put settings into the folder of a job."""
    content = json.dumps(values, indent=1, sort_keys=True)
    Path(folder.get_abs_path(name)).write_text(content, encoding='utf-8')


def checked_by(check: Callable[[dict[str, Any]], object]) -> Callable[..., str | None]:
    """Return a port validator that lets a settings class of the core judge a Dict."""

    def validate(value: Dict | None, _: Any) -> str | None:
        if value is None:
            return None
        try:
            check(value.get_dict())
        except InputError as error:
            return str(error)
        return None

    return validate


def settings_input(spec: Any, name: str, kind: type[Settings], text: str) -> None:
    """Define an input of settings, none by default, which are judged when they are given."""
    spec.input(
        name,
        valid_type=Dict,
        serializer=to_aiida_type,
        validator=checked_by(kind.from_mapping),
        default=lambda: Dict({}),
        help=text,
    )


def not_empty(value: StructureSetData | None, _: Any) -> str | None:
    """Refuse a set without structures."""
    return 'the set of structures is empty' if value is not None and not len(value) else None
