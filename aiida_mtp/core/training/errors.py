"""How far a potential is from the labels of a training set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.training.weights import energies_above_mixtures

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.weights import FrameWeights

ENERGY_BINS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, np.inf)  # eV/atom above the lowest mixture


@dataclass(frozen=True)
class PropertyErrors:
    """Errors of one property.

    Parameters
    ----------
    n
        Number of values compared.
    rmse, mae, max
        Root of the mean square, mean and largest of the absolute errors; null if n is 0.
    """

    n: int
    rmse: float | None
    mae: float | None
    max: float | None

    @classmethod
    def of(cls, errors: Floats) -> PropertyErrors:
        """Summarise errors; those that are not numbers are left out."""
        sizes = np.abs(errors[np.isfinite(errors)])
        if not sizes.size:
            return cls(0, None, None, None)
        return cls(
            int(sizes.size),
            float(np.sqrt((sizes**2).mean())),
            float(sizes.mean()),
            float(sizes.max()),
        )


@dataclass(frozen=True)
class EnergyBin:
    """Errors of the energies in a range above the lowest mixture of the training set.

    Parameters
    ----------
    above, below
        The range, eV/atom; `below` is null for the last.
    energy, energy_validation
        Errors of structures that were trained on, and when they were left out, eV/atom.
    """

    above: float
    below: float | None
    energy: PropertyErrors
    energy_validation: PropertyErrors


@dataclass(frozen=True)
class BadFrame:
    """A structure whose forces, stress or energy are beyond the limits.

    Parameters
    ----------
    id
        Of the structure.
    max_force, max_stress
        Largest force on an atom, eV/Å, and component of the stress, eV/Å³.
    energy_error
        Of the trained potential, eV/atom; null without an energy.
    weight
        What it counts for; 0 if it was left out.
    """

    id: str
    max_force: float
    max_stress: float
    energy_error: float | None
    weight: float


@dataclass(frozen=True)
class TrainingReport:
    """What came out of a training. Bad frames have no part in the errors.

    Parameters
    ----------
    n_structures, n_atoms
        Of the whole training set.
    n_energies
        Number of structures with an energy that counts in full.
    n_parameters
        Of the potential.
    loss
        In MLIP's definition, weights of structures included.
    iterations
        Steps of the minimisation, from the start that was chosen.
    min_dist
        Of the potential, Å.
    energy, forces, stress
        Errors on what was trained on: eV/atom, eV/Å (components), eV/Å³ (components).
    energy_rmse_validation
        Root mean square error of energies of structures that were left out, eV/atom: what to
        expect of structures like those of the training set. Null without validation.
    energy_validation
        The same errors, in full.
    energy_bins
        By energy above the lowest mixture.
    bad_frames
        Structures that count less, or not at all.
    """

    n_structures: int
    n_atoms: int
    n_energies: int
    n_parameters: int
    loss: float
    iterations: int
    min_dist: float
    energy: PropertyErrors
    forces: PropertyErrors
    stress: PropertyErrors
    energy_rmse_validation: float | None
    energy_validation: PropertyErrors
    energy_bins: tuple[EnergyBin, ...]
    bad_frames: tuple[BadFrame, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def training_report(
    model: MtpModel,
    batch: StructureBatch,
    weights: FrameWeights,
    validation: Floats,
    loss: float,
    iterations: int,
) -> TrainingReport:
    """Compare a trained potential with its training set.

    Parameters
    ----------
    validation
        shape (n_structures,): errors of the energies when left out, eV/atom; NaN if never.
    """
    good = ~weights.is_bad
    found = evaluate(model, batch)
    errors = (found.energies - batch.energies) / batch.n_atoms
    energies = np.where(good, errors, np.nan)
    of_good_atom = good[batch.structure_of_atom]
    left_out = PropertyErrors.of(np.where(good, validation, np.nan))
    return TrainingReport(
        n_structures=len(batch),
        n_atoms=len(batch.positions),
        n_energies=int(np.isfinite(energies).sum()),
        n_parameters=model.n_parameters,
        loss=loss,
        iterations=iterations,
        min_dist=model.min_dist,
        energy=PropertyErrors.of(energies),
        forces=PropertyErrors.of((found.forces - batch.forces)[of_good_atom]),
        stress=PropertyErrors.of((found.stresses - batch.stresses)[good]),
        energy_rmse_validation=left_out.rmse,
        energy_validation=left_out,
        energy_bins=_energy_bins(batch, good, energies, validation),
        bad_frames=_bad_frames(batch, weights, errors),
    )


def _energy_bins(
    batch: StructureBatch, good: Bools, energies: Floats, validation: Floats
) -> tuple[EnergyBin, ...]:
    """Return the errors by energy above the lowest mixture, without ranges that are empty."""
    above = energies_above_mixtures(batch, good)
    bins = []
    for low, high in pairwise(ENERGY_BINS):
        inside = good & (above >= low - 1e-9) & (above < high - 1e-9)
        if inside.any():
            bins.append(
                EnergyBin(
                    low,
                    high if np.isfinite(high) else None,
                    PropertyErrors.of(energies[inside]),
                    PropertyErrors.of(validation[inside]),
                )
            )
    return tuple(bins)


def _bad_frames(
    batch: StructureBatch, weights: FrameWeights, errors: Floats
) -> tuple[BadFrame, ...]:
    return tuple(
        BadFrame(
            str(batch.ids[s]),
            float(weights.max_force[s]),
            float(weights.max_stress[s]),
            float(errors[s]) if np.isfinite(errors[s]) else None,
            float(weights.weights[s]),
        )
        for s in np.flatnonzero(weights.is_bad)
    )
