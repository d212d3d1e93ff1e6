"""Neighbours by looking at every image within a box that is surely large enough."""

import itertools

import numpy as np


def neighbors(positions, cell, cutoff):
    """Return (i, j, r_ij) of all pairs, in no particular order.

    A vector of length ≤ R has |n_k| ≤ R/height_k; R covers the cutoff and the largest difference.
    """
    positions, cell = np.asarray(positions), np.asarray(cell)
    differences = positions[None] - positions[:, None]
    radius = cutoff + np.linalg.norm(differences, axis=2).max()
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int)
    images = np.array(list(itertools.product(*(range(-m, m + 1) for m in reach))))
    found = []
    for i, j in itertools.product(range(len(positions)), repeat=2):
        vectors = differences[i, j] + images @ cell
        close = np.linalg.norm(vectors, axis=1) < cutoff
        if i == j:
            close &= images.any(axis=1)
        found += [(i, j, vector) for vector in vectors[close]]
    return found
