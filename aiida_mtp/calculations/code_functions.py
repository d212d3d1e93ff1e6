"""Calcfunctions around codes that compute one structure at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import List, Str, StructureData

from aiida_mtp.core.dft.magnetism import state_summary
from aiida_mtp.core.dft.results import FAILED, Result, with_results
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from aiida_mtp.core._typing import Floats, Ints
    from aiida_mtp.core.structures import StructureBatch

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@calcfunction
def ordered_structure(structures: StructureSetData) -> StructureData:
    """Return the one structure of a set with its atoms sorted by species, as POSCAR has them."""
    batch = structures.get_batch()
    return StructureData(ase=batch.to_ase(0)[_order(batch)])


@calcfunction
def failed_labels(structures: StructureSetData, reason: Str, state: Str) -> StructureSetData:
    """Return the structure of a set with the reason why a code has no result for it."""
    batch = structures.get_batch()
    return labelled(batch, state.value, digest='', status=FAILED, message=reason.value)


@calcfunction
def ordered_structure_with_kinds(structures: StructureSetData, moments: List) -> StructureData:
    """Return the same with a kind of its own for each element and initial moment.

    Parameters
    ----------
    moments
        Of each atom in this order, µB.
    """
    batch = structures.get_batch()
    atoms = batch.to_ase(0)[_order(batch)]
    atoms.set_tags(kind_tags(list(atoms.symbols), moments.get_list()))
    return StructureData(ase=atoms)


def kind_tags(symbols: Sequence[str], moments: Sequence[float]) -> list[int]:
    """Return a number for each atom that tells moments of one element apart; 0 where all agree."""
    known: dict[str, list[float]] = {}
    for symbol, moment in zip(symbols, moments, strict=True):
        if moment not in known.setdefault(symbol, []):
            known[symbol].append(moment)
    return [
        known[symbol].index(moment) + 1 if len(known[symbol]) > 1 else 0
        for symbol, moment in zip(symbols, moments, strict=True)
    ]


def _order(batch: StructureBatch) -> Ints:
    return np.argsort(batch.types, kind='stable')


def in_order(
    batch: StructureBatch, forces: ArrayLike, stress: Floats, relaxed: StructureData | None
) -> dict[str, Any]:
    """Return fields of a `Result` with the atoms in the order of the batch.

    Parameters
    ----------
    forces
        shape (n_atoms, 3), eV/Å, in the order of `ordered_structure`.
    stress
        shape (3, 3), eV/Å³, positive under tension.
    relaxed
        In the same order; None if the structure is where it was.
    """
    back = np.argsort(_order(batch))
    atoms = None if relaxed is None else relaxed.get_ase()[back]
    return {
        'forces': np.asarray(forces)[back].tolist(),
        'stress': [float(stress[pair]) for pair in VOIGT],
        'positions': None if atoms is None else atoms.positions.tolist(),
        'cell': None if atoms is None else atoms.cell.tolist(),
    }


def labelled(batch: StructureBatch, state: str, **found: Any) -> StructureSetData:
    """Return the one structure of a batch with what was found from one magnetic state.

    Parameters
    ----------
    state
        Its name; '' for a code that knows of none.
    found
        Fields of a `Result`.
    """
    result = Result(
        structure='',
        task_digest='',
        magnetic_state=state,
        magnetic_states={state: state_summary(found)} if state else None,
        **found,
    )
    return StructureSetData.from_batch(with_results(batch, [result]))
