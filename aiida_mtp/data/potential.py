"""A moment tensor potential in a node."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.orm import Data

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida_mtp.core.potential.model import MtpModel


class MtpPotentialData(Data):
    """A potential: `potential.mtp` and, with an active set, `potential.almtp`.

    As attributes, for queries: `species`, `level`, `cutoff` (Å), `min_dist` (Å), `n_parameters`,
    `has_active_set`, `n_training`, and `errors` of its training: `energy_rmse` (eV/atom),
    `force_rmse` (eV/Å) and so on.
    """

    POTENTIAL = 'potential.mtp'
    ACTIVE_SET = 'potential.almtp'

    @classmethod
    def from_mtp(cls, model: MtpModel) -> MtpPotentialData:
        """Return a new node, not stored, of a potential without an active set."""
        from aiida_mtp.core.potential.mlip import write_potential

        node = cls()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / cls.POTENTIAL
            write_potential(path, model)
            node.base.repository.put_object_from_file(str(path), cls.POTENTIAL)
        node.describe(model)
        return node

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        report: dict[str, Any] | None = None,
        species: list[str] | None = None,
    ) -> MtpPotentialData:
        """Return a new node, not stored, of a file of MLIP.

        Parameters
        ----------
        path
            ``.mtp``, ``.almtp`` or ``.als``.
        report
            That of its training.
        species
            Names of the species, where the file has none.

        Raises
        ------
        InputError
            If the file is not a potential.
        """
        from aiida_mtp.core.active.state_files import read_active_state, write_active_state
        from aiida_mtp.core.potential.mlip import read_potential

        model = read_potential(path, species)
        node = cls.from_mtp(model)
        active_set = read_active_state(path, model)
        if active_set and Path(path).suffix == '.almtp' and not species:
            node.base.repository.put_object_from_file(str(path), cls.ACTIVE_SET)
        elif active_set:
            with tempfile.TemporaryDirectory() as folder:  # names stand in the file itself
                renamed = Path(folder) / cls.ACTIVE_SET
                write_active_state(renamed, model, active_set)
                node.base.repository.put_object_from_file(str(renamed), cls.ACTIVE_SET)
        node.describe(model, report)
        return node

    def describe(self, model: MtpModel, report: dict[str, Any] | None = None) -> None:
        """Set the attributes of a node that is not stored yet."""
        report = report or {}
        self.base.attributes.set_many(
            {
                'species': list(model.species),
                'level': model.level,
                'cutoff': float(model.max_dist),
                'min_dist': float(model.min_dist),
                'n_parameters': model.n_parameters,
                'has_active_set': self.ACTIVE_SET in self.base.repository.list_object_names(),
                'n_training': report.get('n_structures'),
                'errors': _errors(report),
            }
        )

    def _validate(self) -> bool:
        super()._validate()
        if self.POTENTIAL not in self.base.repository.list_object_names():
            raise InputError('make an MtpPotentialData with from_file or from_mtp')
        return True

    def get_model(self) -> MtpModel:
        """Return the potential."""
        from aiida_mtp.core.potential.mlip import parse_potential

        return parse_potential(self.base.repository.get_object_content(self.POTENTIAL, mode='r'))

    def write(self, path: str | Path) -> None:
        """Write the file of MLIP that the suffix asks for.

        Raises
        ------
        InputError
            If an active set is asked for and there is none.
        """
        from aiida_mtp.core.files.atomic import atomic_path

        name = self.ACTIVE_SET if Path(path).suffix == '.almtp' else self.POTENTIAL
        if name not in self.base.repository.list_object_names():
            raise InputError(f'{path}: this potential has no active set; export it as .mtp')
        with atomic_path(path) as temporary:
            temporary.write_bytes(self.base.repository.get_object_content(name, mode='rb'))

    @property
    def species(self) -> list[str]:
        """Names of the species."""
        return list(self.base.attributes.get('species'))

    @property
    def level(self) -> int:
        """Level of the basis."""
        return int(self.base.attributes.get('level'))

    @property
    def cutoff(self) -> float:
        """Cutoff radius, Å."""
        return float(self.base.attributes.get('cutoff'))

    @property
    def errors(self) -> dict[str, float]:
        """Errors on the training set, by name."""
        return dict(self.base.attributes.get('errors'))

    @property
    def has_active_set(self) -> bool:
        """Whether extrapolation can be told."""
        return bool(self.base.attributes.get('has_active_set'))

    @property
    def best_file(self) -> str:
        """Name of the file with all there is."""
        return self.ACTIVE_SET if self.has_active_set else self.POTENTIAL


def _errors(report: dict[str, Any]) -> dict[str, float]:
    """Return the errors in the report of a training by the names of the attributes."""
    names = {'energy': 'energy', 'forces': 'force', 'stress': 'stress'}
    found = {
        f'{name}_{measure}': report[key][measure]
        for key, name in names.items()
        for measure in ('rmse', 'mae', 'max')
        if key in report
    }
    found['energy_rmse_validation'] = report.get('energy_rmse_validation')
    return {name: float(value) for name, value in found.items() if value is not None}
