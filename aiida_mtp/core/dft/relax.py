"""Single points, and relaxations of cell and positions.

Both are done in the shortest basis of the lattice and from the origin of most symmetry, which cost
least, without turning anything: forces and stress are those of the structure as given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.dft.calculators import make_calculator
from aiida_mtp.core.dft.curvature import spring_curvature
from aiida_mtp.core.dft.symmetry import keep_symmetry, symmetric_origin

if TYPE_CHECKING:
    from ase import Atoms

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.dft.settings import DftSettings

_LONGEST_STEP = 0.2  # of an atom, Å
_LARGEST_STRAIN = 0.1  # in a step: ASE does not keep the symmetry through larger ones


@dataclass(frozen=True)
class Labels:
    """What a calculation found.

    Parameters
    ----------
    energy
        eV.
    forces
        shape (n_atoms, 3), eV/Å.
    stress
        shape (6,), eV/Å³.
    moments
        shape (n_atoms,): the moment of each atom, µB; None without spin.
    magnetic_moment
        Of the cell, µB, with what is between the atoms; None without spin.
    positions, cell
        shapes (n_atoms, 3) and (3, 3), Å: of the structure all this belongs to.
    n_steps
        Steps of the relaxation.
    shortfall
        What a relaxation did not reach, in words; empty if it converged.
    """

    energy: float
    forces: Floats
    stress: Floats
    moments: Floats | None
    magnetic_moment: float | None
    positions: Floats
    cell: Floats
    n_steps: int = 0
    shortfall: str = ''


def single_point(settings: DftSettings, atoms: Atoms, directory: str = '.') -> Labels:
    """Compute energy, forces and stress of exactly these positions and this cell.

    The initial moments are those of the atoms.
    """
    work, _ = in_shortest_basis(atoms)
    work.positions -= symmetric_origin(work)
    work.calc = make_calculator(settings, work, directory)
    return _labels(work, atoms.positions, atoms.cell.array)


def relax(settings: DftSettings, atoms: Atoms, directory: str = '.') -> Labels:
    """Relax cell and positions; the labels are of a single point of the end.

    With plane waves the basis set and the k points are those of the cell a run starts from. So a
    run that has converged is continued with those of the cell it has arrived at, until nothing is
    left to do; the order of the atoms and the meaning of the lattice vectors stay.
    """
    work, change = in_shortest_basis(atoms)
    keep_symmetry(work, settings.symmetry_tolerance)
    origin = symmetric_origin(work)
    work.positions -= origin
    n_steps, curvature = 0, None
    for _ in range(settings.restarts + 1):
        work.calc = make_calculator(settings, work, directory)
        if not _shortfall(settings, work) or n_steps >= settings.max_steps:
            break
        taken, curvature = _run(settings, work, settings.max_steps - n_steps, curvature)
        n_steps += taken
    else:
        work.calc = make_calculator(settings, work, directory)
    shortfall = _shortfall(settings, work)
    if shortfall:
        shortfall += f' after {n_steps} steps'
    work.set_constraint()  # type: ignore[no-untyped-call]
    back = np.rint(np.linalg.inv(change))
    return _labels(work, work.positions + origin, back @ work.cell.array, n_steps, shortfall)


def in_shortest_basis(atoms: Atoms) -> tuple[Atoms, Ints]:
    """Return the same crystal with the shortest lattice vectors, and their integer coefficients.

    Atoms stay where they are.
    """
    from ase.geometry.minkowski_reduction import minkowski_reduce

    cell, change = minkowski_reduce(atoms.cell)  # type: ignore[no-untyped-call]
    work = atoms.copy()  # type: ignore[no-untyped-call]
    work.set_cell(cell, scale_atoms=False)
    return work, np.asarray(change, dtype=np.int64)


def _run(
    settings: DftSettings, atoms: Atoms, max_steps: int, curvature: Floats | None
) -> tuple[int, Floats]:
    """Relax with one calculator, from what is known of the curvature.

    Return the number of steps, and what is known of the curvature after them.
    """
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    cell_and_atoms: Any = FrechetCellFilter(atoms)  # type: ignore[no-untyped-call]
    longest = min(_LONGEST_STEP, _LARGEST_STRAIN * cell_and_atoms.exp_cell_factor)
    optimizer: Any = BFGS(cell_and_atoms, logfile=None, maxstep=longest)
    # in place of ASE's 70 eV/Å² for everything
    optimizer.H0 = spring_curvature(cell_and_atoms) if curvature is None else curvature
    for _ in optimizer.irun(fmax=0.0, steps=max_steps):  # we judge forces and stress apart
        if not _shortfall(settings, atoms):
            break
    return int(optimizer.nsteps), optimizer.H


def _shortfall(settings: DftSettings, atoms: Atoms) -> str:
    """Return what is left of forces and stress, in words, or nothing if that is little enough."""
    forces, stresses = atoms.get_forces(), atoms.get_stress()  # type: ignore[no-untyped-call]
    force, stress = float(np.linalg.norm(forces, axis=1).max()), float(np.abs(stresses).max())
    if force <= settings.fmax and stress <= settings.smax:
        return ''
    return f'largest force {force:.2g} eV/Å, largest stress {stress:.2g} eV/Å³'


def _labels(
    atoms: Atoms, positions: Floats, cell: Floats, n_steps: int = 0, shortfall: str = ''
) -> Labels:
    """Gather what the calculator has found of a structure with these positions and this cell."""
    labels = Labels(
        energy=float(atoms.get_potential_energy()),  # type: ignore[no-untyped-call]
        forces=np.array(atoms.get_forces(), dtype=np.float64),  # type: ignore[no-untyped-call]
        stress=np.array(atoms.get_stress(), dtype=np.float64),  # type: ignore[no-untyped-call]
        **_magnetic_moments(atoms),
        positions=np.array(positions),
        cell=np.array(cell),
        n_steps=n_steps,
        shortfall=shortfall,
    )
    for array in (labels.energy, labels.forces, labels.stress):
        if not np.isfinite(array).all():
            raise ArithmeticError('energy, forces or stress are not finite')
    return labels


def _magnetic_moments(atoms: Atoms) -> dict[str, Any]:
    """Return the moments of the atoms and of the cell if the calculation had spin."""
    if not atoms.get_initial_magnetic_moments().any():  # type: ignore[no-untyped-call]
        return {'moments': None, 'magnetic_moment': None}
    return {
        'moments': np.array(atoms.get_magnetic_moments(), dtype=np.float64),  # type: ignore[no-untyped-call]
        'magnetic_moment': float(atoms.get_magnetic_moment()),  # type: ignore[no-untyped-call]
    }
