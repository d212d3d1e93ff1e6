"""How much each structure of a training set counts: bad frames less, low energies more."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats
    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.core.training.settings import TrainingSettings


@dataclass(frozen=True)
class FrameWeights:
    """The weight of each structure, and the bad ones among them.

    Parameters
    ----------
    weights
        shape (n_structures,): 0 for one that is left out.
    is_bad
        shape (n_structures,): its forces or stress are beyond the limits, or its energy.
    max_force
        shape (n_structures,): largest force on an atom, eV/Å; 0 without forces.
    max_stress
        shape (n_structures,): largest component, eV/Å³; 0 without stress.
    """

    weights: Floats
    is_bad: Bools
    max_force: Floats
    max_stress: Floats

    def without(self, rows: Bools) -> FrameWeights:
        """Return the weights with some structures, shape (n_structures,), left out as bad."""
        kept = np.where(rows, 0.0, self.weights)
        return replace(self, weights=kept, is_bad=self.is_bad | rows)


def frame_weights(batch: StructureBatch, settings: TrainingSettings) -> FrameWeights:
    """Return how much each structure counts."""
    force, stress = largest_forces(batch), _largest_stresses(batch)
    excess = np.ones(len(batch))
    for value, limit in ((force, settings.force_limit), (stress, settings.stress_limit)):
        if limit is not None:
            excess = np.maximum(excess, value / limit)
    is_bad = excess > 1.0
    weights = 1.0 / excess**2
    if settings.bad_frames == 'drop':
        weights[is_bad] = 0.0
    if settings.magnetic_state is not None:
        elsewhere = in_other_state(batch, settings.magnetic_state)
        weights[elsewhere] = 0.0
        is_bad |= elsewhere
    if settings.energy_window is not None:
        above = energies_above_mixtures(batch, ~is_bad)
        above = np.nan_to_num(above, nan=0.0)  # without energies nothing speaks against it
        lowered = np.exp(-np.maximum(above, 0.0) / settings.energy_window)
        weights *= np.maximum(lowered, settings.min_window_weight)
    return FrameWeights(weights, is_bad, force, stress)


def in_other_state(batch: StructureBatch, state: str) -> Bools:
    """Tell which structures, labelled from several magnetic states, have another as the lowest."""
    lowest = batch.column('magnetic_state', '')
    known = batch.column('magnetic_states', '')
    n_states = [len(json.loads(text)) if text else 0 for text in known]
    elsewhere: Bools = (np.array(n_states) > 1) & (lowest != state)
    return elsewhere


def largest_forces(batch: StructureBatch) -> Floats:
    """Return the largest force on an atom of each structure, eV/Å; 0 without forces."""
    sizes = np.linalg.norm(np.nan_to_num(batch.forces), axis=1)
    largest = np.zeros(len(batch))
    np.maximum.at(largest, batch.structure_of_atom, sizes)
    return largest


def _largest_stresses(batch: StructureBatch) -> Floats:
    """Return the largest component of the stress of each structure, eV/Å³; 0 without stress."""
    stresses: Floats = np.abs(np.nan_to_num(batch.stresses)).max(axis=1, initial=0.0)
    return stresses


def energies_above_mixtures(batch: StructureBatch, among: Bools) -> Floats:
    """Return the energy above the lowest mixture of structures of the same batch, eV/atom.

    Unlike the energy above the hull of a phase diagram this needs no elements in the batch: only
    mixtures that exist count. NaN where there is no energy.

    Parameters
    ----------
    among
        shape (n_structures,): the structures that may be mixed.
    """
    fractions = batch.compositions / batch.n_atoms[:, None]
    energies = batch.energies_per_atom
    known = np.isfinite(energies)
    keys, group = np.unique(np.round(fractions, 9), axis=0, return_inverse=True)
    group = group.reshape(-1)
    lowest = np.full(len(keys), np.inf)
    usable = known & among
    np.minimum.at(lowest, group[usable], energies[usable])
    there = np.isfinite(lowest)
    above = np.full(len(batch), np.nan)
    for key in np.unique(group[known]):
        rows = known & (group == key)
        above[rows] = energies[rows] - _lowest_mixture(keys[key], keys[there], lowest[there])
    return above


def _lowest_mixture(fractions: Floats, ends: Floats, energies: Floats) -> float:
    """Return the lowest energy of a mixture of the ends with these fractions; inf if none has."""
    if not len(ends):
        return np.inf
    solution = linprog(energies, A_eq=ends.T, b_eq=fractions, bounds=(0, None), method='highs')
    return float(solution.fun) if solution.success else np.inf
