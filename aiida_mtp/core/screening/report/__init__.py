"""The report of a screen: one HTML file that needs nothing else."""

from aiida_mtp.core.screening.report.data import (
    LearningStep,
    RiskReport,
    ScreenReport,
    StageReport,
)
from aiida_mtp.core.screening.report.page import report_html, write_report

__all__ = [
    'LearningStep',
    'RiskReport',
    'ScreenReport',
    'StageReport',
    'report_html',
    'write_report',
]
