"""What all parsers have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_mtp.core.errors import InputError
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.engine import ExitCode

REFUSED = ': error: '  # what the executables write before the one line of a user's mistake


class EngineParser(Parser):
    """Turns the files a job left into nodes, or into the exit code that says why there are none."""

    def structures(self, folder: str, name: str) -> StructureSetData:
        """Return the set in a file of the job; see `missing` for what is raised."""
        return StructureSetData.from_file(self.required(folder, name))

    def report(self, folder: str, name: str) -> Dict:
        """Return the report of the job."""
        text = self.required(folder, name).read_text(encoding='utf-8')
        return Dict(json.loads(text))

    def required(self, folder: str, name: str) -> Path:
        """Return the path of a file.

        Raises
        ------
        FileNotFoundError
            If the job did not leave it.
        """
        path = Path(folder) / name
        if not path.exists():
            raise FileNotFoundError(name)
        return path

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read what the job left."""
        folder = kwargs.get('retrieved_temporary_folder')
        if folder is None:
            return self.exit_codes.ERROR_NO_RETRIEVED_TEMPORARY_FOLDER
        try:
            return self.read(folder)
        except FileNotFoundError as error:
            reason = self.complaint()
            if REFUSED in reason:
                told = reason.split(REFUSED, 1)[1]
                return self.exit_codes.ERROR_BAD_INPUT.format(reason=told)
            return self.exit_codes.ERROR_OUTPUT_MISSING.format(file=error.args[0], reason=reason)
        except (InputError, ValueError) as error:
            return self.exit_codes.ERROR_OUTPUT_CORRUPT.format(reason=str(error))

    def read(self, folder: str) -> ExitCode | None:
        """Turn the files in a folder into outputs; each parser has its own."""
        raise NotImplementedError

    def complaint(self) -> str:
        """Return the last line the job wrote to its standard error."""
        lines = (self.node.get_scheduler_stderr() or '').strip().splitlines()
        refused = [line for line in lines if REFUSED in line]
        return (refused or lines or ['it wrote no reason'])[-1]
