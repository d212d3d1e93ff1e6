"""The report in plain values, for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.screening.competitors import competitor_of, decomposition_of
from aiida_mtp.core.screening.report.findings import findings_of
from aiida_mtp.core.screening.symmetry import SYMPREC, space_group_of

if TYPE_CHECKING:
    from aiida_mtp.core.screening.hull import HullOfSet
    from aiida_mtp.core.screening.report.data import ScreenReport, StageReport
    from aiida_mtp.core.screening.report.findings import Findings


def report_summary(report: ScreenReport) -> dict[str, Any]:
    """Return what JSON can hold: phases by distance from the hull, counts, risk and comparison.

    Energies are in eV/atom; NaN stands for what is not known.
    """
    findings = findings_of(report.hull)
    found = findings.found
    phases = []
    if found is not None:
        order = np.argsort(found.e_above_hull, kind='stable')
        phases = [_phase(findings, found, int(row)) for row in order]
    return {
        'elements': list(report.elements),
        'phases': phases,
        'counts': {
            'candidates': report.n_candidates,
            'stages': [_stage(stage) for stage in report.stages],
            'labels': report.n_labels,
            'relaxed': len(findings.phases),
            'failed': report.n_relaxed - len(findings.phases),
            'stable': len(findings.stable),
        },
        'seconds': {
            'final': report.final_seconds(),
            'labels': report.label_seconds,
            'training': report.training_seconds,
            'relaxing': report.relaxing_seconds,
        },
        'risk': None if report.risk is None else asdict(report.risk),
        'comparison': None if report.comparison is None else asdict(report.comparison),
        'provenance': dict(report.provenance),
    }


def _phase(findings: Findings, found: HullOfSet, row: int) -> dict[str, Any]:
    batch = findings.phases
    atoms = batch.atoms_of(row)
    stable = bool(row in findings.stable)
    phase: dict[str, Any] = {
        'formula': findings.formulas[row],
        'id': str(batch.ids[row]),
        'space_group': space_group_of(
            batch.cells[row], batch.positions[atoms], batch.types[atoms], SYMPREC
        ),
        'formation_energy': float(found.formation_energies[row]),
        'e_above_hull': float(found.e_above_hull[row]),
        'stable': stable,
    }
    if stable:
        rival = competitor_of(batch, row)
        phase['margin'] = rival.margin
        phase['next_structure'] = '' if rival.row < 0 else str(batch.ids[rival.row])
        phase['next_distance'] = rival.distance
    else:
        phase['decomposition'] = dict(decomposition_of(found.hull, batch, row))
    return phase


def _stage(stage: StageReport) -> dict[str, Any]:
    return {
        'name': stage.name,
        'reasons': dict(stage.reasons),
        'statuses': dict(stage.statuses),
        'sigma': stage.sigma,
        'reach': stage.reach,
        'training_set': stage.n_training,
        'learning': [asdict(step) for step in stage.learning],
    }
