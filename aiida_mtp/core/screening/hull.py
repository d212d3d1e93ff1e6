"""The convex hull of formation energies, for any number of elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull

from aiida_mtp.core._arrays import chunks
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.compositions import distinct_compositions, lowest_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.structures import StructureBatch

STABLE = 1e-9  # eV/atom: nearer to the hull than this is on it; rounding is 1e-15
PLANE = 1e-10  # eV/atom: nothing nearer below the plane of the elements can be a vertex
REFERENCE = -1  # the vertex row of an element whose energy was given, not found in the set


@dataclass(frozen=True)
class Hull:
    """The lower convex hull of a set of phases.

    Parameters
    ----------
    species
        The elements, in the order of all arrays.
    references
        shape (n_species,): energies that formation energies are counted from, eV/atom.
    vertices
        shape (n_vertices, n_species): mole fractions of the phases the hull rests on.
    vertex_energies
        shape (n_vertices,): their formation energies, eV/atom.
    vertex_rows
        shape (n_vertices,): their rows in the set the hull was made from, `REFERENCE` for a
        reference energy that was given.
    facets
        shape (n_facets, n_species): the vertices of each facet.
    potentials
        shape (n_facets, n_species): chemical potentials of the elements where the phases of a facet
        coexist, relative to `references`, eV.

    Notes
    -----
    As mole fractions x add up to one, the plane of a facet is μ · x with the chemical potentials μ
    for its coefficients, and the hull is E(x) = max over the facets of μ · x.
    """

    species: tuple[str, ...]
    references: Floats
    vertices: Floats
    vertex_energies: Floats
    vertex_rows: Ints
    facets: Ints
    potentials: Floats

    def energies_at(self, fractions: Floats) -> Floats:
        """Return the formation energy of the hull at these mole fractions, eV/atom.

        Parameters
        ----------
        fractions
            shape (n, n_species).
        """
        energies = np.empty(len(fractions))
        for part in chunks(len(fractions), max(1, 4_000_000 // len(self.potentials))):
            energies[part] = (fractions[part] @ self.potentials.T).max(axis=1)
        return energies

    def formation_energies(self, batch: StructureBatch) -> Floats:
        """Return the formation energies of structures, shape (n_structures,), eV/atom."""
        counts = batch.with_species(self.species).compositions
        energies: Floats = (batch.energies - counts @ self.references) / batch.n_atoms
        return energies

    def distances(self, batch: StructureBatch) -> Floats:
        """Return how far structures lie above the hull, shape (n_structures,), eV/atom.

        Negative for a structure that is not in the set of the hull and lies below it.
        """
        counts = batch.with_species(self.species).compositions
        compositions, composition_of = distinct_compositions(counts)
        hull = self.energies_at(_fractions(compositions))
        distances: Floats = self.formation_energies(batch) - hull[composition_of]
        return distances

    def decomposition(self, fractions: Floats) -> list[tuple[int, float]]:
        """Return the phases that are stable at a composition.

        Parameters
        ----------
        fractions
            shape (n_species,): mole fractions.

        Returns
        -------
        list
            Vertices of the hull, each with its share of the atoms; the shares add up to one.
        """
        planes = self.potentials @ fractions
        best: tuple[float, list[tuple[int, float]]] = (-np.inf, [])
        # coplanar facets: only the one the composition lies within has no negative share
        for facet in self.facets[planes >= planes.max() - STABLE]:
            shares, *_ = np.linalg.lstsq(self.vertices[facet].T, fractions, rcond=None)
            error = float(np.abs(shares @ self.vertices[facet] - fractions).max())
            fit = float(shares.min()) - error
            if fit > best[0]:
                best = (fit, [(int(v), float(s)) for v, s in zip(facet, shares, strict=True)])
        parts = [(vertex, share) for vertex, share in best[1] if share > STABLE]
        total = sum(share for _, share in parts)
        return [(vertex, share / total) for vertex, share in parts]


@dataclass(frozen=True)
class HullOfSet:
    """A hull and what it says of the structures it was made from.

    Parameters
    ----------
    hull
        The hull.
    formation_energies, e_above_hull
        shape (n_structures,): eV/atom; NaN where there is no energy.
    stable
        Rows of the phases on the hull, the lowest of each composition, ordered by composition.
    """

    hull: Hull
    formation_energies: Floats
    e_above_hull: Floats
    stable: Ints


def hull_of(batch: StructureBatch, references: Mapping[str, float] | None = None) -> HullOfSet:
    """Build the hull of a set of structures.

    Parameters
    ----------
    batch
        Structures with energies; those without one (NaN) take no part.
    references
        Energies per atom of elements, eV, by symbol. For all others it is the lowest energy of the
        pure element in the set.

    Raises
    ------
    InputError
        If there is neither a structure nor a reference energy of an element that occurs.

    Notes
    -----
    Energies are compared within integer compositions and only the lowest of each goes to Qhull, so
    that 400 000 structures take a fraction of a second.
    """
    given = dict(references or {})
    present = {batch.species[index] for index in np.unique(batch.types)}
    species = tuple(symbol for symbol in batch.species if symbol in present | given.keys())
    counts = batch.with_species(species).compositions
    hull, rows = _hull_and_lowest(species, counts, batch.energies_per_atom, given)
    formation_energies = hull.formation_energies(batch)
    e_above_hull = np.maximum(hull.distances(batch), 0.0)  # below it only by rounding
    e_above_hull[hull.vertex_rows[hull.vertex_rows != REFERENCE]] = 0.0
    return HullOfSet(hull, formation_energies, e_above_hull, rows[e_above_hull[rows] < STABLE])


def hull_of_energies(
    species: tuple[str, ...],
    counts: Ints,
    energies: Floats,
    references: Mapping[str, float] | None = None,
) -> Hull:
    """Build the hull of compositions and energies alone, as databases list them.

    Parameters
    ----------
    counts
        shape (n, n_species): atoms of each element.
    energies
        shape (n,): eV/atom; NaN takes no part.
    references
        As for `hull_of`.

    Raises
    ------
    InputError
        If there is no energy of an element.
    """
    hull, _ = _hull_and_lowest(species, counts, energies, dict(references or {}))
    return hull


def _hull_and_lowest(
    species: tuple[str, ...], counts: Ints, energies: Floats, given: Mapping[str, float]
) -> tuple[Hull, Ints]:
    """Return the hull, and the row of the lowest energy of each composition."""
    compositions, composition_of = distinct_compositions(counts)
    lowest = lowest_rows(composition_of, energies, len(compositions))
    counted = lowest >= 0
    compositions, rows = compositions[counted], lowest[counted]
    zero = _references(species, compositions, energies[rows], given)
    formation = energies[rows] - _fractions(compositions) @ zero
    return _lower_hull(species, zero, compositions, formation, rows, set(given)), rows


def _fractions(compositions: Ints) -> Floats:
    fractions: Floats = compositions / compositions.sum(axis=1, keepdims=True)
    return fractions


def _references(
    species: tuple[str, ...], compositions: Ints, energies: Floats, given: Mapping[str, float]
) -> Floats:
    """Return the reference energy of each element."""
    pure = {
        species[int(np.argmax(composition))]: float(energy)
        for composition, energy in zip(compositions, energies, strict=True)
        if np.count_nonzero(composition) == 1
    }
    known = {**pure, **given}
    missing = [symbol for symbol in species if not np.isfinite(known.get(symbol, np.nan))]
    if missing:
        names = ', '.join(missing)
        raise InputError(
            f'no reference energy of {names}: add a structure of the pure element with an energy'
        )
    return np.array([known[symbol] for symbol in species])


def _lower_hull(
    species: tuple[str, ...],
    references: Floats,
    compositions: Ints,
    energies: Floats,
    rows: Ints,
    given: set[str],
) -> Hull:
    """Build the hull of the lowest structure of each composition.

    Parameters
    ----------
    compositions
        shape (n, n_species): atoms of each element.
    energies
        shape (n,): formation energies, eV/atom.
    rows
        shape (n,): rows of the structures.
    given
        Elements whose reference energy is a phase of its own.
    """
    n_species = len(species)
    corners = np.zeros(n_species)
    corner_rows = np.full(n_species, REFERENCE, dtype=np.int64)
    for index in np.flatnonzero(np.count_nonzero(compositions, axis=1) == 1):
        column = int(np.argmax(compositions[index]))
        if species[column] not in given or energies[index] <= 0.0:
            corners[column], corner_rows[column] = energies[index], rows[index]
    # below the plane of the elements, which is the hull of a system without compounds
    depth = energies - _fractions(compositions) @ corners
    deep = np.flatnonzero(depth < -PLANE)
    points = np.concatenate([np.eye(n_species, dtype=np.int64), compositions[deep]])
    depths = np.concatenate([np.zeros(n_species), depth[deep]])
    facets, potentials = _lower_facets(points, depths)
    used, facets = np.unique(facets, return_inverse=True)
    fractions = _fractions(points[used])
    return Hull(
        species=species,
        references=references,
        vertices=fractions,
        vertex_energies=depths[used] + fractions @ corners,
        vertex_rows=np.concatenate([corner_rows, rows[deep]])[used],
        facets=facets.reshape(-1, n_species),
        potentials=potentials + corners,
    )


def _lower_facets(compositions: Ints, depths: Floats) -> tuple[Ints, Floats]:
    """Return the facets that face down, and their chemical potentials.

    Parameters
    ----------
    compositions
        shape (n, n_species): atoms of each element; the first n_species rows are the elements.
    depths
        shape (n,): energies, 0 for the elements and negative for all others, eV/atom.

    Notes
    -----
    The walls of the hull, over the edges of the composition simplex, have normals whose energy
    component is 0 ± rounding. Their vertices lack an element, so that the determinant of their
    integer compositions vanishes, while that of any facet facing down is at least one.
    """
    n_species = compositions.shape[1]
    if len(compositions) == n_species or n_species == 1:
        return np.arange(n_species)[None, :], np.zeros((1, n_species))
    scale = -float(depths.min())
    qhull = ConvexHull(np.column_stack([_fractions(compositions)[:, 1:], depths / scale]))
    upright = np.abs(np.linalg.det(compositions[qhull.simplices].astype(float))) < 0.5
    down = (qhull.equations[:, -2] < 0.0) & ~upright
    normals, offset = qhull.equations[down, :-1], qhull.equations[down, -1]
    at_corners = offset[:, None] + np.pad(normals[:, :-1], ((0, 0), (1, 0)))
    return qhull.simplices[down], -scale * at_corners / normals[:, -1:]
