"""Calcfunctions that cut, join and grow sets of structures."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Int, Str, StructureData

from aiida_mtp.core._arrays import chunks
from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.relax.settings import StopReason
from aiida_mtp.core.screening.duplicates import is_referenced
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData


@calcfunction
def split_structures(structures: StructureSetData, size: Int) -> dict[str, StructureSetData]:
    """Cut a set into shards of at most `size` structures; their keys sort in order."""
    batch = structures.get_batch()
    pieces = chunks(len(batch), size.value)
    return {
        f'shard_{i:05d}': StructureSetData.from_batch(batch.take(p)) for i, p in enumerate(pieces)
    }


@calcfunction
def collect_relaxed(given: StructureSetData, **parts: StructureSetData) -> dict[str, Any]:
    """Join what several jobs made of `given`: relaxed structures and candidates, in its order.

    What a job left unfinished counts only where another has finished it. `parts` are called
    ``structures_…`` and ``candidates_…``.
    """
    place = {key: row for row, key in enumerate(given.get_batch().ids)}
    relaxed = _joined(parts, 'structures_')
    relaxed = relaxed.take(relaxed.status != StopReason.UNFINISHED)
    candidates = _joined(parts, 'candidates_')
    return {
        'structures': _ordered(relaxed, [place[key] for key in relaxed.ids]),
        'candidates': _ordered(candidates, [place[key] for key in candidates.origins]),
    }


def _joined(parts: dict[str, StructureSetData], prefix: str) -> StructureBatch:
    chosen = [part.get_batch() for key, part in sorted(parts.items()) if key.startswith(prefix)]
    return StructureBatch.concatenate(chosen)


def _ordered(batch: StructureBatch, places: list[int]) -> StructureSetData:
    return StructureSetData.from_batch(batch.take(np.argsort(places, kind='stable')))


@calcfunction
def append_labels(
    labels: StructureSetData, previous: StructureSetData | None = None
) -> StructureSetData:
    """Return the next version of a training set: the previous one and what DFT finished.

    A structure that is labelled a second time, at another geometry, gets a number: ``x``, ``x#2``.
    """
    new = labels.get_batch()
    new = new.take(new.status == DONE)
    old = StructureBatch.empty(new.species) if previous is None else previous.get_batch()
    joined = StructureBatch.concatenate([old, new])
    refuse_mixed_settings(joined)
    return StructureSetData.from_batch(joined.replaced(ids=_unique(joined.ids)))


def refuse_mixed_settings(batch: StructureBatch) -> None:
    """Raise `InputError` if energies of different DFT settings stand side by side."""
    settings = sorted({str(s) for s in batch.column('label_settings', '') if s})
    if len(settings) > 1:
        raise InputError(
            f'energies of different DFT settings must not be mixed: {", ".join(settings)}; '
            'label all structures with the same settings'
        )


def label_settings(structures: StructureSetData) -> list[str]:
    """Return the hashes of the DFT settings a set was labelled with; none where that is unknown."""
    return list(structures.base.attributes.get('label_settings', []))


def _unique(ids: Any) -> Any:
    seen: dict[str, int] = {}
    unique = ids.copy()
    taken = set(ids)
    for row, name in enumerate(ids):
        seen[name] = seen.get(name, 0) + 1
        number = seen[name]
        if number == 1:
            continue
        while f'{name}#{number}' in taken:
            number += 1
        unique[row] = f'{name}#{number}'
        taken.add(unique[row])
    return unique


@calcfunction
def extract_structure(structures: StructureSetData, structure_id: Str) -> StructureData:
    """Return one structure of a set."""
    return structures.get_structuredata(structure_id.value)


@calcfunction
def take_unreferenced(
    structures: StructureSetData, references: StructureSetData
) -> StructureSetData:
    """Return the structures that are, whatever their labels, not among the references."""
    batch = structures.get_batch()
    return StructureSetData.from_batch(batch.take(~is_referenced(batch, references.get_batch())))
