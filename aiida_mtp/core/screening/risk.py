"""How wrong predicted energies are, and how many structures that lie lower are to be feared."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats

CONFIDENCE = 0.95
# The grid on which the width of the errors, in units of the one expected, and the weight of their
# tails are known: a Student t distribution with 4 degrees of freedom has fat ones, 60 nearly none.
_SCALES = np.geomspace(0.1, 10.0, 31)
_DEGREES = np.array([4.0, 6.0, 9.0, 15.0, 60.0])
_SPREAD = 1.0  # of the logarithm of the width, before anything is known of it
_BINS = 500
_UNLIKELY = 1e-6


@dataclass(frozen=True)
class ErrorModel:
    """What is known of the distribution of errors: Student t, of uncertain width and tails.

    Parameters
    ----------
    scales
        shape (n,): widths, eV/atom.
    degrees
        shape (n,): degrees of freedom.
    weights
        shape (n,): how probable each pair is; they add up to one.
    """

    scales: Floats
    degrees: Floats
    weights: Floats

    @property
    def scale(self) -> float:
        """Width to be expected, eV/atom."""
        return float(self.weights @ self.scales)

    def exceed(self, margins: Floats) -> Floats:
        """Return how probable an error larger than each margin is.

        Parameters
        ----------
        margins
            shape (n,): eV/atom; of NaN the probability is 0.
        """
        probabilities = np.zeros(len(margins))
        known = np.flatnonzero(~np.isnan(margins))
        # a table and a line between its points: the mixture is smooth, and there may be 400 000
        table = _table(margins[known])
        probabilities[known] = np.interp(margins[known], table, self._tails(table) @ self.weights)
        return probabilities

    def expect(self, margins: Floats) -> Floats:
        """Return how many errors are to be expected beyond their margins, for each pair.

        Parameters
        ----------
        margins
            shape (n_margins,): eV/atom; NaN are left out.
        """
        known = margins[~np.isnan(margins)]
        if not len(known):
            return np.zeros(len(self.scales))
        table = _table(known)
        counts = np.histogram(known, np.append(table, np.inf))[0]
        expected: Floats = counts @ self._tails(table)
        return expected

    def _tails(self, margins: Floats) -> Floats:
        """Return the probability of a larger error, shape (n_margins, n)."""
        return np.asarray(stats.t.sf(margins[:, None] / self.scales, self.degrees), dtype=float)


def fewest(
    parts: Sequence[tuple[ErrorModel, Floats]], others: float = 0.0, confidence: float = CONFIDENCE
) -> int:
    """Return the number that, with confidence, no more errors than this exceed their margins.

    Parameters
    ----------
    parts
        Margins (eV/atom) with the model of their errors.
    others
        Number of further events to be expected, independent of these.

    Notes
    -----
    The number of rare events is Poisson distributed; how many are to be expected is uncertain as
    the width and the tails of each model are.
    """
    expected, weights = np.array([others]), np.ones(1)
    for model, margins in parts:
        expected = np.add.outer(expected, model.expect(margins)).ravel()
        weights = np.multiply.outer(weights, model.weights).ravel()
        likely = weights > _UNLIKELY
        expected, weights = expected[likely], weights[likely]

    def is_enough(number: int) -> bool:
        return bool(weights @ stats.poisson.cdf(number, expected) >= confidence * weights.sum())

    largest = 1
    while not is_enough(largest):
        largest *= 2
    return bisect.bisect_left(range(largest), x=True, key=is_enough)


def fit_errors(errors: Floats, expected: float) -> ErrorModel:
    """Return what errors that were met tell of those to come.

    Parameters
    ----------
    errors
        shape (n,): eV/atom, about zero.
    expected
        Width that is thought likely beforehand, eV/atom.

    Notes
    -----
    The posterior of width and tails on a grid: a log-normal prior of the width, all tails alike.
    With few errors it is broad, and so are the tails of what is predicted from it.
    """
    scale, degree = (grid.ravel() for grid in np.meshgrid(expected * _SCALES, _DEGREES))
    prior = stats.norm.logpdf(np.log(scale / expected), scale=_SPREAD)
    densities = stats.t.logpdf(errors[:, None] / scale, degree) - np.log(scale)
    logarithm = prior + densities.sum(axis=0)
    weights = np.exp(logarithm - logarithm.max())
    return ErrorModel(scale, degree, weights / weights.sum())


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
