"""Reads a training."""

from aiida_mtp.data.job_files import REPORT, TRAINED
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.parsers.base import EngineParser


class MtpTrainParser(EngineParser):
    """Reads the potential and the report."""

    def read(self, folder: str) -> None:
        """Turn the files in a folder into outputs."""
        report = self.report(folder, REPORT)
        path = self.required(folder, TRAINED)
        self.out('potential', MtpPotentialData.from_file(path, report.get_dict()))
        self.out('report', report)
