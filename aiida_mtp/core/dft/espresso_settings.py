"""How Quantum ESPRESSO is to compute: a few words for what every screen decides, in eV and Å."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ase.units import Bohr, GPa, Rydberg

from aiida_mtp.core.dft.plane_waves import PlaneWaveSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Range

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    'density_cutoff': Range(1.0, 1e6, 'positive, in eV'),
    'smax': Range(1e-7, 1.0, 'positive, in eV/Å³'),
}


@dataclass(frozen=True)
class EspressoSettings(PlaneWaveSettings):
    """Settings of single points and relaxations with Quantum ESPRESSO.

    Parameters
    ----------
    cutoff, density_cutoff
        Of the wave functions and of the density, eV; by default the largest that the family
        recommends for any element of the screen.
    smearing, smearing_width
        ``marzari-vanderbilt``, ``methfessel-paxton``, ``gaussian`` or ``fermi-dirac``, and its
        width, eV.
    energy_tolerance
        Of self-consistency, eV per atom.
    fmax, smax
        A relaxation ends when no force is larger, eV/Å, and no stress, eV/Å³.
    k_spacing, spin, initial_moments, restarts, max_steps
        As for `PlaneWaveSettings`.
    pseudo_family
        Name of the pseudopotentials, as aiida-pseudo has installed them.
    namelists
        Further parameters, such as ``{ELECTRONS: {mixing_beta: 0.3}}``.
    """

    kind: ClassVar[str] = 'Quantum ESPRESSO'
    smearings: ClassVar[tuple[str, ...]] = (
        'marzari-vanderbilt',
        'methfessel-paxton',
        'gaussian',
        'fermi-dirac',
    )

    density_cutoff: float | None = None
    smearing: str = 'marzari-vanderbilt'
    smearing_width: float = 0.2
    energy_tolerance: float = 1e-7
    smax: float = 0.002
    pseudo_family: str = ''
    namelists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        super().__post_init__()
        self.check_named('pseudo_family', 'aiida-pseudo list')
        self.check_ranges(_RANGES)
        self._check_namelists()

    def _check_namelists(self) -> None:
        """Refuse what is no namelist, and parameters that other settings decide."""
        for name, values in self.namelists.items():
            if name not in OURS or not hasattr(values, 'keys'):
                raise InputError(
                    f'{self.name_of("namelists")}: {name}; it must have parameters in '
                    f'{", ".join(OURS)}'
                )
            taken = sorted(set(values) & set(OURS[name]))
            if taken:
                raise InputError(
                    f'{self.name_of("namelists")}: {name}.{taken[0]} follows from the other '
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
