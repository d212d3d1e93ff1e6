"""Candidates of the last stage: what potentials have made of prototypes, each crystal once.

A potential may lead a prototype into another minimum than DFT would. So prototypes are relaxed
again from where they began as the potential learns, and shaken copies of them, which are led
elsewhere: *begun* are those, *current* is where potentials have led them so far.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._arrays import are_among, strings
from aiida_mtp.core.screening.duplicates import (
    DuplicateSettings,
    differences_in_shape,
    find_duplicates,
    is_referenced,
    most_alike,
)
from aiida_mtp.core.screening.funnel import RetainSettings, hull_members
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.knowledge import (
    DUPLICATE,
    EXTRAPOLATING,
    PREDICTED,
    RELAXED,
    UNRELIABLE,
    rows_of,
)
from aiida_mtp.core.screening.perturbation import PerturbationSettings, perturbed
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiida_mtp.core._typing import Bools, Column, Floats, Ints

FIRST, LAST = 1, 2  # stages, by whose potential an energy is predicted
TRUSTED = RetainSettings().trusted
REACH = 10.0  # errors above the hull: what lies higher is not looked at for equals, nor again
SAME = DuplicateSettings().energy
ELSEWHERE = 0.15  # in shape: more than nearly all relaxations with DFT change after a label
KNOWN, USUAL = 0.1, 8  # in shape; atoms: what is as like one that DFT has relaxed is the same
MOST, SHARE = 20_000, 0.05  # structures, share of all: what is looked at again, the nearest
SHAKES = ((0.05, 0.02), (0.15, 0.05))  # Å of each coordinate, strain: of the copies, in turn
LOOK = '@'  # between the name of a prototype and the number of the look that led it elsewhere


@dataclass(frozen=True)
class Context:
    """What candidates are judged by.

    Parameters
    ----------
    references
        The elements, by DFT.
    sigmas
        Of each stage, the error of its energies, eV/atom.
    asked
        Ids of those DFT was asked about.
    relaxed
        What it has relaxed of these.
    """

    references: StructureBatch
    sigmas: Mapping[int, float]
    asked: Collection[str] = ()
    relaxed: StructureBatch = field(default_factory=StructureBatch.empty)


def prototype_of(structure_id: str) -> str:
    """Return the name of the prototype that a candidate was relaxed from."""
    name, _, number = structure_id.rpartition(LOOK)
    return name if name and number.isdecimal() else structure_id


def join_stages(last: StructureBatch, first: StructureBatch, context: Context) -> StructureBatch:
    """Return what the last stage relaxed and what the one before it had dropped.

    The status of a candidate is ``predicted`` or ``extrapolating``, or ``unreliable`` if its energy
    cannot be believed, ``relaxed`` if it is one of the references, ``duplicate`` if it is the same
    crystal as a lower one, named in column `duplicate_of`. Column `stage` tells whose potential has
    relaxed it, `formation_energy` is counted from the elements as that potential has them.
    """
    last = _with_formation_energies(last, LAST)
    first = _with_formation_energies(first, FIRST)
    batch = StructureBatch.concatenate([last, first.take(~are_among(first.ids, last.ids))])
    status = batch.status.copy()
    status[np.isin(status, TRUSTED)] = PREDICTED
    status[~np.isin(status, (PREDICTED, EXTRAPOLATING)) | ~np.isfinite(batch.energies)] = UNRELIABLE
    batch = batch.replaced(status=status).with_columns(duplicate_of=strings([''] * len(batch)))
    return _with_copies(batch, batch, context)


def elements_of(candidates: StructureBatch) -> dict[str, float]:
    """Return what formation energies of the last stage are counted from: element → eV/atom."""
    counted = candidates.energies_per_atom - candidates.columns['formation_energy']
    known = (candidates.columns['stage'] == LAST) & np.isfinite(counted)
    is_pure = candidates.compositions == candidates.n_atoms[:, None]
    rows = (np.flatnonzero(known & own) for own in is_pure.T)
    return {
        species: float(counted[own[0]])
        for species, own in zip(candidates.species, rows, strict=True)
        if len(own)
    }


def predictions(relaxed: StructureBatch, elements: Mapping[str, float]) -> StructureBatch:
    """Return what can be believed of what a later potential has relaxed.

    Parameters
    ----------
    elements
        What all formation energies are counted from, see `elements_of`. Potentials that have learnt
        the same labels agree in the mean of all energies, but not in the few of the elements:
        counted from its own, all that one of them predicts would be off by up to its error there.
    """
    new = _counted_from(elements, relaxed.take(_are_believed(relaxed)), LAST)
    blank = strings([''] * len(new))
    return new.replaced(status=strings([PREDICTED] * len(new))).with_columns(duplicate_of=blank)


def updated(batch: StructureBatch, new: StructureBatch) -> StructureBatch:
    """Return structures with those that are newer in their places."""
    rows = {str(key): len(batch) + row for row, key in enumerate(new.ids)}
    both = StructureBatch.concatenate([batch, new])
    return both.take([rows.get(str(key), row) for row, key in enumerate(batch.ids)])


def differences(before: StructureBatch, after: StructureBatch) -> StructureBatch:
    """Return candidates that are new, or not as they were: with `merged` they make `after`."""
    rows = {str(key): row for row, key in enumerate(before.ids)}
    place = np.array([rows.get(str(key), -1) for key in after.ids], dtype=np.int64)
    differs = place < 0
    kept, old = after.take(~differs), before.take(place[~differs])
    said = zip(_said(kept), _said(old), strict=True)
    differs[~differs] = np.any([one != other for one, other in said], axis=0)
    return after.take(differs)


def _said(batch: StructureBatch) -> list[Column]:
    """Return what is said of candidates, to be compared: NaN, which equals nothing, as infinity."""
    energies = (batch.energies, batch.columns['formation_energy'])
    words = (batch.status, batch.columns['duplicate_of'], batch.columns['stage'])
    return [*(np.nan_to_num(one, nan=np.inf) for one in energies), *words]


def merged(batch: StructureBatch, differences: StructureBatch) -> StructureBatch:
    """Return candidates with those that differ in their places, and new ones after them."""
    new = differences.take(~are_among(differences.ids, batch.ids))
    return StructureBatch.concatenate([updated(batch, differences), new])


def look_again(
    candidates: StructureBatch, prototypes: StructureBatch, sigmas: Mapping[int, float]
) -> tuple[StructureBatch, StructureBatch]:
    """Return the prototypes worth relaxing from where they began, and what they are compared with.

    Those are left out whose candidates lie out of reach of the hull, and of hundreds of thousands
    all but the nearest.

    Parameters
    ----------
    sigmas
        Of each stage, the error of its energies, eV/atom.
    """
    known = np.isin(candidates.status, (PREDICTED, DUPLICATE))
    errors = np.array([sigmas[stage] for stage in candidates.columns['stage']])
    distances = _above_hull(candidates, known)
    nearest = np.argsort(distances, kind='stable')[: max(MOST, int(SHARE * len(candidates)))]
    near = np.zeros(len(candidates), dtype=bool)
    near[nearest] = (distances <= REACH * errors)[nearest]
    in_doubt = np.isin(candidates.status, (EXTRAPOLATING, UNRELIABLE))
    names = {prototype_of(str(key)) for key in candidates.ids[near | in_doubt]}
    begun = prototypes.take(are_among(prototypes.ids, names))
    return begun, candidates.take(near & (candidates.status != DUPLICATE))


def shaken(prototypes: StructureBatch, copies: int, seed: int) -> list[StructureBatch]:
    """Return copies of all prototypes, each strained and displaced at random, under their names."""
    sets = []
    for copy in range(copies):
        rattle, strain = SHAKES[copy % len(SHAKES)]
        settings = PerturbationSettings(
            copies=2, strain=strain, volume_range=(1.0, 1.0), rattle=rattle, max_atoms=sys.maxsize
        )
        both = perturbed(prototypes, settings, seed=seed + copy)
        changed = both.take(both.ids != both.origins)
        sets.append(changed.replaced(ids=changed.origins))
    return sets


def after_look(
    candidates: StructureBatch,
    begun: StructureBatch,
    current: StructureBatch,
    number: int,
    context: Context,
) -> StructureBatch:
    """Return the candidates as the last potential has them, and the lower minima it has found.

    A lower minimum that a prototype leads to is a candidate of its own, unless it is known already:
    DFT may think otherwise of the two. It takes the place of what could not be believed. What DFT
    was asked about stays as it is, for errors are those of predictions made before the answer; if
    the potential leads it elsewhere by now, that is a candidate of its own as well.

    Parameters
    ----------
    begun
        Relaxed by the last potential from prototypes and from copies of them.
    current
        The candidates near the hull, relaxed by the same potential from where they were.
    number
        Of this look, counted from 1: part of the names of new candidates.
    """
    both = predictions(StructureBatch.concatenate([begun, current]), elements_of(candidates))
    is_begun = np.arange(len(both)) < np.sum(_are_believed(begun))
    begun, current = both.take(is_begun), both.take(~is_begun)
    is_asked = are_among(current.ids, context.asked)
    batch = updated(candidates, current.take(~is_asked))
    asked = current.take(is_asked)
    has_moved = _are_elsewhere(asked, candidates, context.relaxed)
    moved = asked.take(has_moved)
    moved = moved.replaced(ids=strings([prototype_of(str(key)) for key in moved.ids]))
    begun = begun.take(_are_lower(begun, batch, current))
    begun = _lowest(StructureBatch.concatenate([begun, moved]))
    in_doubt = batch.ids[np.isin(batch.status, (EXTRAPOLATING, UNRELIABLE))]
    takes_place = are_among(begun.ids, in_doubt)
    batch = updated(batch, begun.take(takes_place))
    own = begun.take(~takes_place)
    own = own.replaced(ids=strings([f'{key}{LOOK}{number}' for key in own.ids]))
    batch = StructureBatch.concatenate([batch, own])
    # with one potential for all, or copies are not alike: also for what keeps an older prediction
    alike = updated(batch, asked.take(~has_moved))
    batch = _with_copies(batch, alike, context)
    is_copy = (batch.status == DUPLICATE) & are_among(batch.ids, own.ids)
    return batch.take(~is_copy)


def _are_elsewhere(
    asked: StructureBatch, candidates: StructureBatch, relaxed: StructureBatch
) -> Bools:
    """Return which are other crystals by now than those that DFT was asked about.

    Its answers say nothing of what they have become. One that goes where DFT has gone from there
    itself is known.
    """
    elsewhere = _differ(asked, candidates)
    rows = np.flatnonzero(elsewhere & are_among(asked.ids, relaxed.ids))
    elsewhere[rows] = _differ(asked.take(rows), relaxed)
    return elsewhere


def _differ(batch: StructureBatch, others: StructureBatch) -> Bools:
    """Return which are elsewhere than those of the same ids among others."""
    differ: Bools = differences_in_shape(batch, others.take(rows_of(others, batch))) > ELSEWHERE
    return differ


def _lowest(begun: StructureBatch) -> StructureBatch:
    """Return of each prototype the lowest of what it has led to."""
    order = np.argsort(begun.columns['formation_energy'], kind='stable')
    _, first = np.unique(begun.ids[order].astype(str), return_index=True)
    return begun.take(np.sort(order[first]))


def _are_lower(begun: StructureBatch, batch: StructureBatch, current: StructureBatch) -> Bools:
    """Return which prototypes lead to something lower than the candidates they have become."""
    lowest: dict[str, float] = {}
    anew = dict(zip(current.ids, current.columns['formation_energy'], strict=True))
    for key, energy, status, other in zip(
        batch.ids,
        batch.columns['formation_energy'],
        batch.status,
        batch.columns['duplicate_of'],
        strict=True,
    ):
        name = prototype_of(str(key))
        known = np.inf
        if status in (PREDICTED, DUPLICATE):
            known = anew.get(other or key, energy)
        elif status == RELAXED:  # an element: nothing to be found
            known = -np.inf
        lowest[name] = min(lowest.get(name, np.inf), float(known))
    lower = [
        str(key) in lowest and energy < lowest[str(key)] - SAME
        for key, energy in zip(begun.ids, begun.columns['formation_energy'], strict=True)
    ]
    return np.array(lower, dtype=bool)


def _with_copies(batch: StructureBatch, alike: StructureBatch, context: Context) -> StructureBatch:
    """Return candidates with the references and the copies among them marked.

    Parameters
    ----------
    alike
        The same candidates, their energies and geometries by one potential as far as there are any.
    """
    status, names = batch.status.copy(), batch.columns['duplicate_of'].copy()
    usable = np.flatnonzero(status == PREDICTED)
    status[usable[is_referenced(batch.take(usable), context.references)]] = RELAXED
    distances = _above_hull(alike, status == PREDICTED)
    near = np.flatnonzero(distances <= REACH * context.sigmas[LAST])
    new = near[~are_among(batch.ids[near], context.asked)]
    known, other = _copies_of_relaxed(alike.take(new), context.relaxed)
    status[new[known]] = DUPLICATE
    names[new[known]] = context.relaxed.ids[other]
    near = near[status[near] == PREDICTED]
    copied = alike.take(near)
    stands_for = _asked_first(find_duplicates(copied), copied, context.asked)
    same = stands_for != np.arange(len(near))
    status[near[same]] = DUPLICATE
    names[near[same]] = batch.ids[near[stands_for[same]]]
    copies = np.concatenate([new[known], near[same]])
    stand_in = dict(zip(batch.ids[copies], names[copies], strict=True))
    names = strings([stand_in.get(name, name) for name in names])
    return batch.replaced(status=status).with_columns(duplicate_of=names)


def _copies_of_relaxed(batch: StructureBatch, relaxed: StructureBatch) -> tuple[Ints, Ints]:
    """Return the rows of copies of what DFT has relaxed, and the rows of these there.

    They are told by their shape alone: what the potential thinks of their energy does not count.
    """
    other, apart = most_alike(batch, relaxed)
    # shapes are averages over atoms: in large cells those of other crystals are closer
    known = np.flatnonzero(apart < KNOWN * np.minimum(1.0, USUAL / batch.n_atoms))
    return known, other[known]


def _asked_first(stands_for: Ints, batch: StructureBatch, asked: Collection[str]) -> Ints:
    """Return what stands for what, where of equals those stay that DFT was asked about."""
    is_asked = are_among(batch.ids, asked)
    rows = np.flatnonzero(is_asked)
    first = np.arange(len(batch))
    for row in rows[np.argsort(-batch.energies_per_atom[rows], kind='stable')]:
        first[stands_for[row]] = row  # the lowest of them comes last
    result: Ints = first[stands_for]
    result[is_asked] = rows
    return result


def _with_formation_energies(batch: StructureBatch, stage: int) -> StructureBatch:
    """Return what a stage relaxed with formation energies by the elements among it."""
    hull = hull_of(batch.take(hull_members(batch))).hull
    elements = dict(zip(hull.species, hull.references.tolist(), strict=True))
    return _counted_from(elements, batch, stage)


def _counted_from(
    elements: Mapping[str, float], batch: StructureBatch, stage: int
) -> StructureBatch:
    """Return structures with their formation energies.

    Forces and stresses are left out: two fifths of the bytes, and next to nothing at a minimum.
    """
    counts = batch.with_species(tuple(elements)).compositions
    formation = (batch.energies - counts @ np.array(list(elements.values()))) / batch.n_atoms
    bare = batch.without_labels().replaced(energies=batch.energies)
    return bare.with_columns(formation_energy=formation, stage=np.full(len(batch), stage))


def _above_hull(batch: StructureBatch, usable: Bools) -> Floats:
    """Return distances from the hull of predicted formation energies, eV/atom; else infinity."""
    distances = np.full(len(batch), np.inf)
    energies = batch.columns['formation_energy'] * batch.n_atoms
    known = batch.replaced(energies=energies).take(usable)
    distances[usable] = hull_of(known, dict.fromkeys(batch.species, 0.0)).e_above_hull
    return distances


def _are_believed(relaxed: StructureBatch) -> Bools:
    """Return whose energies can be believed."""
    believed: Bools = np.isin(relaxed.status, TRUSTED) & np.isfinite(relaxed.energies)
    return believed
