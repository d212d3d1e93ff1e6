"""Which moments a potential multiplies: the basis of each level, generated.

The level of the moment M_{μ,ν} is 2 + 4μ + ν. A scalar is a way to contract the indices of up to
four moments completely: a multigraph without loops whose vertices are moments, whose vertex degree
is ν, and whose edges are contracted pairs. Its level is the sum of the levels of its vertices, and
a potential has all scalars up to its own.

A tensor that is contracted only in part is a graph with free indices, and its component has for
each vertex the powers (a, b, c) of its free x, y, z indices. Components are named by the smallest
of the names that permuted vertices give them, so each is computed once.

Source: Shapeev, Multiscale Model. Simul. 14, 1153 (2016), Section 3; level and limits as in MLIP.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations, product
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida_mtp.core._typing import Ints

MAX_MOMENTS = 4  # factors of a product
MAX_MU = 5
MAX_NU = 10
MAX_LEVEL = 28
MAX_INDEX = 64  # of μ and powers in any file; larger ones are damage

Powers = tuple[int, int, int]
Vertex = tuple[int, int, Powers]  # μ, ν, powers of the free indices
Component = tuple[tuple[Vertex, ...], tuple[tuple[int, ...], ...]]  # vertices, edges between them


@dataclass(frozen=True, eq=False)
class MtpTables:
    """The products that make the basis functions of a potential out of its basic moments.

    Parameters
    ----------
    alpha_index_basic
        shape (n_basic, 4): μ and the powers of x, y, z of each basic moment.
    alpha_index_times
        shape (n_times, 4): for (a, b, m, d), M_d += m · M_a · M_b, in this order.
    alpha_moment_mapping
        shape (n_scalar,): the moments that are basis functions.
    n_moments
        Number of moments, basic ones first.
    level
        0 if it is not one of the generated bases.
    """

    alpha_index_basic: Ints
    alpha_index_times: Ints
    alpha_moment_mapping: Ints
    n_moments: int
    level: int = 0

    def __post_init__(self) -> None:
        """Refuse a table that names what is not there or reads what it has not yet computed."""
        basic, times = self.alpha_index_basic, self.alpha_index_times
        n_basic = len(basic)
        if not n_basic or basic.min() < 0 or basic.max() > MAX_INDEX:
            raise ValueError(f'alpha_index_basic has numbers outside 0 … {MAX_INDEX}')
        if len({tuple(row) for row in basic.tolist()}) < n_basic:
            raise ValueError('alpha_index_basic names a moment twice')
        if not n_basic <= self.n_moments <= n_basic + len(times):
            raise ValueError(f'alpha_moments_count {self.n_moments} does not fit the tables')
        for name, moments, first in (
            ('alpha_index_times', times[:, :2], 0),
            ('alpha_index_times', times[:, 3], n_basic),
            ('alpha_moment_mapping', self.alpha_moment_mapping, 0),
        ):
            if moments.size and not first <= moments.min() <= moments.max() < self.n_moments:
                raise ValueError(f'{name} names a moment that does not exist')
        if len(np.unique(times[:, 3])) < self.n_moments - n_basic:
            raise ValueError('alpha_index_times does not compute every moment')
        last_written = np.full(self.n_moments, -1)
        last_written[times[:, 3]] = np.arange(len(times))
        if (last_written[times[:, :2]] >= np.arange(len(times))[:, None]).any():
            raise ValueError('alpha_index_times uses a moment before it is complete')

    @property
    def n_radial(self) -> int:
        """Number of radial functions."""
        return int(self.alpha_index_basic[:, 0].max()) + 1

    @property
    def n_scalar(self) -> int:
        """Number of basis functions."""
        return len(self.alpha_moment_mapping)


@cache
def make_tables(level: int) -> MtpTables:
    """Return the basis of a level.

    Raises
    ------
    InputError
        If `level` is not an even number from 2 to 28.
    """
    if level not in range(2, MAX_LEVEL + 1, 2):
        raise InputError(f'level must be an even number from 2 to {MAX_LEVEL}, not {level}')
    builder = _TableBuilder(level)
    mapping = [builder.index_of(scalar) for scalar in _scalars(level)]
    return MtpTables(
        alpha_index_basic=np.array(builder.basics, dtype=np.int64),
        alpha_index_times=np.array(builder.times, dtype=np.int64).reshape(-1, 4),
        alpha_moment_mapping=np.array(mapping, dtype=np.int64),
        n_moments=builder.n_moments,
        level=level,
    )


def level_of(n_basic: int, n_scalar: int) -> int:
    """Return the level of the generated basis with these counts, 0 if there is none."""
    for level in range(2, MAX_LEVEL + 1, 2):
        if len(_basics(level)) == n_basic:
            if level > 20:  # counting the scalars of higher levels takes long
                return level
            if len(_scalars(level)) == n_scalar:
                return level
    return 0


def _monomials(rank: int) -> list[Powers]:
    return [(a, b, rank - a - b) for a in range(rank, -1, -1) for b in range(rank - a, -1, -1)]


def _basics(level: int) -> list[tuple[int, int, int, int]]:
    """Return (μ, a, b, c) of all basic moments a potential of this level may need."""
    found = []
    for mu in range(min(MAX_MU, (level - 2) // 4) + 1):
        max_nu = min(MAX_NU, max(0, level // 2 - 2 - 2 * mu))
        found += [(mu, *powers) for nu in range(max_nu + 1) for powers in _monomials(nu)]
    return found


@cache
def _scalars(level: int) -> list[Component]:
    """Return all complete contractions, by level, then by number of moments."""
    kinds = [
        (2 + 4 * mu + nu, mu, nu)
        for mu in range(MAX_MU + 1)
        for nu in range(MAX_NU + 1)
        if 2 + 4 * mu + nu <= level
    ]
    found: dict[Component, tuple[int, int]] = {}
    for vertices in _multisets(sorted(kinds), level, MAX_MOMENTS):
        total = sum(vertex[0] for vertex in vertices)
        free = tuple((mu, nu, (0, 0, 0)) for _, mu, nu in vertices)
        for edges in _multigraphs([nu for _, _, nu in vertices]):
            found.setdefault(_canonical((free, edges)), (total, len(vertices)))
    return sorted(found, key=lambda scalar: (found[scalar], scalar))


def _multisets(
    kinds: list[tuple[int, int, int]], level: int, size: int
) -> Iterator[tuple[tuple[int, int, int], ...]]:
    """Yield the non-empty multisets of moments whose levels add up to at most `level`."""
    for position, kind in enumerate(kinds):
        if kind[0] > level:
            break
        yield (kind,)
        if size > 1:
            for rest in _multisets(kinds[position:], level - kind[0], size - 1):
                yield (kind, *rest)


def _multigraphs(degrees: list[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield the symmetric matrices with zero diagonal and these row sums."""
    n = len(degrees)
    pairs = list(combinations(range(n), 2))

    def fill(position: int, left: list[int], matrix: list[list[int]]) -> Iterator[object]:
        if position == len(pairs):
            if not any(left):
                yield None
            return
        i, j = pairs[position]
        last_of_i = j == n - 1  # the row must be full after its last pair
        lowest = left[i] if last_of_i else 0
        for edges in range(lowest, min(left[i], left[j]) + 1):
            matrix[i][j] = matrix[j][i] = edges
            left[i] -= edges
            left[j] -= edges
            yield from fill(position + 1, left, matrix)
            left[i] += edges
            left[j] += edges
        matrix[i][j] = matrix[j][i] = 0

    matrix = [[0] * n for _ in range(n)]
    for _ in fill(0, list(degrees), matrix):
        yield tuple(tuple(row) for row in matrix)


def _canonical(component: Component) -> Component:
    """Return the smallest name that a permutation of the vertices gives."""
    vertices, edges = component
    ordered = tuple(sorted(vertices))
    orders = (
        order
        for order in permutations(range(len(vertices)))
        if all(vertices[i] == vertex for i, vertex in zip(order, ordered, strict=True))
    )
    return ordered, min(tuple(tuple(edges[i][j] for j in order) for i in order) for order in orders)


class _TableBuilder:
    """Computes components from products of smaller ones, each once."""

    def __init__(self, level: int) -> None:
        self.basics = _basics(level)
        self.times: list[tuple[int, int, int, int]] = []
        self.n_moments = len(self.basics)
        self._index: dict[Component, int] = {
            (((mu, sum(powers), powers),), ((0,),)): index
            for index, (mu, *rest) in enumerate(self.basics)
            for powers in [(rest[0], rest[1], rest[2])]
        }

    def index_of(self, component: Component) -> int:
        """Return the moment that holds a component, after adding what computes it."""
        component = _canonical(component)
        if component in self._index:
            return self._index[component]
        products = self._products(component)
        index = self.n_moments
        self.n_moments += 1
        self._index[component] = index
        self.times += [(a, b, factor, index) for (a, b), factor in sorted(products.items())]
        return index

    def _products(self, component: Component) -> dict[tuple[int, int], int]:
        """Return the products of two moments, with factors, that add up to a component."""
        vertices, edges = component
        left, right = _split(edges)
        bridges = [(i, j, edges[i][j]) for i in left for j in right if edges[i][j]]
        products: dict[tuple[int, int], int] = {}
        for directions in product(*(_monomials(multiplicity) for _, _, multiplicity in bridges)):
            powers = [list(vertex[2]) for vertex in vertices]
            factor = 1
            for (i, j, multiplicity), along in zip(bridges, directions, strict=True):
                factor *= factorial(multiplicity)
                for axis, times in enumerate(along):
                    factor //= factorial(times)
                    powers[i][axis] += times
                    powers[j][axis] += times
            pair = sorted(
                self.index_of(_part(vertices, edges, side, powers)) for side in (left, right)
            )
            key = (pair[0], pair[1])
            products[key] = products.get(key, 0) + factor
        return products


def _part(
    vertices: tuple[Vertex, ...],
    edges: tuple[tuple[int, ...], ...],
    side: tuple[int, ...],
    powers: list[list[int]],
) -> Component:
    """Return one side of a cut, its cut edges made free indices."""
    kept = tuple(
        (vertices[i][0], vertices[i][1], (powers[i][0], powers[i][1], powers[i][2])) for i in side
    )
    return kept, tuple(tuple(edges[i][j] for j in side) for i in side)


def _split(edges: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the cut with the fewest terms; of equal ones the most balanced."""
    n = len(edges)

    def cost(left: tuple[int, ...]) -> tuple[int, int]:
        bridges = [edges[i][j] for i in left for j in range(n) if j not in left]
        return prod((m + 1) * (m + 2) // 2 for m in bridges), -len(left)

    cuts = (left for size in range(1, n // 2 + 1) for left in combinations(range(n), size))
    best = min(cuts, key=cost)
    return best, tuple(i for i in range(n) if i not in best)
