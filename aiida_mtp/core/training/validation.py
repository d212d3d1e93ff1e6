"""Errors of structures that were left out of the training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.training.minimise import FIRST_DAMPING, minimise

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.objective import Objective, State
    from aiida_mtp.core.training.settings import TrainingSettings


BOLD = 1e-5  # first damping: leaving out a part moves the minimum little


def validation_errors(
    objective: Objective,
    state: State,
    model: MtpModel,
    batch: StructureBatch,
    settings: TrainingSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> Floats:
    """Return the errors of the energies in a cross-validation, eV/atom.

    The training set is cut at random into parts; each in turn is left out, the potential is
    trained further without it, and the part is predicted. What the left-out structures alone
    had decided goes back to what the pull of the objective says of it.

    Parameters
    ----------
    objective, state
        What was minimised, and the minimum.
    model, batch
        The potential whose coefficients these are, and the training set.

    Returns
    -------
    Floats
        shape (n_structures,): NaN for structures without an energy.
    """
    data = objective.data
    errors = np.full(len(data), np.nan)
    n_folds = min(settings.n_folds, len(objective.chosen))
    if n_folds < 2:
        return errors
    order = np.random.default_rng(settings.seed).permutation(objective.chosen)
    for fold in range(n_folds):
        left_out = np.sort(order[fold::n_folds])
        kept = replace(objective, chosen=np.setdiff1d(objective.chosen, left_out))
        if not data.has_energy[kept.chosen].any():
            continue
        found = _lowest_from(state, kept, settings, advance)
        part = batch.take(left_out)
        errors[left_out] = evaluate(found.put_into(model), part).energies - part.energies
    return errors / batch.n_atoms


def _lowest_from(
    state: State,
    kept: Objective,
    settings: TrainingSettings,
    advance: Callable[[int], None],
) -> State:
    """Return the minimum without a part, from that with it; carefully where boldness leads nowhere.

    Three bold steps go nearly as far as ten careful ones.
    """
    found = state
    for damping in (BOLD, FIRST_DAMPING):
        if found.radial is state.radial:  # no step has been taken
            found = minimise(
                kept, state, settings.fold_iterations, settings.tolerance, advance, damping
            )
    return found
