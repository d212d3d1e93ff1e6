"""What a report of a screen is written from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core.screening.reference_hull import Comparison
    from aiida_mtp.core.structures import StructureBatch

DONE = 'done'  # status of a structure that DFT has relaxed
STABLE = 1e-6  # eV/atom: what is this close to the hull is printed as on it


@dataclass(frozen=True)
class LearningStep:
    """One training of a potential.

    Parameters
    ----------
    n_training
        Configurations in the training set.
    rmse, rmse_validation
        Root mean square error of the energies of structures trained on, and of structures left
        out, eV/atom; NaN if unknown.
    """

    n_training: int
    rmse: float = float('nan')
    rmse_validation: float = float('nan')


@dataclass(frozen=True)
class StageReport:
    """What a potential did in one stage.

    Parameters
    ----------
    name
        What the stage is called, such as ``Screen-1``.
    structures
        Every structure that entered, relaxed by the potential: energies, statuses and, if there
        is, the column `grade`. They need not be given; then no picture has points of this stage.
    reasons
        Number of structures by reason (``kept``, ``above_hull`` …); they add up to all.
    statuses
        Number of structures by the outcome of their relaxation.
    sigma
        Error of the energies that was assumed, eV/atom.
    reach
        How far above the hull structures were kept, eV/atom.
    n_iterations
        Rounds of learning.
    n_training
        Configurations in the training set at the end.
    potential
        Its description, such as ``level`` → ``16``.
    errors
        Errors of the potential: name, unit included → value.
    learning
        The trainings, in their order.
    """

    name: str
    reasons: Mapping[str, int]
    statuses: Mapping[str, int]
    sigma: float
    reach: float
    n_iterations: int
    n_training: int
    structures: StructureBatch | None = None
    potential: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    learning: tuple[LearningStep, ...] = ()

    @property
    def n_structures(self) -> int:
        """Number of structures that entered."""
        return sum(self.reasons.values())

    @property
    def n_kept(self) -> int:
        """Number of structures that went on."""
        return self.reasons.get('kept', 0)


@dataclass(frozen=True)
class RiskReport:
    """What the final stage leaves in doubt.

    Parameters
    ----------
    steps
        Number of candidates by what is known of them (``predicted``, ``labelled``, ``relaxed`` …).
    expected_missed
        Number of structures to be expected below the hull among those DFT has not relaxed.
    bound
        Number of which, with 95 % confidence, there are no more.
    limit
        The expected number at which it is enough.
    error, gain
        Typical error of the potential's energies, and what DFT still gains where the potential has
        relaxed, eV/atom.
    audit
        What the labels of a random sample say: `n_audited`, `n_found` below the hull, `n_rest` of
        the same kind, and the `bound` on those among the rest.
    expected
        `expected_missed` of each round.
    """

    steps: Mapping[str, int]
    expected_missed: float
    bound: int
    limit: float
    error: float
    gain: float
    audit: Mapping[str, float]
    expected: tuple[float, ...] = ()


@dataclass(frozen=True)
class ScreenReport:
    """What a screen found, and how.

    Parameters
    ----------
    hull
        All that DFT relaxed, with energies, statuses (``done`` where it succeeded) and the columns
        `formation_energy` and `e_above_hull` (eV/atom); if there are, `label_process` (uuid),
        `seconds` and `magnetic_moment` (µB per cell). Its species are the elements of the system.
    n_candidates
        Structures that entered the screen.
    n_labels
        DFT single points the potentials were trained on.
    failed_labels
        Structures DFT could not label, if there are any.
    label_seconds
        What these took, s; NaN if unknown.
    training_seconds, relaxing_seconds
        What training took, and what else was done with potentials: relaxing and selecting, s; NaN
        if unknown.
    stages
        The stages, in their order.
    risk
        What may have been missed, if it was judged.
    published
        Formation energies to compare with: formula → eV/atom and source.
    comparison
        What a reference hull says of the same system, if one was given.
    settings
        Tables of settings: title → name → value.
    provenance
        Where the numbers are kept: name → value, such as ``screen`` → pk and uuid.
    commands
        Command lines that lead from the report to the data behind it, each with its purpose.
    finished
        When the screen finished, as text.
    """

    hull: StructureBatch
    n_candidates: int
    n_labels: int = 0
    failed_labels: StructureBatch | None = None
    label_seconds: float = float('nan')
    training_seconds: float = float('nan')
    relaxing_seconds: float = float('nan')
    stages: tuple[StageReport, ...] = ()
    risk: RiskReport | None = None
    published: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    comparison: Comparison | None = None
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[tuple[str, str], ...] = ()
    finished: str = ''

    @property
    def elements(self) -> tuple[str, ...]:
        """The system."""
        return self.hull.species

    @property
    def n_relaxed(self) -> int:
        """Number of structures DFT was asked to relax, elements included."""
        return len(self.hull)

    def final_seconds(self) -> float:
        """Return what the final relaxations took, s; NaN if unknown."""
        seconds = np.asarray(self.hull.column('seconds'), dtype=np.float64)
        return float(np.nansum(seconds)) if np.isfinite(seconds).any() else float('nan')

    def spent_seconds(self) -> float:
        """Return what the whole screen took, s; NaN if the cost of DFT is unknown."""
        known = [self.training_seconds, self.relaxing_seconds]
        labels = self.label_seconds if self.n_labels else 0.0
        return self.final_seconds() + labels + float(np.nansum(known))

    def brute_force_seconds(self) -> float:
        """Estimate what relaxing every candidate with DFT would have taken, s.

        The mean cost of the final relaxations times the number of candidates. It is a low estimate:
        the survivors of a screen start from better geometries than prototypes do.
        """
        return self.final_seconds() / max(self.n_relaxed, 1) * self.n_candidates
