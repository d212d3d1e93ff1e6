"""What the scripts of a report draw: the hull, its phases and the candidates, as JSON."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.screening.compositions import distinct_compositions
from aiida_mtp.core.screening.predictions import predicted_phases
from aiida_mtp.core.screening.symmetry import SYMPREC, space_group_of

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.screening.hull import Hull, HullOfSet
    from aiida_mtp.core.screening.report.data import ScreenReport, StageReport
    from aiida_mtp.core.screening.report.findings import Findings

MOST_POINTS = 60_000  # of a stage: those nearest to the hull are drawn


def scene_of(report: ScreenReport, findings: Findings) -> dict[str, Any]:
    """Return what is drawn of a report; `findings` are those of its hull."""
    found = findings.found
    if found is None:
        return {'elements': [], 'phases': [], 'clouds': []}
    hull = found.hull
    clouds = [_cloud(stage, hull) for stage in report.stages if stage.structures is not None]
    return {
        'elements': [_element(symbol) for symbol in hull.species],
        'vertices': np.round(hull.vertices, 6).tolist(),
        'energies': np.round(hull.vertex_energies, 6).tolist(),
        'facets': hull.facets.tolist(),
        'phases': [_phase(findings, found, int(row)) for row in findings.shown],
        'clouds': [cloud for cloud in clouds if cloud['count']],
    }


def as_script(scene: dict[str, Any]) -> str:
    """Return JSON that can stand in a page: nothing in it can end the element it is in."""
    text = json.dumps(scene, ensure_ascii=False, allow_nan=False, separators=(',', ':'))
    return text.replace('<', '\\u003c')


def _phase(findings: Findings, found: HullOfSet, row: int) -> dict[str, Any]:
    batch = findings.phases
    rows = batch.atoms_of(row)
    scaled = batch.positions[rows] @ np.linalg.inv(batch.cells[row])
    own = batch.take([row]).with_species(found.hull.species)
    fractions = own.compositions[0] / own.n_atoms[0]
    return {
        'id': str(batch.ids[row]),
        'origin': str(batch.origins[row]),
        'formula': findings.formulas[row],
        'group': space_group_of(
            batch.cells[row], batch.positions[rows], batch.types[rows], SYMPREC
        ),
        'fractions': np.round(fractions, 6).tolist(),
        'energy': round(float(found.formation_energies[row]), 6),
        'above': round(float(found.e_above_hull[row]), 6),
        'stable': bool(row in found.stable),
        'symbols': [batch.species[index] for index in batch.types[rows]],
        'cell': np.round(batch.cells[row], 7).tolist(),
        'sites': np.round(scaled, 8).tolist(),
    }


def _cloud(stage: StageReport, hull: Hull) -> dict[str, Any]:
    """Return the candidates of a stage: what they are made of by composition, the rest by row."""
    assert stage.structures is not None  # noqa: S101 - the caller has looked
    batch, energies = predicted_phases(stage.structures, hull.species)
    above = energies - hull.energies_at(batch.compositions / batch.n_atoms[:, None])
    order = np.argsort(above, kind='stable')[:MOST_POINTS]
    batch, energies, above = batch.take(order), energies[order], above[order]
    counts, composition_of = distinct_compositions(batch.compositions)
    _, first = np.unique(composition_of, return_index=True)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        'name': stage.name,
        'count': len(batch),
        'all': stage.n_structures,
        'formulas': batch.take(first).formulas,
        'fractions': np.round(fractions, 6).tolist(),
        'compositions': packed(composition_of, '<u4'),
        'energies': packed(energies, '<f4'),
        'above': packed(above, '<f4'),
        'ids': [str(key) for key in batch.ids],
    }


def packed(values: Floats | Any, kind: str) -> str:
    """Return numbers as the bytes of a typed array, in base64."""
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode('ascii')


def _element(symbol: str) -> dict[str, Any]:
    """Return how an element is drawn: colour as in Jmol, covalent radius, Å."""
    from ase.data import atomic_numbers, covalent_radii
    from ase.data.colors import jmol_colors

    index = atomic_numbers.get(symbol, 0)
    colour = ''.join(f'{round(255 * float(part)):02x}' for part in jmol_colors[index])
    return {
        'symbol': symbol,
        'colour': f'#{colour}',
        'radius': round(float(covalent_radii[index]), 2),
    }
