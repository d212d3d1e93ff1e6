"""One structure, one result: whatever happens to it."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.dft.calculators import initial_moments, make_calculator
from aiida_mtp.core.dft.relax import relax_atoms
from aiida_mtp.core.dft.results import DONE, FAILED, NOT_CONVERGED, Result, structure_hash
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

    from aiida_mtp.core.dft.settings import DftSettings

UNCONVERGED = ('KohnShamConvergenceError', 'ConvergenceError', 'SCFError')


def compute(atoms: Atoms, settings: DftSettings, task: str) -> Result:
    """Label or relax one structure; what goes wrong with it is in the result.

    Notes
    -----
    Calculators of ASE raise whatever they like. This is the boundary behind which one structure
    cannot stop its batch, so everything but a mistake in the settings is caught here.
    """
    cell, positions = atoms.cell.array.copy(), atoms.positions.copy()
    key = structure_hash(atoms.get_chemical_symbols(), cell, positions)
    base: dict[str, Any] = {
        'structure': key,
        'task_digest': settings.task_digest(task),
        'digest': settings.digest(),
        'version': settings.version,
    }
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # remarks of calculators, thousands of times
            found = _labels(atoms, settings, task)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - see Notes
        name = type(error).__name__
        lines = str(error).strip().splitlines()
        found = {
            'status': NOT_CONVERGED if name in UNCONVERGED else FAILED,
            'message': f'{name}: {lines[0] if lines else "no message"}',
        }
    return Result(**base, **found, seconds=round(time.perf_counter() - started, 3))


def _labels(atoms: Atoms, settings: DftSettings, task: str) -> dict[str, Any]:
    is_converged, n_steps = True, 0
    if task == 'relax':
        is_converged, n_steps = relax_atoms(atoms, settings)
    else:
        atoms.calc = make_calculator(settings, atoms)
    # without constraints: labels are those of the calculator
    atoms.set_constraint()  # type: ignore[no-untyped-call]
    energy = float(atoms.get_potential_energy())  # type: ignore[no-untyped-call]
    forces = np.asarray(atoms.get_forces())  # type: ignore[no-untyped-call]
    stress = np.asarray(atoms.get_stress())  # type: ignore[no-untyped-call]
    if not (np.isfinite(energy) and np.isfinite(forces).all() and np.isfinite(stress).all()):
        return {'status': FAILED, 'message': 'the calculator gave numbers that are not finite'}
    moment = None
    if any(initial_moments(settings, atoms)):
        moment = float(atoms.get_magnetic_moment())  # type: ignore[no-untyped-call]
    message = '' if is_converged else f'not relaxed after {n_steps} steps'
    return {
        'status': DONE if is_converged else NOT_CONVERGED,
        'message': message,
        'energy': energy,
        'forces': forces.tolist(),
        'stress': stress.tolist(),
        'magnetic_moment': moment,
        'positions': atoms.positions.tolist(),
        'cell': atoms.cell.array.tolist(),
        'n_steps': n_steps,
    }
