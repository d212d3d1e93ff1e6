"""How a DFT calculation is done; all that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar

from aiida_mtp.core.dft.magnetism import MOMENTS, SPINS
from aiida_mtp.core.dft.universal import UNIVERSAL
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Range, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

TASKS = ('static', 'relax')
SMEARINGS = ('none', 'fermi-dirac', 'gaussian', 'methfessel-paxton', 'marzari-vanderbilt')

# The way settings become parameters of a calculator; raised when it changes numbers.
_RULES = 1

_DEFAULTS: dict[str, dict[str, Any]] = {
    'gpaw': {
        'cutoff': 400.0,
        'k_spacing': 0.25,
        'smearing': 'marzari-vanderbilt',
        'smearing_width': 0.2,
    },
}
_PACKAGES = {
    'emt': ('ase',),
    'gpaw': ('gpaw', 'gpaw-data', 'ase'),
    **{name: (*origin.packages, 'ase') for name, origin in UNIVERSAL.items()},
}
_WITHOUT_K_POINTS = ('emt', *UNIVERSAL)
_PLANE_WAVES = ('cutoff', 'smearing', 'smearing_width')  # what only `gpaw` is told by name


@dataclass(frozen=True)
class DftSettings(Settings):
    """Settings of single points and relaxations.

    Parameters
    ----------
    calculator
        ``gpaw`` (plane waves); ``sevennet`` or ``chgnet``, universal potentials where DFT is too
        dear; ``emt`` (a toy for a dozen metals, for trying things out); or the name of another
        calculator of ASE, whose settings go into `parameters`.
    parameters
        Further parameters of the calculator, by its own names.
    cutoff
        Of the plane waves, eV; 400 by default.
    k_spacing
        Largest distance of k points along each reciprocal vector, 2π included, Å⁻¹; 0.25 by
        default for ``gpaw``. The mesh contains Γ.
    smallest_mesh
        Smallest number of k points along each reciprocal vector.
    smearing
        Of the occupations: ``none``, ``fermi-dirac``, ``gaussian``, ``methfessel-paxton`` or
        ``marzari-vanderbilt``, the default.
    smearing_width
        eV; 0.2 by default.
    spin
        ``none``; ``ferromagnetic``; ``antiferromagnetic``, neighbours antiparallel where the cell
        allows it; or ``lowest``, begun from each of these, and the lowest in energy counts.
    initial_moments
        By element, µB; by default those of Cr, Mn, Fe, Co and Ni.
    spin_fraction
        Structures in which a smaller fraction of the atoms has an initial moment are computed
        without spin, at half the cost.
    fmax
        A relaxation ends when no atom feels a larger force, eV/Å …
    smax
        … and no component of the stress is larger, eV/Å³ …
    restarts
        … also with the basis set and k points of the cell it arrived at: it is continued with
        those at most this many times.
    max_steps
        Most steps of a relaxation, in all.
    symmetry_tolerance
        A relaxation keeps the symmetry its structure has within this distance, Å; 0 keeps none.
    """

    kind: ClassVar[str] = 'DFT'

    calculator: str = 'gpaw'
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cutoff: float | None = None
    k_spacing: float | None = None
    smallest_mesh: int = 1
    smearing: str | None = None
    smearing_width: float | None = None
    spin: str = 'none'
    initial_moments: Mapping[str, float] = field(default_factory=lambda: dict(MOMENTS))
    spin_fraction: float = 0.0
    fmax: float = 0.02
    smax: float = 0.002
    restarts: int = 3
    max_steps: int = 200
    symmetry_tolerance: float = 0.01

    def __post_init__(self) -> None:
        """Fill in the defaults of the calculator; refuse values that make no sense."""
        self.check_types()
        for name, value in _DEFAULTS.get(self.calculator, {}).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self._check_names()
        self.check_ranges(_RANGES)

    def _check_names(self) -> None:
        """Check what is no number."""
        _check_calculator(self.calculator)
        if self.calculator != 'gpaw':
            given = [name for name in _PLANE_WAVES if getattr(self, name) is not None]
            given += ['spin'] if self.spin != 'none' else []
            if self.calculator in _WITHOUT_K_POINTS and self.k_spacing:
                given.append('k_spacing')
            if given:
                raise InputError(
                    f'DFT setting {given[0]}: calculator {self.calculator!r} does not know it; '
                    'what it does know goes into `parameters`'
                )
        self.check_choice('spin', SPINS)
        if self.smearing is not None:
            self.check_choice('smearing', SMEARINGS)
        for name in ('parameters', 'initial_moments'):
            try:
                json.dumps(dict(getattr(self, name)))
            except TypeError:
                told = f'{self.name_of(name)}={getattr(self, name)!r}'
                raise InputError(f'{told}: not a mapping of plain values') from None

    @property
    def version(self) -> str:
        """Names and versions of the packages that compute, as installed here."""
        packages = _PACKAGES.get(self.calculator, ('ase',))
        return ' '.join(f'{name} {_installed(name)}' for name in packages)

    def digest(self) -> str:
        """Return a hash of all that energies, forces and stresses depend on, 16 digits.

        The version of the calculator is part of it. What only decides how far a relaxation goes
        is not: the last single point of a relaxation is like any other.
        """
        return hash_of(
            {name: value for name, value in self.to_mapping().items() if name not in _RELAXATION},
            self.version,
        )

    def task_digest(self, task: str) -> str:
        """Return a hash of all that the result of a task depends on, 16 digits."""
        return self.digest() if task == 'static' else hash_of(self.to_mapping(), self.version)


_RELAXATION = ('fmax', 'smax', 'restarts', 'max_steps', 'symmetry_tolerance')
_TINY = 1e-12
_RANGES = {
    'cutoff': Range(50.0, 5000.0, 'between 50 and 5000 eV'),
    'k_spacing': Range(0.01, 10.0, 'between 0.01 and 10 Å⁻¹'),
    'smallest_mesh': Range(1, 100, 'between 1 and 100'),
    'smearing_width': Range(_TINY, 5.0, 'positive and at most 5 eV'),
    'spin_fraction': Range(0.0, 1.0, 'between 0 and 1'),
    'fmax': Range(_TINY, math.inf, 'positive'),
    'smax': Range(_TINY, math.inf, 'positive'),
    'restarts': Range(0, math.inf, 'not negative'),
    'max_steps': Range(1, math.inf, 'at least 1'),
    'symmetry_tolerance': Range(0.0, 0.5, 'between 0 and 0.5 Å'),
}


def _check_calculator(name: str) -> None:
    """Refuse what is no calculator of ASE."""
    if name in _PACKAGES:
        return
    from ase.calculators.calculator import external_calculators, names  # type: ignore[attr-defined]

    if name not in names and name not in external_calculators:
        raise InputError(
            f'DFT setting calculator={name!r}: not a calculator of ASE; known: gpaw, emt, '
            f'{", ".join(UNIVERSAL)}, '
            f'{", ".join(sorted(set(names) - set(_PACKAGES)))}'
        )


def _installed(package: str) -> str:
    """Return the version of a package, or a word that says there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return 'missing'


def hash_of(settings: Mapping[str, Any], version_: str) -> str:
    """Return a hash of settings, 16 digits; 1 and 1.0 are the same number."""
    plain = json.loads(json.dumps(settings), parse_int=float)
    text = json.dumps([_RULES, version_, plain], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
