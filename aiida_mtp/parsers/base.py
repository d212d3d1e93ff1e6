"""What all parsers have in common."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_mtp.core.errors import InputError
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.engine import ExitCode

# how the executables tell a user's mistake; schedulers have errors of their own in the same file
REFUSED = re.compile(r'mtp-(?:engine|dft): error: (?P<mistake>.*)')


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
            refused = REFUSED.match(reason)
            if refused:
                return self.exit_codes.ERROR_BAD_INPUT.format(reason=refused['mistake'])
            return self.exit_codes.ERROR_OUTPUT_MISSING.format(file=error.args[0], reason=reason)
        except (InputError, ValueError) as error:
            return self.exit_codes.ERROR_OUTPUT_CORRUPT.format(reason=str(error))

    def read(self, folder: str) -> ExitCode | None:
        """Turn the files in a folder into outputs; each parser has its own."""
        raise NotImplementedError

    def complaint(self) -> str:
        """Return the last line of the job's standard error, or the mistake it tells."""
        lines = (self.node.get_scheduler_stderr() or '').strip().splitlines()
        refused = [line for line in lines if REFUSED.match(line)]
        return (refused or lines or ['it wrote no reason'])[-1]
