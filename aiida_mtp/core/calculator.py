"""A potential for ASE and pymatgen: no work chain, no file, only numbers.

`MtpCalculator` is a calculator of ASE, and so works in its dynamics and optimisers, and in
pymatgen's ``Structure.calculate`` and ``Structure.relax``. `predict` evaluates many structures of
either kind at once, on all threads.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from aiida_mtp.core.active.grade import evaluate_with_grades
from aiida_mtp.core.active.state_files import read_active_state
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pymatgen.core.structure import Structure

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.active.active_set import ActiveSet
    from aiida_mtp.core.potential.model import MtpModel


class CloserThanTrained(UserWarning):
    """Atoms are closer to each other than any in the training set of the potential."""


@dataclass(frozen=True)
class Prediction:
    """What a potential says of one structure.

    Parameters
    ----------
    energy
        Of the whole cell, eV.
    forces
        shape (n_atoms, 3), eV/Å.
    stress
        shape (6,), ASE's order and sign, eV/Å³.
    site_energies
        shape (n_atoms,), eV.
    grade
        Extrapolation grade; NaN without an active set.
    min_dist
        Smallest distance between two atoms, Å; infinite if none is within the cutoff.
    """

    energy: float
    forces: Floats
    stress: Floats
    site_energies: Floats
    grade: float
    min_dist: float


def predict(
    model: MtpModel,
    structures: Sequence[Structure | Atoms],
    active_set: ActiveSet | None = None,
) -> list[Prediction]:
    """Evaluate structures of pymatgen or ASE; atoms too close for the potential are warned about.

    Raises
    ------
    InputError
        If a structure has a species the potential does not know, or is not periodic.
    """
    images = [s if isinstance(s, Atoms) else s.to_ase_atoms() for s in structures]
    if not images:
        return []
    batch = StructureBatch.from_ase(images, model.species)
    found, grades = evaluate_with_grades(model, batch, active_set)
    _warn_if_close(model, found.min_dist)
    return [
        Prediction(
            energy=float(found.energies[s]),
            forces=found.forces[batch.atoms_of(s)],
            stress=found.stresses[s],
            site_energies=found.site_energies[batch.atoms_of(s)],
            grade=float(grades[s]),
            min_dist=float(found.min_dist[s]),
        )
        for s in range(len(batch))
    ]


def _warn_if_close(model: MtpModel, min_dist: Floats) -> None:
    closest = float(np.min(min_dist))
    if closest < model.min_dist:
        warnings.warn(
            f'atoms {closest:.3f} Å apart: the potential has been trained on distances above '
            f'{model.min_dist:.3f} Å, and knows nothing of closer ones',
            CloserThanTrained,
            stacklevel=3,
        )


class MtpCalculator(Calculator):
    """A moment tensor potential as a calculator of ASE.

    Beside ASE's own properties it computes ``grade``, the extrapolation grade, if there is an
    active set; ask for it with ``calc.get_property('grade', atoms)`` or ``calc.results['grade']``.

    Parameters
    ----------
    model
        The potential.
    active_set
        What its grades are measured by.
    """

    implemented_properties = ['energy', 'free_energy', 'energies', 'forces', 'stress', 'grade']  # noqa: RUF012 as ASE declares it
    nolabel = True

    def __init__(self, model: MtpModel, active_set: ActiveSet | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model, self.active_set = model, active_set

    @classmethod
    def from_file(cls, path: str | Path, species: Sequence[str] | None = None) -> MtpCalculator:
        """Read a ``.mtp``, ``.almtp`` or ``.als``; from the latter two the active set as well.

        Parameters
        ----------
        species
            Names of the species, for a file that only numbers them.
        """
        model = read_potential(path, species)
        return cls(model, read_active_state(path, model))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ('energy',),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the potential."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        (found,) = predict(self.model, [cast('Atoms', self.atoms)], self.active_set)
        self.results = {
            'energy': found.energy,
            'free_energy': found.energy,
            'energies': found.site_energies,
            'forces': found.forces,
            'stress': found.stress,
        }
        if self.active_set is not None:
            self.results['grade'] = found.grade
