"""What pictures of either kind show: points and lines, in meV/atom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.predictions import predicted_phases
from aiida_mtp.core.screening.report.charts import grade_edges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.screening.report.data import ScreenReport, StageReport
    from aiida_mtp.core.structures import StructureBatch

ACCENT, WARM, INK, FAINT = '#0b5c8a', '#b4530f', '#1d2126', '#8d96a0'
CLOUDS = ('#8f9aa4', '#5b9fc4')  # candidates of the first stage, of the second
ENERGY = 'formation energy (meV/atom)'
ROOF = 0.4  # how far above the elements a picture reaches, of the depth of the hull


@dataclass(frozen=True)
class HullPoints:
    """The phases of a binary or ternary system, as they lie in a picture.

    Parameters
    ----------
    elements
        The system.
    x, y
        shape (n_phases,): of two elements, the fraction of the second and the formation energy
        (meV/atom); of three, the place in a triangle of side one.
    energies, above
        shape (n_phases,): formation energy and distance from the hull, meV/atom.
    stable
        shape (n_phases,): whether it is the lowest of its composition and on the hull.
    formulas, ids
        Of each phase.
    lines
        shape (n_lines, 2, 2): ends of the lines between phases that coexist, as (x, y).
    """

    elements: tuple[str, ...]
    x: Floats
    y: Floats
    energies: Floats
    above: Floats
    stable: Bools
    formulas: tuple[str, ...]
    ids: tuple[str, ...]
    lines: Floats

    @property
    def depth(self) -> float:
        """Depth of the hull, meV/atom; at least a little, for a picture to have a height."""
        return max(-float(self.energies.min(initial=0.0)), 1.0)


def hull_points(batch: StructureBatch) -> HullPoints:
    """Return what a picture of a hull shows.

    Parameters
    ----------
    batch
        Structures with energies; those without one (NaN) are left out.

    Raises
    ------
    InputError
        If the system has neither two nor three elements, or an element has no energy.
    """
    batch = batch.take(np.isfinite(batch.energies))
    found = hull_of(batch)
    elements = found.hull.species
    if len(elements) not in {2, 3}:
        raise InputError(
            f'a hull of {len(elements)} elements ({"-".join(elements)}) cannot be drawn on paper; '
            'the report of a screen shows four'
        )
    counts = batch.with_species(elements).compositions
    energies = 1e3 * found.formation_energies
    stable = np.zeros(len(batch), dtype=bool)
    stable[found.stable] = True
    x, y = _places(counts / batch.n_atoms[:, None], energies)
    corners = np.column_stack(_places(found.hull.vertices, 1e3 * found.hull.vertex_energies))
    return HullPoints(
        elements=elements,
        x=x,
        y=y,
        energies=energies,
        above=1e3 * found.e_above_hull,
        stable=stable,
        formulas=tuple(batch.formulas),
        ids=tuple(str(key) for key in batch.ids),
        lines=corners[_edges(found.hull.facets)],
    )


def candidate_points(stage: StageReport, elements: Sequence[str]) -> tuple[Floats, Floats]:
    """Return fractions of the second element, and formation energies of a stage, meV/atom."""
    if stage.structures is None:
        return np.empty(0), np.empty(0)
    batch, energies = predicted_phases(stage.structures, elements)
    return batch.compositions[:, 1] / batch.n_atoms, 1e3 * energies


def triangle(fractions: Floats) -> tuple[Floats, Floats]:
    """Return the places of compositions of three elements in a triangle of side one."""
    return fractions[:, 1] + 0.5 * fractions[:, 2], 0.75**0.5 * fractions[:, 2]


def errors_of(reference: Floats, predicted: Floats) -> tuple[Floats, Floats, float, float]:
    """Return values of both sides that are known, in meV/atom, and their RMSE and MAE.

    Raises
    ------
    InputError
        If they are not as many, or none is known on both sides.
    """
    reference, predicted = np.asarray(reference, dtype=float), np.asarray(predicted, dtype=float)
    if reference.shape != predicted.shape or reference.ndim != 1:
        raise InputError(
            f'a parity plot needs two lists of one length, not {reference.shape} and '
            f'{predicted.shape}'
        )
    known = known_on_both(reference, predicted)
    if not known.any():
        raise InputError('a parity plot needs values on both sides; there are none')
    x, y = 1e3 * reference[known], 1e3 * predicted[known]
    return x, y, float(np.sqrt(np.mean((y - x) ** 2))), float(np.mean(np.abs(y - x)))


def known_on_both(reference: Floats, predicted: Floats) -> Bools:
    """Return which pairs of values are known on both sides."""
    known: Bools = np.isfinite(np.asarray(reference, float)) & np.isfinite(
        np.asarray(predicted, float)
    )
    return known


def learning_steps(stages: Sequence[StageReport]) -> dict[str, dict[str, Floats]]:
    """Return trainings by stage: their numbers, counted through, sizes and errors (meV/atom).

    Raises
    ------
    InputError
        If nothing was trained.
    """
    found: dict[str, dict[str, Floats]] = {}
    start = 1
    for stage in stages:
        if stage.learning:
            steps = stage.learning
            found[stage.name] = {
                'training': np.arange(start, start + len(steps), dtype=np.float64),
                'size': np.array([step.n_training for step in steps], dtype=np.float64),
                'rmse': 1e3 * np.array([step.rmse for step in steps]),
                'left out': 1e3 * np.array([step.rmse_validation for step in steps]),
            }
            start += len(steps)
    if not found:
        raise InputError('a learning curve needs stages that have learnt; there is no training')
    return found


def funnel_steps(report: ScreenReport) -> dict[str, int]:
    """Return how many structures there were at each step of a screen."""
    done = report.hull.take(report.hull.status == 'done')
    steps = {'candidates': report.n_candidates}
    steps |= {f'kept by {stage.name}': stage.n_kept for stage in report.stages}
    return steps | {'relaxed by DFT': len(done), 'stable': len(hull_of(done).stable)}


def grade_bins(grades: Mapping[str, Floats], n_bins: int) -> tuple[Floats, dict[str, Ints]]:
    """Return the edges of bins of equal factors, and the counts of each set of grades.

    Raises
    ------
    InputError
        If there is no grade.
    """
    known = {name: np.asarray(values, dtype=float) for name, values in grades.items()}
    known = {name: values[np.isfinite(values) & (values > 0)] for name, values in known.items()}
    every = np.concatenate(list(known.values())) if known else np.empty(0)
    if not len(every):
        raise InputError('a histogram of grades needs grades; there are none')
    edges = grade_edges(every, n_bins)
    return edges, {name: np.histogram(values, edges)[0] for name, values in known.items()}


def _places(fractions: Floats, energies: Floats) -> tuple[Floats, Floats]:
    return (fractions[:, 1], energies) if fractions.shape[1] == 2 else triangle(fractions)


def _edges(facets: Ints) -> Ints:
    """Return the edges of facets, each once, shape (n_edges, 2)."""
    n = facets.shape[1]
    pairs = np.concatenate([facets[:, [i, j]] for j in range(n) for i in range(j)])
    edges: Ints = np.unique(np.sort(pairs, axis=1), axis=0)
    return edges
