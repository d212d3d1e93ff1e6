"""What every plane-wave code is told alike, in eV and Å."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from aiida_mtp.core.dft.magnetism import MOMENTS, SPINS
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.settings import Range, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGES = {
    'cutoff': Range(1.0, 1e5, 'positive, in eV'),
    'k_spacing': Range(1e-3, 10.0, 'positive, in 1/Å'),
    'smearing_width': Range(1e-4, 10.0, 'positive, in eV'),
    'energy_tolerance': Range(1e-12, 1.0, 'positive, in eV'),
    'fmax': Range(1e-6, 10.0, 'positive, in eV/Å'),
    'restarts': Range(1, 100, 'at least 1'),
    'max_steps': Range(1, 10_000, 'at least 1'),
}


@dataclass(frozen=True)
class PlaneWaveSettings(Settings):
    """Settings that plane-wave codes have in common.

    Parameters
    ----------
    cutoff
        Of the wave functions, eV; by default what the potentials of all elements of the screen
        ask for, so that it is the same for all its structures.
    k_spacing
        Largest distance of k points along each reciprocal vector, 2π included, Å⁻¹.
    smearing
        Of the occupations, one of `smearings`.
    smearing_width
        eV.
    spin
        ``none``; ``ferromagnetic``; ``antiferromagnetic``, neighbours antiparallel where the cell
        allows it; or ``lowest``, begun from each of these, and the lowest in energy counts.
    initial_moments
        By element, µB; by default those of Cr, Mn, Fe, Co and Ni.
    energy_tolerance
        Of self-consistency, eV.
    fmax
        A relaxation ends when no atom feels a larger force, eV/Å, …
    restarts
        … also with the basis set and the k points of the cell it arrived at; it is begun anew from
        there at most so many times.
    max_steps
        Most steps of each.
    """

    smearings: ClassVar[tuple[str, ...]]

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

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        self.check_types()
        self.check_choice('smearing', self.smearings)
        self.check_choice('spin', SPINS)
        self.check_ranges(_RANGES)

    def check_named(self, name: str, command: str) -> None:
        """Refuse potentials without a name; `command` lists those there are."""
        if not getattr(self, name):
            raise InputError(
                f'{self.name_of(name)} is missing: name the potentials, as `{command}` does'
            )
