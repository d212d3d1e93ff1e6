"""Plane waves with GPAW: its parameters from settings, and a way round a trap of its symmetry.

GPAW makes the real-space grid as fine along all axes that some symmetry operation mixes, which
for an elongated cell costs many times what it should (35 × 35 × 35 points instead of
12 × 12 × 36); told the grid, it accepts some for which its symmetrisation is then wrong, by up to
150 meV/atom. So it is told the grid, the mesh, and only those operations that mix axes on which
both agree.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.dft import calculators
from aiida_mtp.core.dft.symmetry import TOLERANCE
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.dft.settings import DftSettings

# Four empty bands more than GPAW's least give the energies of its default for a tenth less time;
# percentages of the bands do not: '125%' is 22 meV/atom wrong for aluminium. The convergence is
# looser than GPAW's: on rattled NiAl and ferromagnetic Ni it changes no energy by 0.001 meV/atom,
# no force by more than 0.0005 eV/Å and no stress by more than 0.03 GPa, for a fifth less time.
_PARAMETERS = {
    'xc': 'PBE',
    'eigensolver': {'name': 'davidson'},
    'nbands': -4,
    'convergence': {'density': 1e-3, 'eigenstates': 1e-6},
    'maxiter': 100,
    'txt': None,
}
_INSTALL = 'pip install gpaw gpaw-data (compiled on installation; see docs/howto/install.md)'


def make_gpaw(settings: DftSettings, atoms: Atoms) -> Any:
    """Return a calculator for a structure with its cell and initial moments."""
    gpaw = _gpaw()
    mesh = calculators.k_mesh(settings, atoms.cell.array)
    grid = fft_grid(atoms.cell.array, float(settings.cutoff or 0.0))
    parameters: dict[str, Any] = {
        **_PARAMETERS,
        'mode': {'name': 'pw', 'ecut': settings.cutoff},
        'kpts': {'size': mesh, 'gamma': True},
        'occupations': _occupations(settings),
        'gpts': grid,
        'symmetry': compatible_symmetry(atoms, grid, mesh),
        **settings.parameters,
    }
    try:
        return gpaw.GPAW(**parameters)
    except (TypeError, KeyError) as error:
        raise InputError(f'calculator gpaw refuses its parameters: {error}') from None


def missing_elements(settings: DftSettings, species: Sequence[str]) -> list[str]:
    """Return those of the species for which no PAW data set is found."""
    _gpaw()
    from gpaw.setup_data import search_for_file
    from gpaw.xc import XC

    functional: Any = XC(settings.parameters.get('xc', _PARAMETERS['xc']))
    kind = functional.get_setup_name()
    missing = []
    for symbol in species:
        try:
            search_for_file(f'{symbol}.{kind}')
        except FileNotFoundError:
            missing.append(symbol)
    return missing


def fft_grid(cell: Floats, cutoff: float) -> tuple[int, int, int]:
    """Return the number of grid points along each axis, fast for Fourier transforms."""
    from ase.units import Bohr, Hartree
    from gpaw.fftw import get_efficient_fft_size

    spacing = math.pi / math.sqrt(4 * cutoff / Hartree) * Bohr
    # Equal axes get equal numbers whatever the rounding.
    lengths = np.round(np.linalg.norm(cell, axis=1) / spacing, 4)
    x, y, z = (int(get_efficient_fft_size(math.ceil(length))) for length in lengths)
    return x, y, z


def compatible_symmetry(
    atoms: Atoms, grid: tuple[int, int, int], mesh: tuple[int, int, int]
) -> dict[str, Any]:
    """Return the symmetry operations that mix only axes of equal grid and equal k mesh."""
    moments = atoms.get_initial_magnetic_moments()  # type: ignore[no-untyped-call]
    kinds = [(int(z), round(float(m), 3)) for z, m in zip(atoms.numbers, moments, strict=True)]
    ids = {kind: index for index, kind in enumerate(sorted(set(kinds)))}
    found = _symmetries(atoms, [ids[kind] for kind in kinds])
    may_mix = np.equal.outer(grid, grid) & np.equal.outer(mesh, mesh)
    keep = [
        index
        for index, (rotation, shift) in enumerate(
            zip(found.rotation_scc, found.translation_sc, strict=True)
        )
        if not (np.asarray(rotation) != 0)[~may_mix].any() and not np.any(shift)
    ]
    return {
        'rotations': np.array([found.rotation_scc[s] for s in keep]),
        'translations': np.array([found.translation_sc[s] for s in keep]),
        'atommaps': np.array([found.atommap_sa[s] for s in keep]),
    }


def _symmetries(atoms: Atoms, kinds: list[int]) -> Any:
    """Return the operations GPAW finds.

    Those within a distance need not be a group if some are only just within it; then those within
    a smaller one are.
    """
    from gpaw.new.symmetry import SymmetryAnalysisBug, create_symmetries_object

    for tolerance in (TOLERANCE, 0.1 * TOLERANCE, 0.001 * TOLERANCE):
        with suppress(SymmetryAnalysisBug):
            return create_symmetries_object(atoms, extra_ids=kinds, tolerance=tolerance)
    return create_symmetries_object(atoms, extra_ids=kinds, point_group=False)


def _occupations(settings: DftSettings) -> dict[str, Any]:
    """Return the smearing as GPAW names it."""
    width = settings.smearing_width
    orders = {'gaussian': 0, 'methfessel-paxton': 1}
    if settings.smearing == 'none':
        return {'name': 'fermi-dirac', 'width': 0.0}
    if settings.smearing in orders:
        order = orders[settings.smearing]
        return {'name': 'methfessel-paxton', 'width': width, 'order': order}
    return {'name': settings.smearing, 'width': width}


def _gpaw() -> Any:
    """Import GPAW."""
    try:
        import gpaw
    except ImportError as error:
        raise InputError(f'calculator gpaw is not installed ({error}): {_INSTALL}') from None
    return gpaw
