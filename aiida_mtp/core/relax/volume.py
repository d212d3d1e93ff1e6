"""The volume a relaxation starts from: found with the potential, not guessed.

Sums of elemental volumes are off by up to 15 %, and a potential that learns is asked about such
volumes in vain. A scan of isotropic scalings finds where it has a minimum it can be trusted with.
What is near rest as it is given needs none: most of a screen's relaxations go on from earlier ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiida_mtp.core._numba import njit
from aiida_mtp.core.relax.frame import GOING

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints


@njit
def best_factor(factors: Floats, enthalpies: Floats, reasons: Ints) -> float:
    """Return the volume of the lowest local minimum that can be trusted; 1 if there is none.

    It is refined by the parabola through its neighbours.

    Parameters
    ----------
    factors
        shape (n_points,): volumes in units of the given one, ascending, evenly spaced in their
        logarithm.
    enthalpies
        shape (n_points,), eV; infinite where atoms are too close for the potential to tell.
    reasons
        shape (n_points,): reason to stop there; a minimum must have none.
    """
    best, lowest = 1.0, math.inf
    for k in range(1, len(factors) - 1):
        left, here, right = enthalpies[k - 1], enthalpies[k], enthalpies[k + 1]
        if reasons[k] != GOING or not (left > here < right) or not here < lowest:
            continue
        lowest, best = here, factors[k]
        if math.isfinite(left) and math.isfinite(right):
            shift = 0.5 * (left - right) / (left - 2.0 * here + right)
            best = factors[k] * (factors[k + 1] / factors[k]) ** shift
    return best
