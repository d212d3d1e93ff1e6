"""What a training minimises, and when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.names import MAGNETIC_STATES
from aiida_mtp.core.settings import Settings

BAD_FRAMES = ('weight', 'drop')


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """Settings of the training of a potential.

    The loss is MLIP's: the mean over configurations of
    ``energy_weight · ΔE² / N + force_weight · Σ |ΔF|² + stress_weight · Σ ΔS² / N``, for N atoms,
    energies of the cell in eV, forces in eV/Å, and S the stress times the volume, in eV.

    Parameters
    ----------
    energy_weight, force_weight, stress_weight
        Weights of the three kinds of labels; 0 leaves a kind out.
    force_limit
        A frame with a larger force is bad, eV/Å; null accepts all.
    stress_limit
        A frame with a larger component of the stress is bad, eV/Å³; null accepts all.
    bad_frames
        ``weight`` gives a bad frame the weight (limit / largest force)², or the same of the
        stress; ``drop`` leaves it out.
    outlier_limit
        If given, a structure is left out whose energy is further off than so many times the
        typical error, and than 0.05 eV/atom, once the rest is fitted: two labels of one structure
        that contradict each other spoil all others. Null keeps all, as a screen must: what it has
        just met for the first time is off at first.
    magnetic_state
        If given, a structure that was labelled from several magnetic states is left out where
        another than this one is lowest: energies that jump between states spoil the training.
    energy_window
        If given, a structure at the energy e above the lowest mixture of the training set has
        the weight exp(−e / `energy_window`), eV/atom.
    min_window_weight
        The least weight the window gives.
    max_iterations
        Most steps of the minimisation, from each start.
    tolerance
        It stops when the loss falls by less than this fraction in several steps.
    n_starts
        Number of random starts of which the best goes on; a training that begins with a
        potential has that start only.
    start_iterations
        Steps of each start before the best is chosen.
    seed
        Of the random starts and of the folds of the validation.
    ridge
        Strength of the pull of coefficients towards zero and of the radial functions of different
        pairs of species towards each other: it decides what the data leave open.
    radial_basis_size
        Chebyshev polynomials of each radial function of a new potential: fewer of them ask for
        less data.
    n_folds
        Parts of the cross-validation; 0 leaves it out.
    fold_iterations
        Most steps of the minimisation without one of the parts.
    """

    kind: ClassVar[str] = 'training'

    energy_weight: float = 1.0
    force_weight: float = 0.01
    stress_weight: float = 0.001
    force_limit: float | None = 20.0
    stress_limit: float | None = 1.0
    bad_frames: str = 'weight'
    outlier_limit: float | None = None
    magnetic_state: str | None = None
    energy_window: float | None = None
    min_window_weight: float = 0.01
    max_iterations: int = 200
    tolerance: float = 1e-3
    n_starts: int = 3
    start_iterations: int = 10
    seed: int = 0
    ridge: float = 1e-6
    radial_basis_size: int = 8
    n_folds: int = 5
    fold_iterations: int = 3

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        self.check_types()
        for name, (is_valid, requirement) in {
            'energy_weight': (self.energy_weight > 0, 'positive'),
            'force_weight': (self.force_weight >= 0, 'not negative'),
            'stress_weight': (self.stress_weight >= 0, 'not negative'),
            'force_limit': (_absent_or_positive(self.force_limit), 'positive or null'),
            'stress_limit': (_absent_or_positive(self.stress_limit), 'positive or null'),
            'bad_frames': (self.bad_frames in BAD_FRAMES, ' or '.join(BAD_FRAMES)),
            'outlier_limit': (_absent_or_positive(self.outlier_limit), 'positive or null'),
            'magnetic_state': (
                self.magnetic_state in (None, *MAGNETIC_STATES),
                ' or '.join(MAGNETIC_STATES),
            ),
            'energy_window': (_absent_or_positive(self.energy_window), 'positive or null'),
            'min_window_weight': (0 <= self.min_window_weight <= 1, 'between 0 and 1'),
            'max_iterations': (self.max_iterations >= 0, 'not negative'),
            'tolerance': (0 < self.tolerance < 1, 'between 0 and 1'),
            'n_starts': (self.n_starts >= 1, 'at least 1'),
            'start_iterations': (self.start_iterations >= 0, 'not negative'),
            'seed': (self.seed >= 0, 'not negative'),
            'ridge': (self.ridge > 0, 'positive'),
            'radial_basis_size': (self.radial_basis_size >= 2, 'at least 2'),
            'n_folds': (self.n_folds == 0 or self.n_folds >= 2, '0 or at least 2'),
            'fold_iterations': (self.fold_iterations >= 1, 'at least 1'),
        }.items():
            if not is_valid:
                value = getattr(self, name)
                raise InputError(f'{self.name_of(name)}={value!r}: it must be {requirement}')


def _absent_or_positive(value: float | None) -> bool:
    return value is None or value > 0
