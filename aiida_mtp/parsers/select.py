"""Reads a selection."""

from aiida_mtp.data.job_files import OUTPUT, REPORT
from aiida_mtp.parsers.base import EngineParser


class MtpSelectParser(EngineParser):
    """Reads the selected structures and the report."""

    def read(self, folder: str) -> None:
        """Turn the files in a folder into outputs."""
        self.out('structures', self.structures(folder, OUTPUT))
        self.out('report', self.report(folder, REPORT))
