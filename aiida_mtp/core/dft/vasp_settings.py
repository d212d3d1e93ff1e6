"""How VASP is to compute: a few words for what every screen decides, and INCAR for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiida_mtp.core.dft.magnetism import MOMENTS, SPINS
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ISMEAR = {'tetrahedron': -5, 'fermi-dirac': -1, 'gaussian': 0, 'methfessel-paxton': 1}
CUTOFF_FACTOR = 1.3  # of the largest ENMAX: what a cell that changes its volume asks for
MAGNETISM = ('ispin', 'magmom', 'lorbit')  # what differs between the magnetic states of a label
OURS = ('encut', 'ismear', 'sigma', 'ediff', 'nsw', 'ibrion', 'isif', 'ediffg', *MAGNETISM)
_RANGES = {
    'cutoff': (1.0, 1e5, 'positive'),
    'k_spacing': (1e-3, 10.0, 'positive, in 1/Å'),
    'smearing_width': (1e-4, 10.0, 'positive, in eV'),
    'energy_tolerance': (1e-12, 1.0, 'positive, in eV'),
    'fmax': (1e-6, 10.0, 'positive, in eV/Å'),
    'restarts': (1, 100, 'at least 1'),
    'max_steps': (1, 10_000, 'at least 1'),
}
_INTEGERS = ('restarts', 'max_steps')


@dataclass(frozen=True)
class VaspSettings(Settings):
    """Settings of single points and relaxations with VASP.

    Parameters
    ----------
    potential_family
        Name of the potentials, as they were uploaded to AiiDA.
    potential_mapping
        Name of the potential by element, such as ``Ti: Ti_pv``; by default that of the element.
    cutoff
        ENCUT, eV; by default 1.3 times the largest ENMAX of all elements of the screen, so that it
        is the same for all its structures.
    k_spacing
        Largest distance of k points along each reciprocal vector, 2π included, Å⁻¹.
    smearing
        Of the occupations: ``methfessel-paxton``, ``gaussian``, ``fermi-dirac``, ``tetrahedron``.
    smearing_width
        SIGMA, eV.
    spin
        ``none``; ``ferromagnetic``; ``antiferromagnetic``, neighbours antiparallel where the cell
        allows it; or ``lowest``, begun from each of these, and the lowest in energy counts.
    initial_moments
        By element, µB; by default those of Cr, Mn, Fe, Co and Ni.
    energy_tolerance
        EDIFF, eV.
    fmax
        A relaxation ends when no atom feels a larger force, eV/Å, and …
    restarts
        … begun anew from there, with the basis set of the cell it arrived at, hardly moves; at
        most so many times. A single point follows.
    max_steps
        Most steps of each.
    incar
        Further tags of the INCAR, in lower case.
    """

    kind: ClassVar[str] = 'VASP'

    potential_family: str = ''
    potential_mapping: Mapping[str, str] = field(default_factory=dict)
    cutoff: float | None = None
    k_spacing: float = 0.25
    smearing: str = 'methfessel-paxton'
    smearing_width: float = 0.15
    spin: str = 'none'
    initial_moments: Mapping[str, float] = field(default_factory=lambda: dict(MOMENTS))
    energy_tolerance: float = 1e-6
    fmax: float = 0.02
    restarts: int = 5
    max_steps: int = 60
    incar: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        if not self.potential_family:
            raise InputError(
                'VASP setting potential_family is missing: name the potentials, as '
                '`aiida-vasp potcar listfamilies` does'
            )
        for name, known in (('smearing', tuple(ISMEAR)), ('spin', SPINS)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f'VASP setting {name}={value!r}: one of {", ".join(known)}')
        for name, (low, high, requirement) in _RANGES.items():
            is_optional = name == 'cutoff'
            self.check_number(name, is_integer=name in _INTEGERS, is_optional=is_optional)
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f'VASP setting {name}={value}: it must be {requirement}')
        for name in ('potential_mapping', 'initial_moments', 'incar'):
            if not hasattr(getattr(self, name), 'keys'):
                raise InputError(f'VASP setting {name}={getattr(self, name)!r}: not a mapping')
        taken = sorted(tag for tag in self.incar if tag.lower() in OURS)
        if taken:
            raise InputError(
                f'VASP setting incar: {", ".join(taken)} follows from the other settings; change '
                'those'
            )

    def magnetism(self) -> dict[str, Any]:
        """Return what energies depend on beside the INCAR: the states begun from."""
        return {'spin': self.spin, 'initial_moments': dict(self.initial_moments)}

    def tags(self, cutoff: float, moments: Sequence[float]) -> dict[str, Any]:
        """Return the INCAR of a single point.

        Parameters
        ----------
        cutoff
            eV, where the settings leave it open.
        moments
            Initial moment of each atom, in the order of POSCAR, µB; without spin if all are zero.
        """
        spin: dict[str, Any] = {'ispin': 1}
        if any(moments):
            text = ' '.join(f'{moment:g}' for moment in moments)
            spin = {'ispin': 2, 'magmom': text, 'lorbit': 11}  # 11 writes the moments of the atoms
        return {
            'encut': self.cutoff or cutoff,
            'ismear': ISMEAR[self.smearing],
            'sigma': self.smearing_width,
            'ediff': self.energy_tolerance,
            'prec': 'accurate',
            'lreal': False,
            'lwave': False,
            'lcharg': False,
            **spin,
            **{tag.lower(): value for tag, value in self.incar.items()},
        }
