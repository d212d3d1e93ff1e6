"""Calcfunctions that gather what DFT jobs found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida.engine import calcfunction
from aiida.orm import CalcFunctionNode, Str

from aiida_mtp.core.dft.results import DONE, UNFINISHED, with_results
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from aiida.orm import Node


@calcfunction
def collect_labels(
    structures: StructureSetData, reason: Str, **labels: StructureSetData
) -> StructureSetData:
    """Join the results of several jobs, one row for each of `structures` and in their order.

    A finished result wins over a failed one. A structure that no job finished has status
    ``unfinished`` and `reason`, what the last job that failed said. Column `label_process` holds
    the uuid of the process that computed the row; for a process taken from the cache, of the one
    that really ran.
    """
    wanted = structures.get_batch()
    rows, found = _best_rows(labels)
    missing = wanted.take([i for i, key in enumerate(wanted.ids) if key not in rows])
    blank = _blank_results(missing, reason.value)
    joined = StructureBatch.concatenate([*(batch for batch, _ in found), blank])
    n_known = len(joined) - len(blank)
    rows.update({key: n_known + i for i, key in enumerate(blank.ids)})
    processes = [process for batch, process in found for _ in range(len(batch))]
    processes += [''] * len(blank)
    return StructureSetData.from_batch(
        joined.with_columns(label_process=processes).take([rows[key] for key in wanted.ids])
    )


@calcfunction
def take_unfinished(structures: StructureSetData, **labels: StructureSetData) -> StructureSetData:
    """Return those of `structures` on which no job has reported, neither a result nor a failure."""
    rows, found = _best_rows(labels)
    status = StructureBatch.concatenate([batch for batch, _ in found]).status
    batch = structures.get_batch()
    rest = [
        i for i, key in enumerate(batch.ids) if key not in rows or status[rows[key]] == UNFINISHED
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


def _blank_results(batch: StructureBatch, reason: str) -> StructureBatch:
    """Return structures that no job has reported on, as a job would report them."""
    blank = with_results(batch, [None] * len(batch))
    return blank.with_columns(message=[reason] * len(batch))


def original_process(node: Node) -> str:
    """Return the uuid of the process that really computed a node, also when it was cached.

    For labels that a calcfunction read out of the results of a code, it is the run of the code.
    """
    creator = node.creator
    if creator is None:
        return ''
    if isinstance(creator, CalcFunctionNode) and 'misc' in creator.inputs:
        return original_process(creator.inputs.misc)
    source = creator.base.caching.get_cache_source()
    return str(source or creator.uuid)
