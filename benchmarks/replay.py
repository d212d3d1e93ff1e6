"""Screens whose answers are known beforehand: energies of a potential are true ones with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.screening.verification import (
    Prospects,
    VerificationSettings,
    audit_rows,
    prospects,
)

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.structures import StructureBatch


class Asked(NamedTuple):
    """The last prospects, which candidates were labelled, relaxed or drawn at random; rounds."""

    found: Prospects
    labels: Bools
    relaxed: Bools
    audited: Bools
    rounds: int


def ask(
    truth: StructureBatch,
    errors: Floats,
    gains: Floats,
    sigma: float,
    settings: VerificationSettings | None = None,
) -> Asked:
    """Ask about candidates, as the final stage does, until it is enough.

    Parameters
    ----------
    truth
        Candidates with the energies DFT would find, the first rows being the elements.
    errors, gains
        shape (n_structures,): eV/atom, of predictions; and what relaxing gains after a label.
    sigma
        What the errors are thought to be beforehand, eV/atom.
    """
    settings = settings or VerificationSettings(afresh=False)  # no potential relaxes anything
    n = len(truth)
    elements = np.flatnonzero(np.count_nonzero(truth.compositions, axis=1) == 1)
    true = truth.energies_per_atom
    status = strings(['predicted'] * n)
    status[elements] = 'relaxed'
    mixed = truth.compositions / truth.n_atoms[:, None] @ true[elements]
    predicted = truth.replaced(status=status).with_columns(
        formation_energy=true - mixed + errors, stage=np.full(n, 2)
    )
    labels, relaxed = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    audited = np.zeros(n, dtype=bool)
    for number in range(settings.max_rounds):
        found = prospects(
            predicted,
            _answers(truth, elements, true),
            {2: sigma},
            labels=_answers(truth, np.flatnonzero(labels), true + gains),
            relaxed=_answers(truth, np.flatnonzero(relaxed), true),
            settings=settings,
        )
        if number and found.is_enough:
            break
        labels[found.to_label] = True
        relaxed[found.to_relax] = True
        if number == 0:
            audited[audit_rows(found.steps, settings.audit, settings.seed)] = True
            labels |= audited
    return Asked(found, labels, relaxed, audited, number)


def _answers(truth: StructureBatch, rows: Ints, energies: Floats) -> StructureBatch:
    """Return energies alone: what forces there may be have nothing to do with the gains."""
    batch = truth.take(rows).without_labels()
    return batch.replaced(
        energies=energies[rows] * batch.n_atoms, status=strings(['done'] * len(batch))
    )
