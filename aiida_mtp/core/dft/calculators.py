"""An ASE calculator for one structure, by settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.dft.settings import DftSettings

BOHR, HARTREE = 0.529177210903, 27.211386245988
EXTRA_BANDS = 4
"""Empty bands: a percentage of few bands is too few (2 for fcc Al: 22 meV/atom wrong)."""


def make_calculator(settings: DftSettings, atoms: Atoms) -> Calculator:
    """Return a calculator, and give the atoms their initial moments.

    Raises
    ------
    InputError
        If the calculator is not installed or refuses its parameters.
    """
    if settings.calculator == 'gpaw':
        return _gpaw(settings, atoms)
    from ase.calculators.calculator import get_calculator_class

    try:
        made: Calculator = get_calculator_class(settings.calculator)(**settings.parameters)  # type: ignore[no-untyped-call]
    except ImportError as error:
        raise InputError(f'calculator {settings.calculator!r} is not installed: {error}') from None
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f'calculator {settings.calculator!r} refuses: {error}') from None
    return made


def check_elements(settings: DftSettings, symbols: Sequence[str]) -> None:
    """Refuse elements the calculator does not know.

    Raises
    ------
    InputError
        Naming them, before anything is computed.
    """
    if settings.calculator == 'emt':
        from ase.calculators.emt import parameters as known
    elif settings.calculator == 'gpaw':
        known = {symbol: None for symbol in symbols if _has_dataset(symbol)}
    else:
        return
    unknown = sorted(set(symbols) - set(known))
    if unknown:
        raise InputError(
            f'calculator {settings.calculator!r} has no parameters for {", ".join(unknown)}'
        )


def _has_dataset(symbol: str) -> bool:
    from pathlib import Path

    from gpaw import setup_paths

    return any(list(Path(path).glob(f'{symbol}.PBE*')) for path in setup_paths)


def k_mesh(cell: Floats, spacing: float, smallest: int = 1) -> list[int]:
    """Return the coarsest mesh with at most `spacing` (Å⁻¹, 2π included) between its points."""
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(cell).T, axis=1)
    return [max(smallest, int(np.ceil(length / spacing - 1e-6))) for length in lengths]


def _gpaw(settings: DftSettings, atoms: Atoms) -> Calculator:
    try:
        from gpaw import GPAW
    except ImportError:
        raise InputError(
            'GPAW is not installed; pip install aiida-mtp[gpaw], or make quickstart'
        ) from None
    moments = initial_moments(settings, atoms)
    atoms.set_initial_magnetic_moments(moments)  # type: ignore[no-untyped-call]
    cutoff, spacing = settings.cutoff or 400.0, settings.k_spacing or 0.25
    mesh = k_mesh(atoms.cell.array, spacing, settings.smallest_mesh)
    grid = _fft_grid(atoms.cell.array, cutoff)
    parameters: dict[str, Any] = {
        'mode': {'name': 'pw', 'ecut': cutoff},
        'xc': 'PBE',
        'kpts': {'size': mesh, 'gamma': True},
        'gpts': grid,
        'symmetry': _symmetry(atoms, grid, mesh, moments),
        'occupations': _occupations(settings),
        'eigensolver': {'name': 'davidson'},
        'nbands': -EXTRA_BANDS,
        'maxiter': 100,
        'convergence': {'energy': 1e-4, 'density': 1e-3, 'eigenstates': 1e-6},
        'txt': None,
    }
    made: Calculator = GPAW(**{**parameters, **settings.parameters})
    return made


def initial_moments(settings: DftSettings, atoms: Atoms) -> list[float]:
    """Return the initial moment of each atom, µB; all zero where spin is not treated."""
    symbols = atoms.get_chemical_symbols()
    moments = [float(settings.initial_moments.get(symbol, 0.0)) for symbol in symbols]
    magnetic = sum(moment != 0 for moment in moments) / max(len(moments), 1)
    if settings.spin == 'none' or magnetic < settings.spin_fraction or not any(moments):
        return [0.0] * len(moments)
    return moments


def _occupations(settings: DftSettings) -> dict[str, Any]:
    name = settings.smearing or 'marzari-vanderbilt'
    if name == 'none':
        return {'name': 'fixed-uniform'}
    if name == 'gaussian':
        name, order = 'methfessel-paxton', 0
        return {'name': name, 'width': settings.smearing_width, 'order': order}
    return {'name': name, 'width': settings.smearing_width}


def _fft_grid(cell: Floats, cutoff: float) -> list[int]:
    """Return grid points along each vector, of sizes that transform fast."""
    from gpaw.fftw import get_efficient_fft_size

    spacing = np.pi / np.sqrt(4 * cutoff / HARTREE) * BOHR
    lengths = np.linalg.norm(cell, axis=1)
    # equal vectors get equal numbers whatever the rounding
    return [int(get_efficient_fft_size(int(np.ceil(round(x / spacing, 4))))) for x in lengths]


def _symmetry(
    atoms: Atoms, grid: list[int], mesh: list[int], moments: list[float]
) -> dict[str, Any]:
    """Return the operations that mix only vectors of equal grid and equal mesh.

    GPAW would else make the grid equally fine along all vectors an operation mixes, 35×35×35 for a
    cell that needs 12×12×35; and with a grid of our own it would not symmetrise rightly.
    """
    from gpaw.new.symmetry import create_symmetries_object

    kinds = [(int(z), round(m, 3)) for z, m in zip(atoms.numbers, moments, strict=True)]
    numbers = {kind: index for index, kind in enumerate(sorted(set(kinds)))}
    found = create_symmetries_object(atoms, extra_ids=[numbers[kind] for kind in kinds])
    same = np.equal.outer(grid, grid) & np.equal.outer(mesh, mesh)
    keep = [
        s
        for s, rotation in enumerate(found.rotation_scc)
        if not (np.asarray(rotation) != 0)[~same].any() and not np.any(found.translation_sc[s])
    ]
    return {
        'rotations': np.array([found.rotation_scc[s] for s in keep]),
        'translations': np.array([found.translation_sc[s] for s in keep]),
        'atommaps': np.array([found.atommap_sa[s] for s in keep]),
    }
