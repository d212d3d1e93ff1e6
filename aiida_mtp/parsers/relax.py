"""Reads a relaxation, also one whose time was up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_mtp.core.relax.settings import StopReason
from aiida_mtp.data.job_files import CANDIDATES, OUTPUT, REPORT
from aiida_mtp.parsers.base import EngineParser

if TYPE_CHECKING:
    from aiida.engine import ExitCode


class MtpRelaxParser(EngineParser):
    """Reads the relaxed structures, the candidates and the report."""

    def read(self, folder: str) -> ExitCode | None:
        """Turn the files in a folder into outputs."""
        structures = self.structures(folder, OUTPUT)
        if len(structures) != len(self.node.inputs.structures):
            expected = len(self.node.inputs.structures)
            raise ValueError(f'{OUTPUT} has {len(structures)} structures, not {expected}')
        self.out('structures', structures)
        self.out('candidates', self.structures(folder, CANDIDATES))
        self.out('report', self.report(folder, REPORT))
        unfinished = structures.status_counts.get(StopReason.UNFINISHED, 0)
        if unfinished:
            return self.exit_codes.ERROR_UNFINISHED.format(
                n_unfinished=unfinished, n_structures=len(structures)
            )
        return None
