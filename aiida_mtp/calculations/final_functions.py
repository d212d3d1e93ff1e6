"""Calcfunctions of the final stage: what DFT is asked about, and what its answers mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from aiida_mtp.calculations.screen_functions import energy_error
from aiida_mtp.core._arrays import are_among, strings
from aiida_mtp.core.screening.candidates import (
    FIRST,
    LAST,
    Context,
    after_look,
    differences,
    elements_of,
    join_stages,
    look_again,
    merged,
    predictions,
    shaken,
    updated,
)
from aiida_mtp.core.screening.verification import (
    Prospects,
    VerificationSettings,
    audit_report,
    audit_rows,
    prospects,
)
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiida_mtp.core._typing import Bools


@calcfunction
def gather_candidates(
    references: StructureSetData,
    stage_1: StructureSetData,
    stage_2: StructureSetData,
    report_1: Dict,
    report_2: Dict,
) -> StructureSetData:
    """Join what the last stage relaxed and what the one before had dropped. See `join_stages`."""
    context = _context(references, report_1, report_2)
    return StructureSetData.from_batch(
        join_stages(stage_2.get_batch(), stage_1.get_batch(), context)
    )


def _context(
    references: StructureSetData,
    report_1: Dict,
    report_2: Dict,
    labels: StructureSetData | None = None,
    relaxed: StructureSetData | None = None,
) -> Context:
    context = Context(references.get_batch(), _sigmas(report_1, report_2), _asked(labels, relaxed))
    if relaxed is None:
        return context
    batch = relaxed.get_batch()
    return replace(context, relaxed=batch.take(batch.status == 'done'))


def _asked(*answers: StructureSetData | None) -> set[str]:
    """Return the ids of those that DFT was asked about."""
    return {str(key) for one in answers if one is not None for key in one.get_batch().ids}


def _sigmas(report_1: Dict, report_2: Dict) -> dict[int, float]:
    """Return the error of the energies of each stage, eV/atom."""
    return {
        FIRST: energy_error(report_1['training']),
        LAST: energy_error(report_2['training']),
    }


@calcfunction
def begin_afresh(
    candidates: StructureSetData,
    prototypes: StructureSetData,
    settings: Dict,
    report_1: Dict,
    report_2: Dict,
    number: Int,
    looked: StructureSetData | None = None,
    newest: StructureSetData | None = None,
) -> dict[str, StructureSetData]:
    """Return what the last potential should relax from where it began. See `look_again`.

    `begun_0`: prototypes; `begun_1` …: copies of these, other ones each time this is done;
    `current`: what candidates have become, to compare with.
    """
    batch, chosen = _as_last_predicted(candidates, looked, newest), _verification(settings)
    begun, current = look_again(batch, prototypes.get_batch(), _sigmas(report_1, report_2))
    copies = shaken(begun, chosen.shaken, chosen.seed + number.value * chosen.shaken)
    sets = {f'begun_{i}': one for i, one in enumerate([begun, *copies])} | {'current': current}
    return {name: StructureSetData.from_batch(_bare(one)) for name, one in sets.items()}


def _as_last_predicted(
    candidates: StructureSetData, looked: StructureSetData | None, newest: StructureSetData | None
) -> StructureBatch:
    """Return candidates as looks have left them, with what has been predicted since the last."""
    batch = candidates.get_batch()
    if looked is not None:
        batch = merged(batch, looked.get_batch())
    return batch if newest is None else updated(batch, newest.get_batch())


@calcfunction
def take_lower(
    candidates: StructureSetData,
    references: StructureSetData,
    report_1: Dict,
    report_2: Dict,
    number: Int,
    looked: StructureSetData | None = None,
    newest: StructureSetData | None = None,
    labels: StructureSetData | None = None,
    relaxed: StructureSetData | None = None,
    **parts: StructureSetData,
) -> StructureSetData:
    """Return lower minima that were found, and candidates no longer as given.

    Of hundreds of thousands they are few, and all is kept in each look. See `after_look`: of
    the parts, `begun_…` have been relaxed from prototypes and `current_…` from where they were.
    """
    begun, current = (
        _joined({key: part for key, part in parts.items() if key.startswith(name)})
        for name in ('begun', 'current')
    )
    context = _context(references, report_1, report_2, labels, relaxed)
    batch = _as_last_predicted(candidates, looked, newest)
    after = after_look(batch, begun, current, number.value, context)
    return StructureSetData.from_batch(differences(candidates.get_batch(), after))


def _joined(parts: dict[str, StructureSetData]) -> StructureBatch:
    return StructureBatch.concatenate([part.get_batch() for _, part in sorted(parts.items())])


@calcfunction
def predict_anew(candidates: StructureSetData, **parts: StructureSetData) -> StructureSetData:
    """Return the candidates with what a better potential made of some; the others as they are."""
    batch = candidates.get_batch()
    new = predictions(_joined(parts), elements_of(batch))
    return StructureSetData.from_batch(updated(batch, new))


@calcfunction
def newest_predictions(
    candidates: StructureSetData,
    previous: StructureSetData | None = None,
    labels: StructureSetData | None = None,
    relaxed: StructureSetData | None = None,
    **parts: StructureSetData,
) -> StructureSetData:
    """Return what the newest potential predicts, and of other candidates what one before did.

    They are few, where `predict_anew` would keep all candidates once more in every round. What DFT
    was asked about is left out: errors are those of predictions made before the answer, and the
    answer is of the geometry of then.
    """
    new = predictions(_joined(parts), elements_of(candidates.get_batch()))
    new = new.take(~are_among(new.ids, _asked(labels, relaxed)))
    if previous is not None:
        old = previous.get_batch()
        new = StructureBatch.concatenate([new, old.take(~are_among(old.ids, new.ids))])
    return StructureSetData.from_batch(new)


@calcfunction
def update_candidates(
    candidates: StructureSetData,
    looked: StructureSetData | None = None,
    newest: StructureSetData | None = None,
) -> StructureSetData:
    """Return the candidates as last predicted."""
    return StructureSetData.from_batch(_as_last_predicted(candidates, looked, newest))


@calcfunction
def choose_candidates(
    candidates: StructureSetData,
    references: StructureSetData,
    settings: Dict,
    report_1: Dict,
    report_2: Dict,
    looked: StructureSetData | None = None,
    newest: StructureSetData | None = None,
    labels: StructureSetData | None = None,
    relaxed: StructureSetData | None = None,
    audited: StructureSetData | None = None,
) -> dict[str, Any]:
    """Return which candidates DFT should label and relax next.

    `to_label`, `to_relax`: empty if enough is known. `contenders`: what is worth predicting anew.
    In the first round some are drawn at random; they are the output `audited`.
    """
    batch, chosen = _as_last_predicted(candidates, looked, newest), _verification(settings)
    found = _judged(batch, references, chosen, _sigmas(report_1, report_2), labels, relaxed)
    outputs: dict[str, Any] = {}
    to_label = found.to_label
    if labels is None:
        drawn = audit_rows(found.steps, chosen.audit, chosen.seed)
        outputs['audited'] = StructureSetData.from_batch(_bare(batch.take(drawn)))
        to_label = np.union1d(to_label, drawn)
    in_audit = np.zeros(len(batch), dtype=bool)
    if audited is not None:
        in_audit = are_among(batch.ids, audited.get_batch().ids)
    return {
        **outputs,
        'to_label': StructureSetData.from_batch(_bare(batch.take(to_label))),
        'to_relax': StructureSetData.from_batch(_bare(batch.take(found.to_relax))),
        'contenders': StructureSetData.from_batch(_bare(batch.take(found.contenders))),
        'report': Dict(_report(found, chosen, in_audit)),
    }


@calcfunction
def judge_candidates(
    candidates: StructureSetData,
    references: StructureSetData,
    settings: Dict,
    report_1: Dict,
    report_2: Dict,
    labels: StructureSetData | None = None,
    relaxed: StructureSetData | None = None,
) -> ArrayData:
    """Return what is known of each candidate: `step`, `e_above_hull` (eV/atom), `probability`."""
    sigmas = _sigmas(report_1, report_2)
    found = _judged(
        candidates.get_batch(), references, _verification(settings), sigmas, labels, relaxed
    )
    return ArrayData(
        {
            'step': found.steps.astype(str),
            'e_above_hull': found.distances,
            'probability': found.probabilities,
        }
    )


def _verification(settings: Dict) -> VerificationSettings:
    return VerificationSettings.from_mapping(settings.get_dict())


def _judged(
    batch: StructureBatch,
    references: StructureSetData,
    settings: VerificationSettings,
    sigmas: Mapping[int, float],
    labels: StructureSetData | None,
    relaxed: StructureSetData | None,
) -> Prospects:
    return prospects(
        batch,
        references.get_batch(),
        sigmas,
        labels=None if labels is None else labels.get_batch(),
        relaxed=None if relaxed is None else relaxed.get_batch(),
        settings=settings,
    )


def _bare(batch: StructureBatch) -> StructureBatch:
    """Return structures as a potential or DFT is asked about them: geometry and name alone."""
    bare = batch.without_labels()
    return bare.replaced(columns={}, status=strings(['new'] * len(bare)))


def _report(found: Prospects, settings: VerificationSettings, audited: Bools) -> dict[str, Any]:
    return {
        'n_candidates': len(found.steps),
        'steps': found.counts(),
        'expected_missed': found.expected_missed,
        'bound': found.bound,
        'is_enough': found.is_enough,
        'error': found.errors[2].scale,
        'error_before': found.errors[1].scale,
        'gain': found.gains.scale,
        'limit': settings.expected_missed,
        'audit': audit_report(found, audited),
    }


@calcfunction
def add_answers(new: StructureSetData, previous: StructureSetData) -> StructureSetData:
    """Return what DFT has said so far and what it says now; the newest of each structure counts."""
    batch, old = new.get_batch(), previous.get_batch()
    rest = old.take(~are_among(old.ids, batch.ids))
    return StructureSetData.from_batch(StructureBatch.concatenate([rest, batch]))


@calcfunction
def summarise_rounds(**reports: Dict) -> Dict:
    """Return the reports of all rounds, and the last of them again by its own keys."""
    rounds = [reports[key].get_dict() for key in sorted(reports)]
    return Dict({**rounds[-1], 'rounds': rounds})
