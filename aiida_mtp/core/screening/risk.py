"""How wrong predicted energies are, and how many structures that lie lower are to be feared."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiida_mtp.core._typing import Bools, Floats, Ints

CONFIDENCE = 0.95
# The grid on which the width of the errors, in units of the one expected, how it grows from one end
# to the other, and the weight of their tails are known: a Student t distribution with 4 degrees of
# freedom has fat ones, 60 nearly none.
_SCALES = np.geomspace(0.1, 10.0, 31)
_GROWTHS = np.geomspace(1.0 / 16.0, 16.0, 7)
_DEGREES = np.array([4.0, 6.0, 9.0, 15.0, 60.0])
_SPREAD = 1.0  # of the logarithms of width and growth, before anything is known of them
_BINS = 500
_UNLIKELY = 1e-6


@dataclass(frozen=True)
class ErrorModel:
    """What is known of the distribution of errors: Student t, of uncertain width and tails.

    The width may differ from structure to structure, as a power of its growth whose exponent is the
    place of the structure.

    Parameters
    ----------
    scales
        shape (n,): widths of those that were met, in the mean of their places, eV/atom.
    growths
        shape (n,): of the width, from place 0 to place 1.
    degrees
        shape (n,): degrees of freedom.
    weights
        shape (n,): how probable each of them is; they add up to one.
    middle
        The mean of those places.
    """

    scales: Floats
    growths: Floats
    degrees: Floats
    weights: Floats
    middle: float = 0.0

    @property
    def scale(self) -> float:
        """Width of those that were met, eV/atom."""
        return float(self.weights @ self.scales)

    @property
    def growth(self) -> float:
        """Its growth to be expected."""
        return float(np.exp(self.weights @ np.log(self.growths)))

    def exceed(self, margins: Floats, places: Floats | None = None) -> Floats:
        """Return how probable an error larger than each margin is.

        Parameters
        ----------
        margins
            shape (n,): eV/atom; of NaN the probability is 0.
        places
            shape (n,): of the structures; by default all in the middle.
        """
        probabilities = np.zeros(len(margins))
        known = ~np.isnan(margins)
        for own, scaled in self.in_the_middle(margins[known], _at(places, known)):
            # a table and a line between its points: it is smooth, and there may be 400 000
            table = _table(scaled)
            tails = self._tails(table, own) @ self.weights[own]
            probabilities[known] += np.interp(scaled, table, tails)
        return probabilities

    def expect(self, margins: Floats, places: Floats | None = None) -> Floats:
        """Return how many errors are to be expected beyond their margins, shape (n,).

        Parameters
        ----------
        margins
            shape (n_margins,): eV/atom; NaN are left out.
        places
            shape (n_margins,): of the structures; by default all in the middle.
        """
        expected = np.zeros(len(self.scales))
        known = ~np.isnan(margins)
        for own, scaled in self.in_the_middle(margins[known], _at(places, known)):
            table = _table(scaled)
            counts = np.histogram(scaled, np.append(table, np.inf))[0]
            expected[own] = counts @ self._tails(table, own)
        return expected

    def in_the_middle(self, errors: Floats, places: Floats | None) -> Iterator[tuple[Ints, Floats]]:
        """Yield, for each growth, who has it and the errors as they would be in the middle."""
        where = 0.0 if places is None else places - self.middle
        for growth in np.unique(self.growths) if len(errors) else ():
            yield np.flatnonzero(self.growths == growth), errors / growth**where

    def _tails(self, margins: Floats, own: Ints) -> Floats:
        """Return the probability of a larger error, shape (n_margins, n_own)."""
        scaled = margins[:, None] / self.scales[own]
        return np.asarray(stats.t.sf(scaled, self.degrees[own]), dtype=float)


def _at(places: Floats | None, rows: Bools) -> Floats | None:
    return None if places is None else places[rows]


def fewest(
    parts: Sequence[tuple[ErrorModel, *tuple[Floats, ...]]],
    others: float = 0.0,
    confidence: float = CONFIDENCE,
) -> int:
    """Return the number that, with confidence, no more errors than this exceed their margins.

    Parameters
    ----------
    parts
        The model of errors, and their margins (eV/atom) with, if need be, their places.
    others
        Number of further events to be expected, independent of these.

    Notes
    -----
    The number of rare events is Poisson distributed; how many are to be expected is uncertain as
    the width and the tails of each model are.
    """
    expected, weights = np.array([others]), np.ones(1)
    for model, *margins in parts:
        expected = np.add.outer(expected, model.expect(*margins)).ravel()
        weights = np.multiply.outer(weights, model.weights).ravel()
        likely = weights > _UNLIKELY * weights.max()
        expected, weights = expected[likely], weights[likely]

    def is_enough(number: int) -> bool:
        return bool(weights @ stats.poisson.cdf(number, expected) >= confidence * weights.sum())

    largest = 1
    while not is_enough(largest):
        largest *= 2
    return bisect.bisect_left(range(largest), x=True, key=is_enough)


def fit_errors(errors: Floats, expected: float, places: Floats | None = None) -> ErrorModel:
    """Return what errors that were met tell of those to come.

    Parameters
    ----------
    errors
        shape (n,): eV/atom, about zero.
    expected
        Width that is thought likely beforehand, eV/atom.
    places
        shape (n,): of the structures, from 0 to 1; by default one width is that of all.

    Notes
    -----
    The posterior of width, growth and tails on a grid: log-normal priors of width and growth, all
    tails alike. With few errors it is broad, and so are the tails of what is predicted from it.
    """
    growths = np.ones(1) if places is None else _GROWTHS
    scale, growth, degree = (
        grid.ravel() for grid in np.meshgrid(expected * _SCALES, growths, _DEGREES)
    )
    prior = stats.norm.logpdf(np.log([scale / expected, growth]), scale=_SPREAD).sum(axis=0)
    middle = 0.0 if places is None or not len(places) else float(places.mean())
    begin = ErrorModel(scale, growth, degree, np.ones(len(scale)) / len(scale), middle)
    logarithm = prior - len(errors) * np.log(scale)  # the growths cancel: it is the mean place
    for own, scaled in begin.in_the_middle(errors, places):
        logarithm[own] += _log_densities(scaled[:, None] / scale[own], degree[own]).sum(axis=0)
    weights = np.exp(logarithm - logarithm.max())
    likely = weights > _UNLIKELY  # a few of the grid, once there are answers
    weights = weights[likely] / weights[likely].sum()
    return ErrorModel(scale[likely], growth[likely], degree[likely], weights, middle)


def _log_densities(values: Floats, degrees: Floats) -> Floats:
    """Return those of Student's t; SciPy's take five times as long."""
    norm = special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2)
    norm -= 0.5 * np.log(np.pi * degrees)
    densities: Floats = norm - (degrees + 1) / 2 * np.log1p(values**2 / degrees)
    return densities


def composition_shift(errors: Floats, fractions: Floats, expected: float) -> tuple[Floats, Floats]:
    """Return the part of errors that is linear in composition, and what is left of each error.

    Parameters
    ----------
    errors
        shape (n,): eV/atom.
    fractions
        shape (n, n_species): mole fractions.
    expected
        How large it and what is left are thought to be, eV/atom: where little is known, little is
        shifted.

    Returns
    -------
    shift
        shape (n_species,): eV/atom.
    left
        shape (n,): each error less what the others say of it. What the fit leaves of them is less
        than it would leave of a structure it has not seen, by far if it has seen a few.
    """
    n_species = fractions.shape[1]
    design = np.concatenate([fractions, np.eye(n_species)]) / expected
    target = np.concatenate([errors, np.zeros(n_species)]) / expected
    # beyond the expected an error counts linearly: one out of proportion does not turn the others
    fit = optimize.least_squares(
        lambda shift: design @ shift - target, np.zeros(n_species), lambda _: design, loss='soft_l1'
    )
    shift = np.asarray(fit.x, dtype=np.float64)
    leverage = np.einsum('ij,ji->i', design, np.linalg.pinv(design))[: len(errors)]
    return shift, (errors - fractions @ shift) / (1.0 - leverage)


def share_bound(found: int, looked_at: int, confidence: float = CONFIDENCE) -> float:
    """Return the largest share of all that a random sample leaves possible, with confidence.

    Clopper and Pearson, one-sided: nothing is assumed of the errors.

    Parameters
    ----------
    found
        How many of the sample were of the kind in question.
    looked_at
        Size of the sample.
    """
    if found >= looked_at:
        return 1.0
    return float(stats.beta.ppf(confidence, found + 1, looked_at - found))


def _table(margins: Floats) -> Floats:
    """Return points, narrow about zero and wide far from it, that begin below all margins."""
    if not len(margins):
        return np.zeros(1)
    low, high = np.arcsinh(1e3 * np.array([margins.min(), margins.max()]))
    points = np.sinh(np.linspace(low, high, _BINS)) / 1e3
    table: Floats = np.unique(np.append(np.maximum(points, margins.min()), margins.min()))
    return table
