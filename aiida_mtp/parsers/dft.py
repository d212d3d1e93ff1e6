"""Reads DFT through ASE, also what a job had finished before it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida.orm import Dict

from aiida_mtp.core.dft.results import UNFINISHED, collect_results
from aiida_mtp.core.errors import InputError
from aiida_mtp.data.job_files import OUTPUT, RESULTS
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.parsers.base import EngineParser

if TYPE_CHECKING:
    from aiida.engine import ExitCode


class MtpDftParser(EngineParser):
    """Reads the labelled structures; of a job that was stopped, those it had finished."""

    def read(self, folder: str) -> ExitCode | None:
        """Turn the files in a folder into outputs."""
        try:
            structures = self.structures(folder, OUTPUT)
        except (FileNotFoundError, InputError):  # stopped before it was written, or while it was
            structures = self.partial_structures(folder)
        self.out('structures', structures)
        counts = structures.status_counts
        self.out('report', Dict({'n_structures': len(structures), 'status': counts}))
        unfinished = counts.get(UNFINISHED, 0)
        if unfinished:
            return self.exit_codes.ERROR_UNFINISHED.format(
                n_unfinished=unfinished, n_structures=len(structures)
            )
        return None

    def partial_structures(self, folder: str) -> StructureSetData:
        """Return what is in the files of single structures.

        Raises
        ------
        FileNotFoundError
            If there are none.
        """
        results = self.required(folder, RESULTS)
        batch = self.node.inputs.structures.get_batch()
        found = collect_results(batch, results, self.node.inputs.task.value)
        if (found.status == UNFINISHED).all():
            raise FileNotFoundError(OUTPUT)
        return StructureSetData.from_batch(found)
