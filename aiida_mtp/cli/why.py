"""What became of a structure at each stage of a screen, with the numbers of that moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.cli.follow import PARTS
from aiida_mtp.cli.trace import STAGES, reduced, row_of
from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.funnel import ABOVE_HULL, DUPLICATE, KEPT, UNRELIABLE
from aiida_mtp.core.screening.knowledge import FAILED, LABELLED, PREDICTED, RELAXED

if TYPE_CHECKING:
    from aiida.orm import WorkChainNode

    from aiida_mtp.core.structures import StructureBatch

INDENT = 14 * ' '


@dataclass(frozen=True)
class Judgement:
    """What a stage said of a structure.

    Parameters
    ----------
    stage
        Label of the stage.
    status, grade
        How its relaxation ended, and the largest extrapolation grade on its way.
    formation_energy, e_above_hull
        eV/atom, of the potential; NaN without a believable energy.
    sigma, reach
        The error of these energies, and how far above the hull a structure may be, eV/atom.
    reason
        ``kept``, ``above_hull``, ``duplicate`` or ``unreliable``.
    duplicate_of
        Id of the structure that stands for it.
    n_configurations
        Configurations of its relaxation in the training set.
    potential
        Pk of the potential that relaxed it.
    """

    stage: str
    status: str
    grade: float
    formation_energy: float
    e_above_hull: float
    sigma: float
    reach: float
    reason: str
    duplicate_of: str
    n_configurations: int
    potential: int

    @property
    def is_kept(self) -> bool:
        """Whether it went on to the next stage."""
        return self.reason == KEPT

    def in_words(self) -> str:
        """Return the judgement as a sentence."""
        return {
            KEPT: 'kept',
            ABOVE_HULL: 'dropped: further above the hull than the limit',
            DUPLICATE: f'dropped: the same crystal as {self.duplicate_of}, which stands for it',
            UNRELIABLE: f'dropped: its relaxation ended with {self.status}, no energy to believe',
        }[self.reason]


@dataclass(frozen=True)
class Final:
    """What DFT said of a structure, eV/atom; NaN where it failed, with a message."""

    status: str
    message: str
    formation_energy: float
    e_above_hull: float


@dataclass(frozen=True)
class Chance:
    """What the final stage knew of a candidate at its end.

    Parameters
    ----------
    step
        ``predicted``, ``labelled`` or ``relaxed`` by DFT; ``failed``, ``unreliable`` or
        ``duplicate``.
    e_above_hull
        Best knowledge of its energy, eV/atom.
    probability
        That it lies below the hull.
    duplicate_of
        Id of the structure that stands for it.
    """

    step: str
    e_above_hull: float
    probability: float
    duplicate_of: str

    def in_words(self) -> str:
        """Return why DFT was asked no more about it."""
        likely = (
            f'{self.e_above_hull * 1e3:.1f} meV/atom above the hull, below it with a probability '
            f'of {self.probability:.1g}'
        )
        return {
            PREDICTED: f'not asked: predicted {likely}',
            LABELLED: f'labelled, not relaxed: {likely}',
            RELAXED: 'the same as an element',
            FAILED: f'failed: {likely}',
            UNRELIABLE: 'not asked: no energy to believe',
            DUPLICATE: f'not asked: the same crystal as {self.duplicate_of}, which stands for it',
        }[self.step]


@dataclass(frozen=True)
class Fate:
    """The way of a structure through a screen, as far as it went."""

    screen: int
    structure_id: str
    formula: str
    origin: str
    judgements: tuple[Judgement, ...]
    final: Final | None
    chance: Chance | None

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def why(screen: WorkChainNode, name: str) -> Fate:
    """Return what became of a structure.

    Parameters
    ----------
    name
        The id of a candidate, or a formula: then the one that came nearest to the hull.

    Raises
    ------
    InputError
        If the screen has no such candidate, or has none yet.
    """
    judged = [stage for stage in STAGES if _is_judged(screen, stage)]
    if not judged:
        raise InputError(f'screen {screen.pk} has judged nothing yet; see aiida-mtp screen status')
    sets = {stage: screen.outputs[stage].structures.get_batch() for stage in judged}
    structure_id = _find(screen, sets[judged[0]], name)
    rows = {stage: row_of(batch, structure_id) for stage, batch in sets.items()}
    first, row = sets[judged[0]], rows[judged[0]]
    return Fate(
        screen=screen.pk or 0,
        structure_id=structure_id,
        formula=first.formulas[row],
        origin=str(first.origins[row]),
        judgements=tuple(
            _judgement(screen, stage, sets[stage], row)
            for stage, row in rows.items()
            if row is not None
        ),
        final=_final(screen, structure_id),
        chance=_chance(screen, structure_id),
    )


def _is_judged(screen: WorkChainNode, stage: str) -> bool:
    return stage in screen.outputs and 'verdict' in screen.outputs[stage]


def _find(screen: WorkChainNode, batch: StructureBatch, name: str) -> str:
    """Return the id that a name means."""
    finds = screen.outputs.final.candidates.get_batch().ids if 'final' in screen.outputs else ()
    if name in set(batch.ids) or name in set(finds):
        return name
    rows = np.flatnonzero(np.array(batch.formulas) == reduced(name))
    if not len(rows):
        raise InputError(f'{name}: no candidate of screen {screen.pk} has this id or formula')
    above = screen.outputs[STAGES[0]].verdict.get_array('e_above_hull')[rows]
    return str(batch.ids[rows[np.argmin(np.nan_to_num(above, nan=np.inf))]])


def _judgement(screen: WorkChainNode, stage: str, batch: StructureBatch, row: int) -> Judgement:
    outputs = screen.outputs[stage]
    verdict, report = outputs.verdict, outputs.retained_report.get_dict()
    other = int(verdict.get_array('duplicate_of')[row])
    taught = outputs.training_set.get_batch().origins == batch.ids[row]
    return Judgement(
        stage=stage,
        status=str(batch.status[row]),
        grade=float(batch.column('grade')[row]),
        formation_energy=float(verdict.get_array('formation_energy')[row]),
        e_above_hull=float(verdict.get_array('e_above_hull')[row]),
        sigma=report['sigma'],
        reach=report['reach'],
        reason=str(verdict.get_array('reason')[row]),
        duplicate_of=str(batch.ids[other]) if other >= 0 else '',
        n_configurations=int(taught.sum()),
        potential=outputs.potential.pk,
    )


def _final(screen: WorkChainNode, structure_id: str) -> Final | None:
    if 'hull' not in screen.outputs:
        return None
    hull = screen.outputs.hull.get_batch()
    if structure_id not in set(hull.ids):
        return None
    row = hull.index_of(structure_id)
    return Final(
        status=str(hull.status[row]),
        message=str(hull.column('message', '')[row]),
        formation_energy=float(hull.columns['formation_energy'][row]),
        e_above_hull=float(hull.columns['e_above_hull'][row]),
    )


def _chance(screen: WorkChainNode, structure_id: str) -> Chance | None:
    if 'final' not in screen.outputs:
        return None
    outputs = screen.outputs.final
    batch, verdict = outputs.candidates.get_batch(), outputs.verdict
    if structure_id not in set(batch.ids):
        return None
    row = batch.index_of(structure_id)
    return Chance(
        step=str(verdict.get_array('step')[row]),
        e_above_hull=float(verdict.get_array('e_above_hull')[row]),
        probability=float(verdict.get_array('probability')[row]),
        duplicate_of=str(batch.columns['duplicate_of'][row]),
    )


def lines_of(fate: Fate) -> list[str]:
    """Return the fate of a structure as lines of text."""
    lines = [f'{fate.formula}  {fate.structure_id}, in screen {fate.screen}']
    lines.append(f'  start       {fate.origin}')
    for one in fate.judgements:
        lines += _judgement_lines(one)
    return lines + _final_lines(fate)


def _judgement_lines(one: Judgement) -> list[str]:
    learnt = f', {one.n_configurations} configurations learnt from' if one.n_configurations else ''
    limit = f'limit {one.reach * 1e3:.1f}: {one.reach / one.sigma:g} times its error'
    return [
        f'  {PARTS[one.stage]:12s}{one.in_words()}',
        f'{INDENT}{one.status}, largest grade {one.grade:.2f}{learnt}',
        f'{INDENT}{_energies(one.formation_energy, one.e_above_hull)}',
        f'{INDENT}{limit} of {one.sigma * 1e3:.1f} meV/atom, potential <{one.potential}>',
    ]


def _final_lines(fate: Fate) -> list[str]:
    final, name = fate.final, f'  {PARTS["final"]:12s}'
    if final is None and fate.chance is not None:
        return [f'{name}{fate.chance.in_words()}']
    if final is None:
        is_waiting = len(fate.judgements) == len(STAGES) and fate.judgements[-1].is_kept
        return [f'{name}{"not yet, or the same as an element" if is_waiting else "not asked"}']
    if final.status != DONE:
        return [f'{name}{final.status}: {final.message}']
    return [f'{name}{_energies(final.formation_energy, final.e_above_hull)}']


def _energies(formation_energy: float, e_above_hull: float) -> str:
    if not np.isfinite(e_above_hull):
        return 'no energy'
    return (
        f'formation energy {formation_energy * 1e3:.1f} meV/atom, {e_above_hull * 1e3:.1f} above '
        'the hull'
    )
