"""A moment tensor potential as it is written down, one neighbour and one term after the other."""

import numpy as np

from reference.neighbors import neighbors


def chebyshev(degree, x):
    """T_k(x) and T'_k(x)."""
    series = np.polynomial.Chebyshev.basis(degree)
    return series(x), series.deriv()(x)


def site_energy(model, kind, vectors, kinds):
    """E_i and ∂E_i/∂r_ij, shape (n, 3), from the vectors to the neighbours and their types."""
    basics = model.tables.alpha_index_basic
    moments = np.zeros(model.tables.n_moments)
    slopes = np.zeros((model.tables.n_moments, len(vectors), 3))  # ∂M/∂r_ij
    low, high = model.min_dist, model.max_dist
    for j, (vector, other) in enumerate(zip(vectors, kinds, strict=True)):
        r = np.linalg.norm(vector)
        u = vector / r
        f, df = np.zeros(model.tables.n_radial), np.zeros(model.tables.n_radial)
        for k in range(model.radial_coeffs.shape[3]):
            t, dt = chebyshev(k, (2 * r - low - high) / (high - low))
            phi = model.scaling * t * (high - r) ** 2
            dphi = model.scaling * (dt * 2 / (high - low) * (high - r) ** 2 - 2 * t * (high - r))
            f += model.radial_coeffs[kind, other, :, k] * phi
            df += model.radial_coeffs[kind, other, :, k] * dphi
        for index, (mu, *powers) in enumerate(basics):
            rank = sum(powers)
            # r^-rank x^a y^b z^c, differentiated as a product
            monomial = np.prod(u**powers)
            along = np.array(
                [
                    0.0
                    if p == 0
                    else p * np.prod(u ** (np.array(powers) - np.eye(3, dtype=int)[a]))
                    for a, p in enumerate(powers)
                ]
            )
            moments[index] += f[mu] * monomial
            slopes[index, j] = df[mu] * monomial * u + f[mu] / r * (along - rank * monomial * u)
    for a, b, factor, target in model.tables.alpha_index_times:
        moments[target] += factor * moments[a] * moments[b]
        slopes[target] += factor * (slopes[a] * moments[b] + moments[a] * slopes[b])
    scalars = model.tables.alpha_moment_mapping
    energy = model.species_coeffs[kind] + model.moment_coeffs @ moments[scalars]
    return energy, np.tensordot(model.moment_coeffs, slopes[scalars], axes=1)


def evaluate(model, types, positions, cell):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, ASE's sign and order) of one structure."""
    pairs = neighbors(positions, cell, model.max_dist)
    energy, forces, virial = 0.0, np.zeros((len(types), 3)), np.zeros((3, 3))
    for i, kind in enumerate(types):
        own = [(j, vector) for centre, j, vector in pairs if centre == i]
        site, slopes = site_energy(model, kind, [v for _, v in own], [types[j] for j, _ in own])
        energy += site
        for (j, vector), slope in zip(own, slopes, strict=True):
            forces[i] += slope
            forces[j] -= slope
            virial += np.outer(slope, vector)
    stress = virial / abs(np.linalg.det(cell))
    return energy, forces, stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
