"""A moment tensor potential: its basis and its coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.potential.tables import MtpTables, make_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiida_mtp.core._typing import Floats


@dataclass(frozen=True)
class MtpModel:
    """A moment tensor potential.

    Parameters
    ----------
    species
        Names of the species, in the order of the coefficients.
    tables
        The basis.
    min_dist, max_dist
        Where the radial functions begin to make sense, and where they end, Å.
    scaling
        Factor of all radial functions.
    radial_coeffs
        shape (n_species, n_species, n_radial, basis_size), of centre and neighbour.
    species_coeffs
        shape (n_species,), eV.
    moment_coeffs
        shape (n_scalar,), eV.
    """

    species: tuple[str, ...]
    tables: MtpTables
    min_dist: float
    max_dist: float
    scaling: float
    radial_coeffs: Floats
    species_coeffs: Floats
    moment_coeffs: Floats

    def __post_init__(self) -> None:
        """Refuse coefficients that do not fit the basis."""
        n = len(self.species)
        if len(set(self.species)) < n or not n:
            raise InputError(f'species {", ".join(self.species) or "none"}: name each one once')
        if not 0 <= self.min_dist < self.max_dist:
            raise InputError(
                f'min_dist {self.min_dist} must lie between 0 and the cutoff {self.max_dist}'
            )
        if not (math.isfinite(self.max_dist) and math.isfinite(self.scaling)):
            raise InputError(f'cutoff {self.max_dist} and scaling {self.scaling} must be finite')
        radial = self.radial_coeffs.shape
        if len(radial) != 4 or radial[:3] != (n, n, self.tables.n_radial) or radial[3] < 2:
            raise ValueError(
                f'radial_coeffs has shape {radial}, '
                f'not ({n}, {n}, {self.tables.n_radial}, radial_basis_size)'
            )
        if self.species_coeffs.shape != (n,):
            raise ValueError(f'species_coeffs has shape {self.species_coeffs.shape}, not ({n},)')
        if self.moment_coeffs.shape != (self.tables.n_scalar,):
            raise ValueError(
                f'moment_coeffs has shape {self.moment_coeffs.shape}, not ({self.tables.n_scalar},)'
            )

    @property
    def level(self) -> int:
        """Level of the basis, 0 if it is not one of the generated ones."""
        return self.tables.level

    @property
    def n_parameters(self) -> int:
        """Number of all coefficients."""
        return self.radial_coeffs.size + self.species_coeffs.size + self.moment_coeffs.size

    @property
    def coefficients(self) -> Floats:
        """All coefficients in MLIP's order: radial, species, moments; shape (n_parameters,)."""
        return np.concatenate(
            [self.radial_coeffs.reshape(-1), self.species_coeffs, self.moment_coeffs]
        )

    def with_coefficients(self, coefficients: Floats) -> MtpModel:
        """Return the same basis with other coefficients, in the order of `coefficients`."""
        n_radial, n_species = self.radial_coeffs.size, len(self.species)
        radial, species, moment = np.split(coefficients, [n_radial, n_radial + n_species])
        return replace(
            self,
            radial_coeffs=radial.reshape(self.radial_coeffs.shape).copy(),
            species_coeffs=species.copy(),
            moment_coeffs=moment.copy(),
        )

    def renamed(self, species: Sequence[str]) -> MtpModel:
        """Return the same potential with other names for its species.

        Raises
        ------
        InputError
            If the number of names is not that of the species.
        """
        if len(species) != len(self.species):
            raise InputError(
                f'the potential has {len(self.species)} species ({", ".join(self.species)}), '
                f'not {len(species)}: {", ".join(species)}'
            )
        return replace(self, species=tuple(species))


def initial_model(
    level: int,
    species: Sequence[str],
    cutoff: float,
    *,
    min_dist: float = 1.5,
    radial_basis_size: int = 8,
    seed: int = 0,
) -> MtpModel:
    """Return an untrained potential.

    Its radial functions are distinct and smooth. Its energies mean nothing, but all of its
    parameters count: dE/dθ tells how structures differ.

    Parameters
    ----------
    cutoff, min_dist
        Å.
    seed
        Of the moment coefficients, and of the small random part of the radial coefficients that
        tells the species apart.

    Raises
    ------
    InputError
        If an argument makes no sense.
    """
    tables = make_tables(level)
    if radial_basis_size < 2:
        raise InputError(f'radial_basis_size must be at least 2, not {radial_basis_size}')
    n = len(species)
    random = np.random.default_rng(seed)
    radial = 0.1 * random.uniform(-1.0, 1.0, (n, n, tables.n_radial, radial_basis_size))
    for mu in range(tables.n_radial):
        radial[:, :, mu, min(mu, radial_basis_size - 1)] += 1.0
    # φ grows as (r_max − r)²; this brings it to the order of one at short distances
    scaling = 1.0 / (cutoff - min_dist) ** 2 if cutoff > min_dist else 1.0
    return MtpModel(
        species=tuple(species),
        tables=tables,
        min_dist=min_dist,
        max_dist=cutoff,
        scaling=scaling,
        radial_coeffs=radial,
        species_coeffs=np.zeros(n),
        moment_coeffs=random.uniform(-1.0, 1.0, tables.n_scalar),
    )


def raised(model: MtpModel, level: int, *, seed: int = 0) -> MtpModel:
    """Return an untrained potential of a higher level with the radial functions of a trained one.

    Where a training of the higher level ends depends on its radial functions above all: from these
    it is there in a few of its long steps, and the way to them was short.

    Parameters
    ----------
    seed
        Of what the lower level does not have.

    Raises
    ------
    InputError
        If the level is lower than that of the potential, or does not exist.
    """
    if level < model.level:
        raise InputError(f'level {level} is below {model.level}, that of the potential')
    start = initial_model(
        level,
        model.species,
        model.max_dist,
        min_dist=model.min_dist,
        radial_basis_size=model.radial_coeffs.shape[3],
        seed=seed,
    )
    radial = start.radial_coeffs.copy()
    radial[:, :, : model.tables.n_radial] = model.radial_coeffs
    return replace(
        start,
        scaling=model.scaling,
        radial_coeffs=radial,
        species_coeffs=model.species_coeffs.copy(),
    )
