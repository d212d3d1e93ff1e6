"""Calcfunctions that gather what DFT jobs found."""

from __future__ import annotations

import json
from math import isnan
from typing import TYPE_CHECKING, Any

from aiida.engine import calcfunction
from aiida.orm import CalcFunctionNode, Str

from aiida_mtp.core.dft.magnetism import best_state
from aiida_mtp.core.dft.results import DONE, UNFINISHED, structure_hashes, with_results
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.orm import Node


@calcfunction
def collect_labels(structures: StructureSetData, **labels: StructureSetData) -> StructureSetData:
    """Join the results of several jobs, one row for each of `structures` and in their order.

    A finished result wins over a failed one, and the magnetic state of lowest energy over others;
    column `magnetic_states` keeps what is known of all. Column `label_process` holds the uuid of
    the process that computed the row; if it was taken from the cache, of the one that really ran.
    """
    wanted = structures.get_batch()
    ordered = sorted(labels, key=lambda key: int(key.rsplit('_', 1)[1]))
    found = StructureBatch.concatenate([_with_process(labels[key]) for key in ordered])
    rows, states = _best_rows(found)
    chosen = found.take([rows[key] for key in wanted.ids])
    return StructureSetData.from_batch(
        chosen.with_columns(magnetic_states=[states.get(key, '') for key in wanted.ids])
    )


@calcfunction
def take_unfinished(structures: StructureSetData, labels: StructureSetData) -> StructureSetData:
    """Return those of `structures` which the job that gave `labels` did not come to."""
    known = labels.get_batch()
    unfinished = set(known.ids[known.status == UNFINISHED])
    batch = structures.get_batch()
    return StructureSetData.from_batch(
        batch.take([i for i, key in enumerate(batch.ids) if key in unfinished])
    )


@calcfunction
def known_labels(
    structures: StructureSetData, given: StructureSetData, labels: StructureSetData
) -> StructureSetData:
    """Return those of `structures` that were among those `given` before, with their labels.

    Column `label_process` still names the process that computed them.
    """
    wanted, known = structures.get_batch(), labels.get_batch()
    rows = {
        key: row
        for row, key in enumerate(structure_hashes(given.get_batch()))
        if known.status[row] == DONE
    }
    pairs = [(i, rows[key]) for i, key in enumerate(structure_hashes(wanted)) if key in rows]
    found = known.take([row for _, row in pairs]).with_species(wanted.species)
    return StructureSetData.from_batch(
        found.replaced(
            ids=wanted.ids[[i for i, _ in pairs]], origins=wanted.origins[[i for i, _ in pairs]]
        )
    )


@calcfunction
def take_unknown(structures: StructureSetData, **labels: StructureSetData) -> StructureSetData:
    """Return those of `structures` that have no label among these."""
    known = {key for one in labels.values() for key in one.get_batch().ids}
    batch = structures.get_batch()
    return StructureSetData.from_batch(
        batch.take([i for i, key in enumerate(batch.ids) if key not in known])
    )


@calcfunction
def unfinished_labels(structures: StructureSetData, reason: Str) -> StructureSetData:
    """Return structures that no job could finish, with what the last one said."""
    blank = with_results(structures.get_batch(), [None] * len(structures))
    return StructureSetData.from_batch(blank.with_columns(message=[reason.value] * len(blank)))


def _with_process(labels: StructureSetData) -> StructureBatch:
    """Return what a job found, with the process that did it."""
    batch: StructureBatch = labels.get_batch()
    if labels.creator is not None and labels.creator.process_label == 'known_labels':
        return batch
    process = original_process(labels)
    names = ['' if status == UNFINISHED else process for status in batch.status]
    return batch.with_columns(label_process=names)


def _best_rows(found: StructureBatch) -> tuple[dict[str, int], dict[str, str]]:
    """Return for each id the row that counts, and its magnetic states as JSON."""
    rows: dict[str, dict[str, int]] = {}
    known: dict[str, dict[str, Any]] = {}
    names = found.column('magnetic_state', '')
    texts = found.column('magnetic_states', '')
    for row, (key, state) in enumerate(zip(found.ids, names, strict=True)):
        if found.status[row] != UNFINISHED or key not in rows:
            rows.setdefault(key, {})[state] = row
        known.setdefault(key, {}).update(json.loads(texts[row] or '{}'))
    best = {}
    for key, of_states in rows.items():
        n_atoms = int(found.n_atoms[next(iter(of_states.values()))])
        best[key] = of_states[best_state(_summaries(found, of_states), n_atoms)]
    return best, {key: json.dumps(states) if states else '' for key, states in known.items()}


def _summaries(found: StructureBatch, rows: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Return status and energy of rows, by magnetic state."""
    return {
        state: {
            'status': found.status[row],
            'energy': None if isnan(found.energies[row]) else float(found.energies[row]),
        }
        for state, row in rows.items()
    }


def original_process(node: Node) -> str:
    """Return the uuid of the process that really computed a node, also when it was cached.

    For labels that a calcfunction read out of the results of a code, it is the run of the code.
    """
    creator = node.creator
    if creator is None:
        return ''
    if isinstance(creator, CalcFunctionNode) and 'found' in creator.inputs:
        return original_process(creator.inputs.found)
    source = creator.base.caching.get_cache_source()
    return str(source or creator.uuid)
