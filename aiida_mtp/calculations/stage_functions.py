"""Calcfunctions of one learning stage."""

from __future__ import annotations

import re
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Int

from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.screening.perturbation import PerturbationSettings, perturbed
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData


@calcfunction
def untrained_potential(
    structures: StructureSetData, level: Int, cutoff: Float, seed: Int, train: Dict
) -> MtpPotentialData:
    """Return a potential that knows only its basis, enough to tell how structures differ."""
    closest = 1.5  # Å, well inside any bond: the basis must cover what the prototypes hold
    model = initial_model(
        level.value,
        structures.species,
        cutoff.value,
        min_dist=closest,
        radial_basis_size=TrainingSettings.from_mapping(train.get_dict()).radial_basis_size,
        seed=seed.value,
    )
    return MtpPotentialData.from_mtp(model)


@calcfunction
def perturb_structures(structures: StructureSetData, settings: Dict, seed: Int) -> StructureSetData:
    """Return strained and rattled copies: what the initial training set is selected from."""
    chosen = PerturbationSettings.from_mapping(settings.get_dict())
    return StructureSetData.from_batch(perturbed(structures.get_batch(), chosen, seed.value))


@calcfunction
def restart_structures(structures: StructureSetData, relaxed: StructureSetData) -> StructureSetData:
    """Return where the next relaxations begin.

    What converged goes on from where it is; all else starts again from `structures`, for a
    geometry that a potential reached while it extrapolated is worth nothing.
    """
    start, latest = structures.get_batch(), relaxed.get_batch()
    converged = latest.status == 'converged'
    joined = StructureBatch.concatenate(
        [start, latest.replaced(columns={}, origins=start.origins).without_labels()]
    )
    rows = [i + len(start) if done else i for i, done in enumerate(converged)]
    return StructureSetData.from_batch(joined.take(rows))


@calcfunction
def summarise_stage(**reports: Dict) -> Dict:
    """Return the reports of the jobs of a stage, by iteration."""
    iterations: dict[int, dict[str, Any]] = {}
    for key, report in sorted(reports.items()):
        match = re.fullmatch(r'iteration_(\d+)_(\w+)', key)
        if match:
            iterations.setdefault(int(match[1]), {})[match[2]] = report.get_dict()
    listed = [{'iteration': n, **jobs} for n, jobs in sorted(iterations.items())]
    trained = [jobs['train'] for jobs in listed if 'train' in jobs]
    return Dict({'iterations': listed, 'training': trained[-1] if trained else {}})
