"""Relaxation of cell and positions with an ASE calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.dft.calculators import make_calculator

if TYPE_CHECKING:
    from ase import Atoms

    from aiida_mtp.core.dft.settings import DftSettings


def relax_atoms(atoms: Atoms, settings: DftSettings) -> tuple[bool, int]:
    """Relax a structure in place, until the basis set of its own cell agrees that it is relaxed.

    Plane waves and k points belong to a cell: those of the start are not those of the end. So the
    relaxation is continued with a fresh calculator until a single point of one, with nothing left
    over from the way there, finds forces and stress below their limits. That single point is the
    result.

    Returns
    -------
    is_converged
        Whether forces and stress are below their limits.
    n_steps
        Steps of the optimiser, in all.
    """
    _keep_symmetry(atoms, settings.symmetry_tolerance)
    n_steps = 0
    for _ in range(settings.restarts + 1):
        atoms.calc = make_calculator(settings, atoms)
        if is_relaxed(atoms, settings):
            return True, n_steps
        if n_steps >= settings.max_steps:
            return False, n_steps
        n_steps += _descend(atoms, settings, settings.max_steps - n_steps)
    atoms.calc = make_calculator(settings, atoms)
    return is_relaxed(atoms, settings), n_steps


def is_relaxed(atoms: Atoms, settings: DftSettings) -> bool:
    """Return whether forces and stress are below their limits."""
    forces = np.linalg.norm(atoms.get_forces(), axis=1)  # type: ignore[no-untyped-call]
    stress = np.abs(atoms.get_stress())  # type: ignore[no-untyped-call]
    return bool(forces.max(initial=0.0) <= settings.fmax and stress.max() <= settings.smax)


def _descend(atoms: Atoms, settings: DftSettings, most: int) -> int:
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    optimizer = BFGS(FrechetCellFilter(atoms), logfile=None)  # type: ignore[no-untyped-call]
    steps = 0
    for _ in optimizer.irun(fmax=0.0, steps=most):
        if is_relaxed(atoms, settings):
            break
        steps = optimizer.get_number_of_steps()  # type: ignore[no-untyped-call]
    return max(1, steps)


def _keep_symmetry(atoms: Atoms, tolerance: float) -> None:
    """Constrain a structure to the symmetry it has, which makes DFT cheaper and steps fewer."""
    if not tolerance:
        return
    from ase.constraints import FixSymmetry

    atoms.set_constraint(FixSymmetry(atoms, symprec=tolerance))  # type: ignore[no-untyped-call]
