"""What a training minimises: the loss on the data plus a weak pull on the coefficients.

The pull decides what the data leave open, and vanishes against them as their number N grows:

    ridge/N · [ Σ |c_zz' − c̄|² + 0.01 Σ |c_zz'|² + Σ_s g_s · moment_coeffs[s]² ]

with the radial coefficients c_zz' of each pair of species, their mean c̄ over all pairs, and g_s
the mean square of the s-th basis function in the loss at the start. Pulling the pairs of species
towards each other, not towards zero, is what makes small sets of many species learnable: a pair
that is rare in the data behaves like the others. It also fixes the scale and the mixing of radial
functions that leave the energy unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.training.equations import solve_positive
from aiida_mtp.core.training.gram import normal_equations

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.potential.model import MtpModel
    from aiida_mtp.core.training.labels import TrainingData
    from aiida_mtp.core.training.workspace import Basis

TOWARDS_ZERO = 0.01  # pull of radial coefficients towards zero, in units of that to their mean
OF_SPECIES = 1e-9  # pull of species_coeffs towards zero, in units of their own curvature


@dataclass(frozen=True)
class State:
    """Coefficients, and how good they are.

    Parameters
    ----------
    radial
        shape (n_species, n_species, n_radial, basis_size).
    linear
        species_coeffs followed by moment_coeffs.
    loss
        On the data.
    value
        Of the objective: loss plus pull.
    """

    radial: Floats
    linear: Floats
    loss: float = np.inf
    value: float = np.inf

    @classmethod
    def of(cls, model: MtpModel) -> State:
        """Return the coefficients of a potential."""
        return cls(model.radial_coeffs, np.concatenate([model.species_coeffs, model.moment_coeffs]))

    def put_into(self, model: MtpModel) -> MtpModel:
        """Return a potential with these coefficients in place of its own."""
        return model.with_coefficients(np.concatenate([self.radial.ravel(), self.linear]))


@dataclass(frozen=True)
class Objective:
    """The function of the coefficients that is minimised.

    Parameters
    ----------
    data, basis
        What it is made of.
    chosen
        The structures it is the mean over.
    ridge
        Strength of the pull.
    curvature
        shape (n_linear,): mean squares of the columns of the linear coefficients in the loss.
    """

    data: TrainingData
    basis: Basis
    chosen: Ints
    ridge: float
    curvature: Floats

    @classmethod
    def scaled_at(
        cls, data: TrainingData, basis: Basis, chosen: Ints, ridge: float, start: State
    ) -> Objective:
        """Return the objective with the pull on linear coefficients scaled for a start."""
        equations = normal_equations(
            data, basis, start.radial, start.linear, with_radial=False, chosen=chosen
        )
        return cls(data, basis, chosen, ridge, np.diag(equations.matrix) / len(chosen))

    @property
    def n_configurations(self) -> int:
        """Number of structures in the mean."""
        return len(self.chosen)

    def radial_pull(self, size: int) -> Floats:
        """Return the strength of the pull on the coefficient of each polynomial, shape (size,)."""
        return np.full(size, self.ridge / self.n_configurations)

    def linear_pull(self, n_species: int) -> Floats:
        """Return the factor of the square of each linear coefficient, shape (n_linear,)."""
        pull = self.ridge / self.n_configurations * self.curvature
        pull[:n_species] = OF_SPECIES * self.curvature[:n_species]
        floor = max(float(self.curvature.max()), 1e-30) * 1e-12  # of what the data have not at all
        return np.maximum(pull, floor)

    def pull(self, state: State) -> tuple[float, Floats]:
        """Return the pull and half its gradient, shape (n_parameters,)."""
        mean = state.radial.mean(axis=(0, 1))
        radial = self.radial_pull(state.radial.shape[-1]) * (
            (1.0 + TOWARDS_ZERO) * state.radial - mean
        )
        linear = self.linear_pull(len(state.radial)) * state.linear
        value = float((radial * state.radial).sum() + (linear * state.linear).sum())
        return value, np.concatenate([radial.ravel(), linear])

    def expansion(self, state: State) -> tuple[State, Floats, Floats]:
        """Return the state with its values, JᵀJ and Jᵀr, pull included."""
        equations = normal_equations(
            self.data,
            self.basis,
            state.radial,
            state.linear,
            with_radial=True,
            chosen=self.chosen,
        )
        n = self.n_configurations
        matrix, vector, loss = equations.matrix / n, equations.vector / n, equations.loss / n
        pull, half_gradient = self.pull(state)
        self._add_pull(matrix, state.radial.shape)
        found = replace(state, loss=loss, value=loss + pull)
        return found, matrix, vector + half_gradient

    def _add_pull(self, matrix: Floats, shape: tuple[int, ...]) -> None:
        """Add the second derivative of the pull, halved, to a matrix for all coefficients."""
        n_species, _, n_functions, size = shape
        n_pairs, block = n_species**2, n_functions * size
        strength = np.tile(self.radial_pull(size), n_functions)
        diagonal = np.tile((1.0 + TOWARDS_ZERO) * strength, n_pairs)
        linear = self.linear_pull(n_species)
        matrix[np.diag_indices_from(matrix)] += np.concatenate([diagonal, linear])
        index = np.arange(block)
        for i in range(n_pairs):
            for j in range(n_pairs):
                matrix[i * block + index, j * block + index] -= strength / n_pairs

    def with_best_linear(self, state: State) -> State:
        """Return the state with the linear coefficients that are best for the radial ones."""
        equations = normal_equations(
            self.data,
            self.basis,
            state.radial,
            state.linear,
            with_radial=False,
            chosen=self.chosen,
        )
        n = self.n_configurations
        matrix, vector, loss = equations.matrix / n, equations.vector / n, equations.loss / n
        pull = self.linear_pull(len(state.radial))
        step = solve_positive(matrix + np.diag(pull), -(vector + pull * state.linear))
        best = replace(state, linear=state.linear + step)
        loss += float((step * (2.0 * vector + (matrix * step).sum(axis=1))).sum())
        return replace(best, loss=loss, value=loss + self.pull(best)[0])
