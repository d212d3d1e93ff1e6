"""Calcfunctions of the whole screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, List

from aiida_mtp.calculations.set_functions import refuse_mixed_settings
from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.screening.elements import elemental_structures as structures_of_elements
from aiida_mtp.core.screening.funnel import RetainSettings, Verdict, retain
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from collections.abc import Mapping


NEAR_HULL = 0.2  # eV/atom above the lowest mixture of the training set
ENOUGH = 10  # structures that an error of its own needs


@calcfunction
def elemental_structures(elements: List) -> StructureSetData:
    """Return the elements in the structures they are known in."""
    return StructureSetData.from_batch(structures_of_elements(elements.get_list()))


@calcfunction
def prototype_spec(elements: List, prototypes: Dict, references: StructureSetData) -> Dict:
    """Return what to generate, with the volume per atom of each element as DFT relaxed it."""
    batch = references.get_batch()
    per_atom = batch.volumes / batch.n_atoms
    volumes = {}
    for column, symbol in enumerate(batch.species):
        own = np.flatnonzero(batch.compositions[:, column] == batch.n_atoms)
        lowest = own[np.argmin(batch.energies_per_atom[own])]
        volumes[symbol] = float(per_atom[lowest])
    return Dict(
        {**prototypes.get_dict(), 'elements': elements.get_list(), 'atomic_volumes': volumes}
    )


@calcfunction
def build_hull(
    references: StructureSetData, final: StructureSetData | None = None
) -> StructureSetData:
    """Return all that DFT relaxed, with formation energies and distances from their hull (eV/atom).

    What DFT could not relax stays in the set with its reason, and has neither.
    """
    sets = [references] if final is None else [references, final]
    batch = StructureBatch.concatenate([one.get_batch() for one in sets])
    refuse_mixed_settings(batch)
    done = np.flatnonzero(batch.status == DONE)
    found = hull_of(batch.take(done))
    formation_energy = np.full(len(batch), np.nan)
    e_above_hull = np.full(len(batch), np.nan)
    formation_energy[done] = found.formation_energies
    e_above_hull[done] = found.e_above_hull
    return StructureSetData.from_batch(
        batch.with_columns(formation_energy=formation_energy, e_above_hull=e_above_hull)
    )


@calcfunction
def stable_phases(hull: StructureSetData) -> Dict:
    """Return the phases on a hull: formula, id, energies (eV/atom) and volume (Å³/atom)."""
    batch = hull.get_batch()
    done = np.flatnonzero(batch.status == DONE)
    rows = done[hull_of(batch.take(done)).stable]
    formulas = batch.formulas
    phases = [
        {
            'formula': formulas[row],
            'id': str(batch.ids[row]),
            'formation_energy': float(batch.columns['formation_energy'][row]),
            'energy_per_atom': float(batch.energies_per_atom[row]),
            'volume_per_atom': float(batch.volumes[row] / batch.n_atoms[row]),
            'process': str(batch.column('label_process', '')[row]),
        }
        for row in rows
    ]
    return Dict({'phases': phases})


@calcfunction
def retain_structures(
    relaxed: StructureSetData, settings: Dict, stage: Dict
) -> dict[str, StructureSetData | ArrayData | Dict]:
    """Return what is within reach of the hull of a stage, the verdict on all, and its counts.

    The error of the energies is that of the potential on structures it was not trained on. The
    verdict has an entry for each of `relaxed`: `reason`, `duplicate_of` (the row of the structure
    that stands for it, or −1), `formation_energy` and `e_above_hull` (eV/atom).
    """
    batch = relaxed.get_batch()
    chosen = RetainSettings.from_mapping(settings.get_dict())
    verdict = retain(batch, energy_error(stage['training']), chosen)
    kept = batch.with_columns(
        formation_energy=verdict.formation_energies, e_above_hull=verdict.e_above_hull
    ).take(verdict.keep)
    report = {
        'n_structures': len(batch),
        'n_retained': len(kept),
        'sigma': verdict.sigma,
        'reach': chosen.k * verdict.sigma,
        'reasons': verdict.counts(),
    }
    return {
        'structures': StructureSetData.from_batch(kept),
        'verdict': _verdict_data(batch, verdict),
        'report': Dict(report),
    }


def _verdict_data(batch: StructureBatch, verdict: Verdict) -> ArrayData:
    rows = {name: row for row, name in enumerate(batch.ids)}
    return ArrayData(
        {
            'reason': verdict.reasons.astype(str),
            'duplicate_of': np.array([rows.get(one, -1) for one in verdict.duplicate_of]),
            'formation_energy': verdict.formation_energies,
            'e_above_hull': verdict.e_above_hull,
        }
    )


def energy_error(training: Mapping[str, Any]) -> float:
    """Return the error of the energy of a potential, eV/atom, from the report of its training.

    It is that of structures that were left out of the training, and if there are enough of them,
    only of those near the lowest energies: strained and rattled frames far above decide nothing.
    """
    near = [
        (one['energy_validation']['n'], one['energy_validation']['rmse'])
        for one in training.get('energy_bins', [])
        if one['above'] < NEAR_HULL and one['energy_validation']['n']
    ]
    if sum(n for n, _ in near) >= ENOUGH:
        return float(np.sqrt(sum(n * e**2 for n, e in near) / sum(n for n, _ in near)))
    error = training.get('energy_rmse_validation')
    return float(training['energy']['rmse'] if error is None else error)
