"""How VASP is to compute: a few words for what every screen decides, and INCAR for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiida_mtp.core.dft.plane_waves import PlaneWaveSettings
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ISMEAR = {'tetrahedron': -5, 'fermi-dirac': -1, 'gaussian': 0, 'methfessel-paxton': 1}
CUTOFF_FACTOR = 1.3  # of the largest ENMAX: what a cell that changes its volume asks for
MAGNETISM = ('ispin', 'magmom', 'lorbit')  # what differs between the magnetic states of a label
OURS = ('encut', 'ismear', 'sigma', 'ediff', 'nsw', 'ibrion', 'isif', 'ediffg', *MAGNETISM)


@dataclass(frozen=True)
class VaspSettings(PlaneWaveSettings):
    """Settings of single points and relaxations with VASP.

    A relaxation is begun anew until the cell hardly moves; a single point follows.

    Parameters
    ----------
    cutoff
        ENCUT, eV; by default 1.3 times the largest ENMAX of all elements of the screen.
    smearing, smearing_width
        ISMEAR (``methfessel-paxton``, ``gaussian``, ``fermi-dirac`` or ``tetrahedron``) and SIGMA.
    energy_tolerance
        EDIFF, eV.
    k_spacing, spin, initial_moments, fmax, restarts, max_steps
        As for `PlaneWaveSettings`.
    potential_family
        Name of the potentials, as they were uploaded to AiiDA.
    potential_mapping
        Name of the potential by element, such as ``Ti: Ti_pv``; by default that of the element.
    incar
        Further tags of the INCAR, in lower case.
    """

    kind: ClassVar[str] = 'VASP'
    smearings: ClassVar[tuple[str, ...]] = tuple(ISMEAR)

    potential_family: str = ''
    potential_mapping: Mapping[str, str] = field(default_factory=dict)
    incar: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        super().__post_init__()
        self.check_named('potential_family', 'aiida-vasp potcar listfamilies')
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
