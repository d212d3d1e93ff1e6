"""What a relaxation gains after a label: its forces and its stress tell how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core.screening.risk import ErrorModel, fit_errors

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.structures import StructureBatch

GAIN = 3e-3  # eV/atom: what a relaxation with DFT gains after one with a good potential
# Typical of metals; how far off they are for the system at hand is learnt from its relaxations
_SPRING = 2.5  # eV/Å², of an atom among the others
_STIFFNESS = 1.0  # eV/Å³, of the cell


class Gains(NamedTuple):
    """What is known of gains, and so of energies once they are relaxed.

    Parameters
    ----------
    expected
        shape (n,): gain of each structure, eV/atom.
    places
        shape (n,): of the structures, on which the width of the errors depends.
    errors
        Of the expected gains.
    """

    expected: Floats
    places: Floats
    errors: ErrorModel


def harmonic_gains(labelled: StructureBatch) -> Floats:
    """Return what a relaxation would gain if all were springs, shape (n,), eV/atom.

    That is f²/2k of each atom and Vσ²/2B of the cell; 0 where forces and stress are not known.
    """
    of_atoms = np.add.reduceat((labelled.forces**2).sum(axis=1), labelled.first_atom[:-1])
    shear = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # each of these stands twice in the matrix
    of_cell = labelled.volumes * (labelled.stresses**2 @ shear)
    energies = np.nan_to_num(of_atoms) / _SPRING + np.nan_to_num(of_cell) / _STIFFNESS
    gains: Floats = 0.5 * energies / labelled.n_atoms
    return gains


def judge_gains(gained: Floats, harmonic: Floats) -> Gains:
    """Return what gains are to be expected, by those that were met.

    Parameters
    ----------
    gained
        shape (n,): eV/atom; NaN where it is not known yet.
    harmonic
        shape (n,): see `harmonic_gains`.

    Notes
    -----
    The gains to be expected are a multiple of the harmonic ones and a constant, both medians: one
    that falls into another minimum turns neither.
    """
    met = np.isfinite(gained)
    near = met & (harmonic > 0)
    slope = float(np.median(gained[near] / harmonic[near])) if near.any() else 1.0
    expected = max(slope, 0.0) * harmonic
    if met.any():
        expected = expected + np.median((gained - expected)[met])
    places = harmonic / (harmonic + GAIN)
    return Gains(expected, places, fit_errors((gained - expected)[met], GAIN, places[met]))
