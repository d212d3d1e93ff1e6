"""Starting moments: which magnetic states a calculation is begun from.

Self-consistency ends in the magnetic state nearest to where it began. Energies that jump between
states spoil the training of a potential, so a label says where it was begun and which moments it
has, and with several starts it is the lowest that counts.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.files.names import MAGNETIC_STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ase import Atoms

    from aiida_mtp.core._typing import Floats, Ints

FERROMAGNETIC, ANTIFERROMAGNETIC, NONE = MAGNETIC_STATES
LOWEST = 'lowest'
SPINS = (NONE, FERROMAGNETIC, ANTIFERROMAGNETIC, LOWEST)
"""Without spin; all moments parallel; nearest neighbours antiparallel where the cell allows it,
else parallel; the lowest in energy of all these."""
MOMENTS = {'Cr': 3.0, 'Mn': 3.0, 'Fe': 2.5, 'Co': 1.8, 'Ni': 0.8}
"""Initial moments, µB; other elements have none."""

DISTINCT = 1e-3
"""States nearer in energy than this are the same, reached from two sides, eV/atom."""
MOST_MAGNETIC = 16
"""Most magnetic atoms for which the antiparallel order is looked for: all are tried."""
_ORDER = (*MAGNETIC_STATES, '')  # of states with the same energy the first counts
_REACH = 6.0  # Å: how far moments feel each other


def starting_moments(
    spin: str, atoms: Atoms, moments: Mapping[str, float], fraction: float = 0.0
) -> dict[str, list[float]]:
    """Return the initial moment of each atom, µB, for each state to begin from, by its name.

    Parameters
    ----------
    spin
        One of `SPINS`.
    moments
        By element.
    fraction
        Structures in which fewer of the atoms have a moment are computed without spin.
    """
    parallel = [float(moments.get(symbol, 0.0)) for symbol in atoms.symbols]
    n_magnetic = np.count_nonzero(parallel)
    none = {NONE: [0.0] * len(parallel)}
    if spin == NONE or not n_magnetic or n_magnetic < fraction * len(parallel):
        return none
    found = {FERROMAGNETIC: parallel}
    signs = antiparallel_signs(atoms, np.flatnonzero(parallel))
    if spin == FERROMAGNETIC or (signs is None and spin == ANTIFERROMAGNETIC):
        return found
    if signs is not None:
        turned = {ANTIFERROMAGNETIC: (signs * parallel).tolist()}
        found = turned if spin == ANTIFERROMAGNETIC else found | turned
    return found if spin == ANTIFERROMAGNETIC else found | none


def antiparallel_signs(atoms: Atoms, magnetic: Ints) -> Floats | None:
    """Return a sign for each atom, shape (n_atoms,), opposite for as many neighbours as can be.

    The order of lowest energy of an Ising model whose coupling falls with the sixth power of the
    distance; of several, one with the smallest sum. None for one magnetic atom, or too many.
    """
    from ase.neighborlist import neighbor_list

    rows = np.asarray(magnetic, dtype=np.int64)
    if not 2 <= len(rows) <= MOST_MAGNETIC:
        return None
    first, second, distance = neighbor_list('ijd', atoms[rows], _REACH)  # type: ignore[no-untyped-call]
    coupling = np.zeros((len(rows), len(rows)))
    np.add.at(coupling, (first, second), distance**-6.0)
    orders = np.array([(1.0, *rest) for rest in product((1.0, -1.0), repeat=len(rows) - 1)])[1:]
    energies = np.einsum('oi,ij,oj->o', orders, coupling, orders)
    # what is equal by symmetry is equal whatever the rounding
    energies = np.round(energies / np.abs(coupling).max(initial=1e-12), 6)
    best = np.lexsort((np.abs(orders.sum(axis=1)), energies))[0]
    signs = np.ones(len(atoms))
    signs[rows] = orders[best]
    return signs


def best_state(found: Mapping[str, Mapping[str, Any]], n_atoms: int) -> str:
    """Return the name of the magnetic state that counts: the lowest, and of equal ones the first.

    Parameters
    ----------
    found
        Status and energy (eV) of each state: what is done counts before what is not.
    """
    known = {state: one for state, one in found.items() if one['status'] == DONE} or found
    energies = {state: one.get('energy') for state, one in known.items()}
    lowest = min((energy for energy in energies.values() if energy is not None), default=None)
    if lowest is None:
        return next(iter(known))
    limit = lowest + DISTINCT * n_atoms
    return min(
        (state for state, energy in energies.items() if energy is not None and energy <= limit),
        key=_ORDER.index,
    )


def state_summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a magnetic state, whether it counts or not."""
    names = ('status', 'message', 'energy', 'magnetic_moment', 'absolute_moment')
    return {name: found[name] for name in names if found.get(name) not in {None, ''}}
