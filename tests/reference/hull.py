"""Energy above the hull as a linear programme, one structure at a time."""

import numpy as np
from scipy.optimize import linprog


def e_above_hull(compositions, energies):
    """Return each phase's energy above the cheapest mixture of all phases of its composition.

    Parameters
    ----------
    compositions
        Atoms of each element, shape (n, k).
    energies
        eV/atom, shape (n,).
    """
    fractions = compositions / compositions.sum(axis=1, keepdims=True)
    distances = []
    for fraction, energy in zip(fractions, energies, strict=True):
        best = linprog(energies, A_eq=fractions.T, b_eq=fraction, bounds=(0, None), method='highs')
        assert best.success, best.message
        distances.append(energy - best.fun)
    return np.array(distances)
