"""Labels that earlier screens have computed of the very structures that are wanted now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida.orm import AbstractCode, Dict, QueryBuilder, Str, WorkChainNode

from aiida_mtp.core.dft.results import DONE, structure_hashes
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from collections.abc import Iterator


def earlier_labels(process: WorkChainNode) -> list[tuple[StructureSetData, StructureSetData]]:
    """Return sets that hold labels of structures of a label work chain, the newest first.

    Each comes with the set the labels were asked for, whose structures are as they were before
    they were relaxed. The task, the settings and the code were the same.
    """
    wanted = set(structure_hashes(process.inputs.structures.get_batch()))
    found = []
    for given, labels in _sets_labelled_alike(process):
        if not wanted:
            break
        status = labels.get_batch().status
        keys = structure_hashes(given.get_batch())
        known = {key for key, word in zip(keys, status, strict=True) if word == DONE}
        if known & wanted:
            wanted -= known
            found.append((given, labels))
    return found


def _sets_labelled_alike(
    process: WorkChainNode,
) -> Iterator[tuple[StructureSetData, StructureSetData]]:
    """Yield what finished label work chains with equal inputs were asked for, and found."""
    species = set(process.inputs.structures.species)
    query = QueryBuilder()
    query.append(
        WorkChainNode,
        filters={
            'process_type': process.process_type,
            'attributes.exit_status': 0,
            'id': {'<': process.pk},
        },
        tag='process',
    )
    inputs = process.inputs
    caching = inputs.dft.settings.base.caching
    settings = caching.get_hash() or caching.compute_hash()  # an imported node has none
    same: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ('dft__settings', Dict, {'extras._aiida_hash': settings}),
        ('dft__code', AbstractCode, {'uuid': inputs.dft.code.uuid}),
        ('task', Str, {'attributes.value': inputs.task.value}),
    )
    for label, kind, filters in same:
        query.append(kind, with_outgoing='process', edge_filters={'label': label}, filters=filters)
    is_structures = {'label': 'structures'}
    query.append(StructureSetData, with_outgoing='process', edge_filters=is_structures, project='*')
    query.append(StructureSetData, with_incoming='process', edge_filters=is_structures, project='*')
    query.order_by({'process': {'ctime': 'desc'}})
    for given, labels in query.iterall():
        if species & set(given.species):
            yield given, labels
