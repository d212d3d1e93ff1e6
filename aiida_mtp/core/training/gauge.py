"""Other coefficients for the same energies, but for what each atom has by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial.chebyshev import chebpts1, chebvander

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.potential.model import MtpModel


def in_standard_gauge(model: MtpModel, min_dist: float) -> MtpModel:
    """Return the same potential with radial functions of standard size and another `min_dist`.

    The energy does not change when a radial function is divided by a number and the coefficient
    of each basis function is multiplied by that number once for each moment in it that has this
    radial function. As in a new potential, the squares of the radial coefficients of a function
    then add up to one on average over pairs of species, at the same scaling. Chebyshev
    polynomials of one range are sums of those of the same degrees of another, so no energy
    changes with `min_dist` either.
    """
    size = model.radial_coeffs.shape[-1]
    scaling = 1.0 / (model.max_dist - min_dist) ** 2
    points = chebpts1(size)
    r = 0.5 * ((model.max_dist - min_dist) * points + model.max_dist + min_dist)
    before = (2.0 * r - model.min_dist - model.max_dist) / (model.max_dist - model.min_dist)
    change = np.linalg.solve(chebvander(points, size - 1), chebvander(before, size - 1))
    radial = (model.scaling / scaling) * np.einsum('lk,ijmk->ijml', change, model.radial_coeffs)
    norms = np.sqrt((radial**2).sum(axis=(0, 1, 3)) / len(model.species) ** 2)
    norms[norms == 0.0] = 1.0
    return replace(
        model,
        min_dist=min_dist,
        scaling=scaling,
        radial_coeffs=np.ascontiguousarray(radial / norms[:, None]),
        moment_coeffs=model.moment_coeffs * _products(model, norms),
    )


def shifted(model: MtpModel, energies: Floats) -> MtpModel:
    """Return a potential with energies added for each atom of a species, shape (n_species,), eV."""
    return replace(model, species_coeffs=model.species_coeffs + energies)


def _products(model: MtpModel, norms: Floats) -> Floats:
    """Return the product of the sizes of all radial functions in each basis function."""
    tables = model.tables
    factors = np.ones(tables.n_moments)
    factors[: len(tables.alpha_index_basic)] = norms[tables.alpha_index_basic[:, 0]]
    for a, b, _, d in tables.alpha_index_times:
        factors[d] = factors[a] * factors[b]
    products: Floats = factors[tables.alpha_moment_mapping]
    return products
