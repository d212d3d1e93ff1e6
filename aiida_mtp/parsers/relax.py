"""Reads a relaxation."""

from aiida_mtp.data.job_files import CANDIDATES, OUTPUT, REPORT
from aiida_mtp.parsers.base import EngineParser


class MtpRelaxParser(EngineParser):
    """Reads the relaxed structures, the candidates and the report."""

    def read(self, folder: str) -> None:
        """Turn the files in a folder into outputs."""
        structures = self.structures(folder, OUTPUT)
        if len(structures) != len(self.node.inputs.structures):
            expected = len(self.node.inputs.structures)
            raise ValueError(f'{OUTPUT} has {len(structures)} structures, not {expected}')
        self.out('structures', structures)
        self.out('candidates', self.structures(folder, CANDIDATES))
        self.out('report', self.report(folder, REPORT))
