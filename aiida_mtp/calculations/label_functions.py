"""Calcfunctions that gather what DFT jobs found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from aiida.engine import calcfunction

from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.orm import Node

DONE = 'done'


@calcfunction
def collect_labels(structures: StructureSetData, **labels: StructureSetData) -> StructureSetData:
    """Join the results of several jobs, one row for each of `structures` and in their order.

    A finished result wins over a failed one. Column `label_process` holds the uuid of the process
    that computed the row; for a process taken from the cache, of the one that really ran.
    """
    rows, found = _best_rows(labels)
    joined = StructureBatch.concatenate([batch for batch, _ in found])
    order = [rows[key] for key in structures.get_batch().ids]
    processes = np.concatenate([[process] * len(batch) for batch, process in found])
    return StructureSetData.from_batch(
        joined.with_columns(label_process=list(processes)).take(order)
    )


@calcfunction
def take_unfinished(structures: StructureSetData, **labels: StructureSetData) -> StructureSetData:
    """Return those of `structures` on which no job has reported, neither a result nor a failure."""
    rows, found = _best_rows(labels)
    status = StructureBatch.concatenate([batch for batch, _ in found]).status
    batch = structures.get_batch()
    rest = [
        i for i, key in enumerate(batch.ids) if key not in rows or status[rows[key]] == 'unfinished'
    ]
    return StructureSetData.from_batch(batch.take(rest))


def _best_rows(
    labels: dict[str, StructureSetData],
) -> tuple[dict[str, int], list[tuple[StructureBatch, str]]]:
    """Return for each id its row in the joined sets, and the sets, each with its process."""
    ordered = sorted(labels, key=lambda key: int(key.rsplit('_', 1)[1]))
    found = [(labels[key].get_batch(), original_process(labels[key])) for key in ordered]
    rows: dict[str, int] = {}
    done: set[str] = set()
    position = 0
    for batch, _ in found:
        for key, status in zip(batch.ids, batch.status, strict=True):
            if key not in done:  # a later attempt replaces a failed one
                rows[key] = position
            if status == DONE:
                done.add(key)
            position += 1
    return rows, found


def original_process(node: Node) -> str:
    """Return the uuid of the process that really made a node, also when it came from the cache."""
    creator = node.creator
    if creator is None:
        return ''
    source = creator.base.caching.get_cache_source()
    return str(source or creator.uuid)
