"""How Quantum ESPRESSO is to compute: a few words for what every screen decides, in eV and Å."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ase.units import Bohr, GPa, Rydberg

from aiida_mtp.core.dft.magnetism import MOMENTS, SPINS
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

SMEARINGS = ('marzari-vanderbilt', 'methfessel-paxton', 'gaussian', 'fermi-dirac')
KILOBAR = 0.1 * GPa
OURS = {  # what follows from the settings, by namelist
    'CONTROL': ('calculation', 'tprnfor', 'tstress', 'forc_conv_thr', 'etot_conv_thr', 'nstep'),
    'SYSTEM': (
        *('ecutwfc', 'ecutrho', 'occupations', 'smearing', 'degauss', 'nspin'),
        'starting_magnetization',
    ),
    'ELECTRONS': ('conv_thr',),
    'IONS': (),
    'CELL': ('press_conv_thr',),
}
_RELAXATION = ('fmax', 'smax', 'restarts', 'max_steps')
_RANGES = {
    'cutoff': (1.0, 1e5, 'positive, in eV'),
    'density_cutoff': (1.0, 1e6, 'positive, in eV'),
    'k_spacing': (1e-3, 10.0, 'positive, in 1/Å'),
    'smearing_width': (1e-4, 10.0, 'positive, in eV'),
    'energy_tolerance': (1e-12, 1.0, 'positive, in eV per atom'),
    'fmax': (1e-6, 10.0, 'positive, in eV/Å'),
    'smax': (1e-7, 1.0, 'positive, in eV/Å³'),
    'restarts': (1, 100, 'at least 1'),
    'max_steps': (1, 10_000, 'at least 1'),
}
_INTEGERS = ('restarts', 'max_steps')
_OPTIONAL = ('cutoff', 'density_cutoff')


@dataclass(frozen=True)
class EspressoSettings(Settings):
    """Settings of single points and relaxations with Quantum ESPRESSO.

    Parameters
    ----------
    pseudo_family
        Name of the pseudopotentials, as aiida-pseudo has installed them.
    cutoff, density_cutoff
        Of the wave functions and of the density, eV; by default the largest that the family
        recommends for any element of the screen, so that it is the same for all its structures.
    k_spacing
        Largest distance of k points along each reciprocal vector, 2π included, Å⁻¹.
    smearing
        Of the occupations: ``marzari-vanderbilt``, ``methfessel-paxton``, ``gaussian`` or
        ``fermi-dirac``.
    smearing_width
        eV.
    spin
        ``none``; ``ferromagnetic``; ``antiferromagnetic``, neighbours antiparallel where the cell
        allows it; or ``lowest``, begun from each of these, and the lowest in energy counts.
    initial_moments
        By element, µB; by default those of Cr, Mn, Fe, Co and Ni.
    energy_tolerance
        Of self-consistency, eV per atom.
    fmax, smax
        A relaxation ends when no force is larger, eV/Å, and no stress, eV/Å³, …
    restarts
        … also with the basis set and the k points of the cell it arrived at; it is begun anew from
        there at most so many times.
    max_steps
        Most steps of each.
    namelists
        Further parameters, such as ``{ELECTRONS: {mixing_beta: 0.3}}``.
    """

    kind: ClassVar[str] = 'Quantum ESPRESSO'

    pseudo_family: str = ''
    cutoff: float | None = None
    density_cutoff: float | None = None
    k_spacing: float = 0.25
    smearing: str = 'marzari-vanderbilt'
    smearing_width: float = 0.2
    spin: str = 'none'
    initial_moments: Mapping[str, float] = field(default_factory=lambda: dict(MOMENTS))
    energy_tolerance: float = 1e-7
    fmax: float = 0.02
    smax: float = 0.002
    restarts: int = 5
    max_steps: int = 60
    namelists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        if not self.pseudo_family:
            raise InputError(
                'Quantum ESPRESSO setting pseudo_family is missing: name the pseudopotentials, as '
                '`aiida-pseudo list` does'
            )
        for name, known in (('smearing', SMEARINGS), ('spin', SPINS)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f'{self.kind} setting {name}={value!r}: one of {", ".join(known)}')
        for name, (low, high, requirement) in _RANGES.items():
            is_integer, is_optional = name in _INTEGERS, name in _OPTIONAL
            self.check_number(name, is_integer=is_integer, is_optional=is_optional)
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f'{self.kind} setting {name}={value}: it must be {requirement}')
        if not hasattr(self.initial_moments, 'keys'):
            given = self.initial_moments
            raise InputError(f'{self.kind} setting initial_moments={given!r}: not a mapping')
        self._check_namelists()

    def _check_namelists(self) -> None:
        """Refuse what is no namelist, and parameters that other settings decide."""
        if not hasattr(self.namelists, 'items'):
            raise InputError(f'{self.kind} setting namelists={self.namelists!r}: not a mapping')
        for name, values in self.namelists.items():
            if name not in OURS or not hasattr(values, 'keys'):
                raise InputError(
                    f'{self.kind} setting namelists: {name}; it must have parameters in '
                    f'{", ".join(OURS)}'
                )
            taken = sorted(set(values) & set(OURS[name]))
            if taken:
                raise InputError(
                    f'{self.kind} setting namelists: {name}.{taken[0]} follows from the other '
                    'settings; change those'
                )

    def what_counts(self) -> dict[str, Any]:
        """Return what energies depend on, beside cutoffs that are left open."""
        return {name: v for name, v in self.to_mapping().items() if name not in _RELAXATION}

    def parameters(
        self,
        task: str,
        n_atoms: int,
        cutoffs: tuple[float, float],
        magnetization: Mapping[str, float],
    ) -> dict[str, dict[str, Any]]:
        """Return the namelists of a task.

        Parameters
        ----------
        task
            ``static`` or ``relax``.
        cutoffs
            Of the wave functions and of the density, eV.
        magnetization
            Initial polarisation of each kind of atoms, −1 to 1; without spin if all are zero.
        """
        cutoff, density_cutoff = cutoffs
        energy_tolerance = self.energy_tolerance * n_atoms / Rydberg
        found: dict[str, dict[str, Any]] = {
            'CONTROL': {'calculation': 'scf', 'tprnfor': True, 'tstress': True},
            'SYSTEM': {
                'ecutwfc': cutoff / Rydberg,
                'ecutrho': density_cutoff / Rydberg,
                'occupations': 'smearing',
                'smearing': self.smearing,
                'degauss': self.smearing_width / Rydberg,
            },
            'ELECTRONS': {'conv_thr': energy_tolerance, 'electron_maxstep': 100},
        }
        if any(magnetization.values()):
            found['SYSTEM'] |= {'nspin': 2, 'starting_magnetization': dict(magnetization)}
        if task == 'relax':
            found['CONTROL'] |= {
                'calculation': 'vc-relax',
                'nstep': self.max_steps,
                'forc_conv_thr': self.fmax / (Rydberg / Bohr),
                'etot_conv_thr': 100.0 * energy_tolerance,
            }
            found['CELL'] = {'press_conv_thr': self.smax / KILOBAR}
        for name, values in self.namelists.items():
            if task == 'relax' or name not in {'IONS', 'CELL'}:
                found.setdefault(name, {}).update(values)
        return found
