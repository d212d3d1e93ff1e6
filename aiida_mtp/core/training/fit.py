"""Training of a potential, from the start or from another potential."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.training.errors import TrainingReport, training_report
from aiida_mtp.core.training.gauge import in_standard_gauge, shifted
from aiida_mtp.core.training.labels import (
    closest_distance,
    reference_energies,
    refuse_senseless_labels,
    training_data,
)
from aiida_mtp.core.training.minimise import minimise
from aiida_mtp.core.training.objective import Objective, State
from aiida_mtp.core.training.validation import validation_errors
from aiida_mtp.core.training.weights import FrameWeights, frame_weights
from aiida_mtp.core.training.workspace import basis_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.labels import TrainingData
    from aiida_mtp.core.training.settings import TrainingSettings

START_STRUCTURES = 120  # at most, on which random starts are compared
OUTLIER_ROUNDS = 5  # further trainings at most, each without the outliers of the one before
OUTLIER_FLOOR = 0.05  # eV/atom: what is closer is no outlier, however good the rest
NORMAL_MEDIAN = 1.4826  # standard deviation in units of the median absolute error
CLOSER = 0.98  # min_dist of a new potential, in units of the smallest distance in the data


@dataclass(frozen=True)
class Training:
    """A trained potential and how good it is."""

    model: MtpModel
    report: TrainingReport

    def shifted(self, energies: Floats) -> Training:
        """Return the same with energies added for each atom of a species, eV."""
        return replace(self, model=shifted(self.model, energies))


def train_new(
    batch: StructureBatch,
    level: int,
    species: Sequence[str],
    cutoff: float,
    settings: TrainingSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> Training:
    """Train a potential from random starts.

    Its `min_dist` is a little below the smallest distance in the training set.

    Parameters
    ----------
    batch
        The training set. Missing labels are not used.
    level, species, cutoff
        Of the potential; Å.
    advance
        Called with the number of steps done since the last call, of `n_steps` in all.

    Raises
    ------
    InputError
        If the training set cannot be used.
    """
    batch, weights, references = _prepared(batch, tuple(species), settings)
    shortest = closest_distance(batch.take(_good(weights)), cutoff)
    min_dist = CLOSER * shortest if np.isfinite(shortest) else 0.5 * cutoff
    models = [
        initial_model(
            level,
            species,
            cutoff,
            min_dist=min_dist,
            radial_basis_size=settings.radial_basis_size,
            seed=settings.seed + start,
        )
        for start in range(settings.n_starts)
    ]
    return _train(models, batch, weights, settings, advance).shifted(references)


def train_further(
    batch: StructureBatch,
    model: MtpModel,
    settings: TrainingSettings,
    advance: Callable[[int], None] = lambda _: None,
) -> Training:
    """Train a potential from where it is; see `train_new`.

    Its range of distances is extended, without a change of its energies, to those in the
    training set.

    Raises
    ------
    InputError
        If the training set cannot be used, or has species the potential does not know.
    """
    unknown = sorted({batch.species[t] for t in np.unique(batch.types)} - set(model.species))
    if unknown:
        raise InputError(
            f'the training set has {", ".join(unknown)}, but the potential to start from knows '
            f'only {", ".join(model.species)}: train a new one with all species'
        )
    batch, weights, references = _prepared(batch, model.species, settings)
    shortest = closest_distance(batch.take(_good(weights)), model.max_dist)
    model = in_standard_gauge(model, min(model.min_dist, CLOSER * shortest))
    models = [shifted(model, -references)]
    return _train(models, batch, weights, settings, advance).shifted(references)


def n_steps(settings: TrainingSettings, *, is_new: bool) -> int:
    """Return the most steps a training takes."""
    tried = settings.n_starts * settings.start_iterations if is_new and settings.n_starts > 1 else 0
    return tried + settings.max_iterations + settings.n_folds * settings.fold_iterations


def _good(weights: FrameWeights) -> list[int]:
    """Return the structures that count in full; all that count if none does."""
    good = np.flatnonzero((weights.weights > 0) & ~weights.is_bad)
    return list(good if len(good) else np.flatnonzero(weights.weights > 0))


def _prepared(
    batch: StructureBatch, species: tuple[str, ...], settings: TrainingSettings
) -> tuple[StructureBatch, FrameWeights, Floats]:
    """Return the training set as it is fitted, and the weight of each structure.

    Its species are those of the potential. Its energies are counted from atoms of energies that
    are returned as well: those of all-electron or pseudopotential codes are thousands of eV, of
    which only the differences between structures have to do with what is trained.
    """
    if not len(batch):
        raise InputError('the training set is empty')
    _refuse_mixed_settings(batch)
    refuse_senseless_labels(batch)
    batch = batch.with_species(species)
    weights = frame_weights(batch, settings)
    references = reference_energies(batch, weights.weights)
    energies = batch.energies - batch.compositions @ references
    return batch.replaced(energies=energies), weights, references


def _refuse_mixed_settings(batch: StructureBatch) -> None:
    """Refuse labels that were computed in different ways: their energies do not compare."""
    found = sorted({str(value) for value in batch.column('label_settings', '')} - {'', 'nan'})
    if len(found) > 1:
        raise InputError(
            f'the training set mixes labels of different settings (column label_settings: '
            f'{", ".join(found)}): their energies do not compare; label it with one'
        )


def _train(
    models: list[MtpModel],
    batch: StructureBatch,
    weights: FrameWeights,
    settings: TrainingSettings,
    advance: Callable[[int], None],
) -> Training:
    """Train the best of several starts."""
    data = training_data(batch, models[0].max_dist, weights.weights, settings)
    chosen = np.flatnonzero(data.is_labelled)
    model = models[0]
    if len(models) > 1:
        best = _best_start(models, data, chosen, settings, advance)
        model = in_standard_gauge(best, best.min_dist)  # the pull is measured at the start
    start = State.of(model)
    objective = Objective.scaled_at(data, basis_of(model), chosen, settings.ridge, start)
    steps = 0

    def count(n: int) -> None:
        nonlocal steps
        steps += n
        advance(n)

    state = minimise(objective, start, settings.max_iterations, settings.tolerance, count)
    left_out = np.zeros(len(batch), dtype=bool)
    for _ in range(OUTLIER_ROUNDS if settings.outlier_limit is not None else 0):
        outliers = _outliers(state.put_into(model), batch, weights, settings)
        if (outliers == left_out).all():
            break
        left_out = outliers  # those the bad ones had spoilt come back
        objective = replace(objective, chosen=chosen[~left_out[chosen]])
        state = minimise(objective, state, settings.max_iterations, settings.tolerance, count)
    weights = weights.without(left_out)
    if not np.isfinite(state.loss):
        raise InputError('the training diverges: are all labels of the training set sane?')
    trained = state.put_into(model)
    validation = validation_errors(objective, state, trained, batch, settings, advance)
    report = training_report(trained, batch, weights, validation, state.loss, steps)
    return Training(trained, report)


def _outliers(
    model: MtpModel, batch: StructureBatch, weights: FrameWeights, settings: TrainingSettings
) -> Bools:
    """Tell which structures that count have energies far from what all others say."""
    errors = np.abs(evaluate(model, batch).energies - batch.energies) / batch.n_atoms
    good = ~weights.is_bad & np.isfinite(errors)
    typical = NORMAL_MEDIAN * float(np.median(errors[good])) if good.any() else 0.0
    limit = max((settings.outlier_limit or np.inf) * typical, OUTLIER_FLOOR)
    far: Bools = (weights.weights > 0) & (errors > limit)
    return far


def _best_start(
    models: list[MtpModel],
    data: TrainingData,
    chosen: Ints,
    settings: TrainingSettings,
    advance: Callable[[int], None],
) -> MtpModel:
    """Return the start that comes furthest in a few steps, on some of the structures.

    Where a start leads does not depend on how many structures there are, only what a step costs.
    """
    few = np.sort(np.random.default_rng(settings.seed).permutation(chosen)[:START_STRUCTURES])
    if not data.has_energy[few].any():
        few = chosen
    best, lowest = models[0], np.inf
    for model in models:
        start = State.of(model)
        objective = Objective.scaled_at(data, basis_of(model), few, settings.ridge, start)
        state = minimise(objective, start, settings.start_iterations, settings.tolerance, advance)
        if state.value < lowest:
            best, lowest = state.put_into(model), state.value
    return best
