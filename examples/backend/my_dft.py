"""A DFT code of one's own as a backend of screens: its job, its parser, and the backend itself.

The code computes one structure per run: it reads a POSCAR and writes JSON.
"""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, ExitCode, ProcessBuilder, calcfunction
from aiida.orm import Dict, ProcessNode
from aiida.parsers import Parser

from aiida_mtp.calculations.code_functions import labelled
from aiida_mtp.core.dft.results import DONE, NOT_CONVERGED
from aiida_mtp.core.dft.settings import hash_of
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Settings
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.backends import DftBackend, Job

FOUND = 'found.json'


# %% The settings: whatever a user may write under `dft: {settings: …}`
@dataclass(frozen=True)
class MyDftSettings(Settings):
    """Settings of the code.

    Parameters
    ----------
    fmax
        A relaxation ends when no atom feels a larger force, eV/Å.
    """

    kind: ClassVar[str] = 'my DFT'

    fmax: float = 0.01

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        self.check_types()
        if not self.fmax > 0:
            raise InputError(f'{self.name_of("fmax")}={self.fmax!r}: it must be positive')


# %% The job: what the code reads, and what is kept of what it writes
class MyDftCalculation(CalcJob):
    """One run of the code."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs and outputs."""
        super().define(spec)
        spec.input('structures', valid_type=StructureSetData, help='A set of one.')
        spec.input('parameters', valid_type=Dict, help='The task and the settings.')
        spec.output('found', valid_type=Dict, help='What the code wrote.')
        spec.inputs['metadata']['options']['parser_name'].default = 'my_dft'
        spec.inputs['metadata']['options']['resources'].default = {
            'num_machines': 1,
            'num_mpiprocs_per_machine': 1,
        }
        spec.exit_code(302, 'ERROR_OUTPUT_FILES', message='The code left no whole file.')

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the files."""
        atoms = self.inputs.structures.get_batch().to_ase(0)
        atoms.write(folder.get_abs_path('POSCAR'), format='vasp')
        with folder.open('settings.json', 'w') as file:
            json.dump(self.inputs.parameters.get_dict(), file)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        info = CalcInfo()
        info.codes_info = [code]
        info.retrieve_list = [FOUND]
        return info


class MyDftParser(Parser):
    """Keeps what the code wrote."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Read the file."""
        try:
            found = json.loads(self.retrieved.base.repository.get_object_content(FOUND))
        except (FileNotFoundError, json.JSONDecodeError):
            return self.exit_codes.ERROR_OUTPUT_FILES
        self.out('found', Dict(found))
        return None


# %% From the words of the code to a label: a calcfunction, so that its origin is kept
@calcfunction
def labels_of_my_dft(structures: StructureSetData, found: Dict) -> StructureSetData:
    """Return the structure of a set with what the code says of it."""
    values = found.get_dict()
    fields = ('energy', 'forces', 'stress', 'positions', 'cell', 'version')
    return labelled(
        structures.get_batch(),
        '',
        digest=hash_of({'code': 'my_dft'}, values['version']),  # all that energies depend on
        status=DONE if values['converged'] else NOT_CONVERGED,
        message='' if values['converged'] else 'the relaxation did not converge',
        **{name: values[name] for name in fields},
    )


# %% The backend: three questions of the screen, answered
class MyDftBackend(DftBackend):
    """One structure per run."""

    code_plugins = ('my_dft',)
    rows_per_job = 1

    def builder(self, job: Job) -> ProcessBuilder:
        """Return the process that labels the structure of a job."""
        settings = MyDftSettings.from_mapping(job.dft['settings'].get_dict())
        builder: Any = MyDftCalculation.get_builder()
        builder.code = job.dft['code']
        builder.structures = job.structures
        builder.parameters = Dict({'task': job.task, **settings.to_mapping()})
        builder.metadata.options = job.options
        return builder

    def labels(self, process: ProcessNode, job: Job) -> StructureSetData | None:
        """Return what a process found; None if it is to be tried again."""
        if 'found' not in process.outputs:
            return None
        labels: StructureSetData = labels_of_my_dft(job.structures, process.outputs.found)
        return labels

    @staticmethod
    def validate_settings(settings: dict[str, Any]) -> None:
        """Raise `InputError` if these settings are not ones of this code."""
        MyDftSettings.from_mapping(settings)
