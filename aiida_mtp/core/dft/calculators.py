"""ASE calculators from settings, and what they can do here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.dft.magnetism import starting_moments
from aiida_mtp.core.dft.universal import UNIVERSAL, universal_calculator, universal_class
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ase import Atoms

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.dft.settings import DftSettings


def make_calculator(settings: DftSettings, atoms: Atoms, directory: str = '.') -> Any:
    """Return a new calculator for a structure with its cell and initial moments.

    Raises
    ------
    InputError
        If the calculator is not installed, or refuses its parameters.
    """
    if settings.calculator == 'gpaw':
        from aiida_mtp.core.dft.gpaw_calculator import make_gpaw

        return make_gpaw(settings, atoms)
    parameters = dict(settings.parameters)
    if settings.k_spacing is not None:
        parameters['kpts'] = k_mesh(settings, atoms.cell.array)
    try:
        if settings.calculator in UNIVERSAL:
            return universal_calculator(settings.calculator, parameters)
        if settings.calculator != 'emt':
            parameters['directory'] = directory
        return _calculator_class(settings.calculator)(**parameters)
    except TypeError as error:
        raise InputError(
            f'calculator {settings.calculator} refuses its parameters: {error}'
        ) from None


def check_calculator(settings: DftSettings, species: Iterable[str]) -> None:
    """Make sure that the calculator is installed and knows the species.

    Raises
    ------
    InputError
        If not, with the remedy; also if the toy calculator is given parameters it has not.
    """
    from ase.data import atomic_numbers

    species = sorted(set(species))
    nameless = [name for name in species if name not in atomic_numbers]
    if nameless:
        raise InputError(f'{", ".join(nameless)}: not a chemical element; name the species')
    if settings.calculator == 'gpaw':
        from aiida_mtp.core.dft.gpaw_calculator import missing_elements

        missing, known = missing_elements(settings, species), 'those with PAW data sets'
    else:
        calculator = _calculator_class(settings.calculator)
        if settings.calculator != 'emt':
            return
        from ase.calculators.emt import parameters

        strange = sorted(set(settings.parameters) - set(calculator.default_parameters))
        if strange:  # which it would ignore
            raise InputError(f'calculator emt has no parameter {strange[0]}')
        missing, known = [x for x in species if x not in parameters], ' '.join(parameters)
    if missing:
        raise InputError(
            f'calculator {settings.calculator} does not know {", ".join(missing)}; known: {known}'
        )


def magnetic_starts(settings: DftSettings, atoms: Atoms) -> dict[str, list[float]]:
    """Return the initial moment of each atom, µB, for each magnetic state to begin from."""
    return starting_moments(settings.spin, atoms, settings.initial_moments, settings.spin_fraction)


def k_mesh(settings: DftSettings, cell: Floats) -> tuple[int, int, int]:
    """Return the number of k points along each reciprocal vector.

    Parameters
    ----------
    cell
        shape (3, 3), rows, Å.
    """
    if settings.k_spacing is None:
        return (1, 1, 1)
    lengths = 2 * math.pi * np.linalg.norm(np.linalg.inv(cell).T, axis=1)
    # Equal axes get equal numbers whatever the rounding.
    x, y, z = (math.ceil(length / settings.k_spacing - 1e-6) for length in lengths)
    least = settings.smallest_mesh
    return max(x, least), max(y, least), max(z, least)


def expected_cost(settings: DftSettings, atoms: Atoms) -> float:
    """Return a guess of the cost of a structure, in arbitrary units.

    Plane waves (with the volume) times k points times the square of the number of bands, for each
    spin of each magnetic state it is begun from.
    """
    spins = sum(1 + any(moments) for moments in magnetic_starts(settings, atoms).values())
    n_points = math.prod(k_mesh(settings, atoms.cell.array)) * atoms.get_volume()  # type: ignore[no-untyped-call]
    return float(len(atoms) ** 2 * n_points * spins)


def _calculator_class(name: str) -> Any:
    """Return a calculator by the name under which ASE knows it."""
    from ase.calculators.calculator import get_calculator_class

    if name in UNIVERSAL:
        return universal_class(name)
    try:
        return get_calculator_class(name)  # type: ignore[no-untyped-call]
    except ImportError as error:
        raise InputError(f'calculator {name} is not installed: {error}') from None
