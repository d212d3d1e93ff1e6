"""Reads generated prototypes."""

from aiida_mtp.data.job_files import OUTPUT
from aiida_mtp.parsers.base import EngineParser


class MtpPrototypesParser(EngineParser):
    """Reads the candidates."""

    def read(self, folder: str) -> None:
        """Turn the files in a folder into outputs."""
        self.out('structures', self.structures(folder, OUTPUT))
