"""Numbers that are equal for equal crystals, whatever their cells look like."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core._arrays import chunks

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints, Types
    from aiida_mtp.core.structures import StructureBatch

NEIGHBORS = 150  # 60 confuse real orderings of six-atom cells (test_duplicates.py)
RANGES = (2.2, 2.6)  # of the tensors; longer ones change more under noise than between crystals
TENSOR_UNIT = 0.25  # makes the rounding of a relaxation as small in tensors as in distances
MOST_IMAGES = 6  # of a cell along a vector, and back; only a degenerate cell needs more
CHUNK = 500_000  # distances held at once


def fingerprints(batch: StructureBatch, n_neighbors: int = NEIGHBORS) -> Floats:
    """Return numbers that tell crystals of one composition apart.

    They do not depend on the choice of the cell, nor on how often it is repeated, and are the same
    for mirror images.

    Parameters
    ----------
    batch
        Structures of one composition (multiples of a formula unit included).
    n_neighbors
        Neighbours of all species together that are looked at.

    Returns
    -------
    array
        shape (n_structures, n_numbers): dimensionless. NaN for a cell so flat that its neighbours
        cannot be found.

    Notes
    -----
    With the cube root of the volume per atom for unit of length, two kinds of numbers:

    - for each ordered pair of species, the distance from an atom of the first to its nearest
      neighbour of the second, its second nearest, …, averaged over the atoms of the first: the
      average minimum distances of Widdowson et al., MATCH 87, 529 (2022), resolved by species;
    - for three species a, b, c: asinh of the average over the atoms i of a of
      Σ_j∈b w(r_ij) T_i : T_j, with T_i = Σ_k∈c w(r_ik) (u uᵀ − 1/3) and w(r) = (1 − r²/R²)².

    Distances alone do not suffice: the orderings L1_1 and D4 of fcc, among others, have the same
    pair correlations at all distances and the same neighbours around every atom. How the
    environments of neighbours are turned against each other, a four-body quantity, is different.
    The authors' package is not used because importing it loads numba.
    """
    environment = _Environment.of(batch, n_neighbors)
    order = np.lexsort((batch.types, batch.structure_of_atom))
    types, positions = batch.types[order], batch.positions[order]
    unit = np.cbrt(np.abs(np.linalg.det(batch.cells)) / batch.n_atoms)
    usable = np.flatnonzero(np.isfinite(unit) & (unit > 0))
    reach = np.full(len(batch), 1.2 * np.cbrt(0.75 / np.pi * n_neighbors))  # grows where needed
    cells = _compact(batch.cells[usable] / unit[usable, None, None], float(reach.max(initial=0)))
    values = np.full((len(batch), environment.n_numbers), np.nan)
    todo = np.arange(len(usable))
    while len(todo):
        images = _images(cells[todo], reach[todo])
        near = (images <= MOST_IMAGES).all(axis=1)
        todo, images = todo[near], images[near]
        kinds = np.column_stack([batch.n_atoms[usable[todo]], images])
        incomplete = [todo[:0]]
        for members in _equal_rows(kinds):
            n_atoms, *n_images = kinds[members[0]].tolist()
            size = n_atoms**2 * int(np.prod(2 * np.array(n_images) + 1))
            for part in chunks(len(members), max(1, CHUNK // size)):
                some = todo[members[part]]
                rows = usable[some]
                atoms = batch.first_atom[rows, None] + np.arange(n_atoms)
                found, farthest = environment.describe(
                    positions[atoms] / unit[rows, None, None],
                    cells[some],
                    types[atoms[0]],
                    n_images,
                )
                enough = farthest <= reach[some]
                values[rows[enough]] = found[enough]
                incomplete.append(some[~enough])
        todo = np.concatenate(incomplete)
        reach[todo] *= 1.4
    return values


@dataclass(frozen=True)
class _Environment:
    """What is looked at around an atom.

    Parameters
    ----------
    shares
        shape (n_present,): neighbours of each species that occurs.
    """

    shares: Ints

    @classmethod
    def of(cls, batch: StructureBatch, n_neighbors: int) -> _Environment:
        """Share the neighbours out among the species of a composition."""
        counts = batch.compositions[:1].sum(axis=0)
        present = counts[counts > 0]
        return cls(
            np.maximum(1, np.rint(n_neighbors * present / max(counts.sum(), 1))).astype(np.int64)
        )

    @property
    def n_numbers(self) -> int:
        """How many numbers describe a structure."""
        n_present = len(self.shares)
        return n_present * int(self.shares.sum()) + len(RANGES) * n_present**3

    def describe(
        self, positions: Floats, cells: Floats, types: Types, n_images: list[int]
    ) -> tuple[Floats, Floats]:
        """Return the numbers of structures with the same atoms in the same order.

        Parameters
        ----------
        positions, cells
            shape (n_structures, n_atoms, 3) and (n_structures, 3, 3): volume 1 per atom.
        types
            shape (n_atoms,): in ascending order.
        n_images
            Images of the cell looked at along each vector, in both directions.

        Returns
        -------
        numbers
            shape (n_structures, n_numbers).
        farthest
            shape (n_structures,): the distance of the farthest neighbour that was needed.
        """
        edges = [*np.flatnonzero(np.diff(types, prepend=-1)).tolist(), len(types)]
        blocks = [slice(a, b) for a, b in pairwise(edges)]
        vectors = _vectors(positions, cells, n_images)
        distances = np.sqrt(np.einsum('...x,...x', vectors, vectors))
        averages, farthest = self._averages(distances, blocks)
        vectors /= np.where(distances > 0.0, distances, 1.0)[..., None]
        turns = [_turns(vectors, distances, blocks, length) for length in RANGES]
        return np.concatenate([averages, *turns], axis=1), farthest

    def _averages(self, distances: Floats, blocks: list[slice]) -> tuple[Floats, Floats]:
        """Return the average distances to the neighbours of each species."""
        n = len(distances)
        averages, farthest = [], np.zeros(n)
        for i, centres in enumerate(blocks):
            for j, neighbors in enumerate(blocks):
                near = distances[:, centres, neighbors].reshape(n, centres.stop - centres.start, -1)
                itself = int(i == j)
                count = int(self.shares[j]) + itself
                if near.shape[2] < count:
                    missing = np.full((*near.shape[:2], count - near.shape[2]), np.inf)
                    near = np.concatenate([near, missing], axis=2)
                near = np.sort(np.partition(near, count - 1, axis=2)[:, :, :count], axis=2)
                farthest = np.maximum(farthest, near[:, :, -1].max(axis=1))
                averages.append(near[:, :, itself:].mean(axis=1))
        return np.concatenate(averages, axis=1), farthest


def _turns(units: Floats, distances: Floats, blocks: list[slice], length: float) -> Floats:
    """Return how the environments of neighbours are turned against each other.

    Parameters
    ----------
    units
        shape (n_structures, n_atoms, n_atoms, n_images, 3): directions, 0 for an atom to itself.
    distances
        shape (n_structures, n_atoms, n_atoms, n_images).
    blocks
        Atoms of each species.
    length
        Range of the weights.
    """
    n, n_atoms = distances.shape[:2]
    weights = np.maximum(0.0, 1.0 - (distances / length) ** 2) ** 2
    weights[distances == 0.0] = 0.0
    between = weights.sum(axis=3)
    turns = []
    for neighbors in blocks:
        u = units[:, :, neighbors].reshape(n, n_atoms, -1, 3)
        w = weights[:, :, neighbors].reshape(n, n_atoms, -1, 1)
        tensors = np.matmul((w * u).swapaxes(2, 3), u)
        tensors -= np.eye(3) / 3.0 * w.sum(axis=2)[..., None]
        flat = tensors.reshape(n, n_atoms, 9)
        products = between * np.matmul(flat, flat.swapaxes(1, 2))
        turns += [
            products[:, a, b].sum(axis=(1, 2)) / (a.stop - a.start) for a in blocks for b in blocks
        ]
    numbers: Floats = TENSOR_UNIT * np.arcsinh(np.stack(turns, axis=1))
    return numbers


def _vectors(positions: Floats, cells: Floats, n_images: list[int]) -> Floats:
    """Return all vectors, shape (n_structures, n_atoms, n_atoms, n_images, 3)."""
    scaled = positions @ np.linalg.inv(cells)
    between = scaled[:, None] - scaled[:, :, None]
    between -= np.rint(between)
    axes = [np.arange(-n, n + 1) for n in n_images]
    grid = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1).reshape(-1, 3)
    vectors: Floats = (between[:, :, :, None] + grid) @ cells[:, None, None]
    return vectors


def _images(cells: Floats, reach: Floats | float) -> Ints:
    """Return how many images along each vector a sphere around any atom needs, shape (n, 3)."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cells), axis=1)  # between the lattice planes
    images: Ints = np.minimum(np.reshape(reach, (-1, 1)) / heights + 0.5, 1e6).astype(np.int64)
    return images


def _compact(cells: Floats, reach: float) -> Floats:
    """Return cells of the same lattices, those that need many images reduced."""
    from ase.geometry import minkowski_reduce

    cells = cells.copy()
    for row in np.flatnonzero((_images(cells, reach) > MOST_IMAGES // 2).any(axis=1)):
        cells[row] = minkowski_reduce(cells[row])[0]  # type: ignore[no-untyped-call]
    return cells


def _equal_rows(kinds: Ints) -> list[Ints]:
    """Return the indices of equal rows, group by group."""
    _, kind_of = np.unique(kinds, axis=0, return_inverse=True)
    order = np.argsort(kind_of.reshape(-1), kind='stable')
    edges = np.flatnonzero(np.diff(kind_of.reshape(-1)[order])) + 1
    return np.split(order, edges) if len(kinds) else []
