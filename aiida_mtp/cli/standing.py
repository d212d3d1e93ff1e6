"""How a screen stands, in numbers: a few short queries, which nobody has to wait for."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.follow import finished_results, progress
from aiida_mtp.cli.process_tree import called_by, outputs_of
from aiida_mtp.cli.screens import why_failed
from aiida_mtp.cli.trace import STAGES
from aiida_mtp.core.dft.results import DONE, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiida_mtp.cli.process_tree import Called

RUNNING, FAILED, NOT_YET, NOT_NEEDED = 'running', 'failed', 'not yet', 'not needed'
PARTS = ('references', 'prototypes', 'stage_1', 'stage_2', 'final')
Progress = tuple[int | None, int]  # structures of a job that are done, if known, and all
ROUND = re.compile(r'(relax|train|label|relaxation)_(\d+)(_\d+)?')


@dataclass
class Round:
    """One iteration of a part, as far as it has come.

    Parameters
    ----------
    number
        Which one.
    relaxed, labelled, dft_relaxed
        What became of structures, in counts: with the potential, and with DFT.
    n_to_learn
        Configurations on which the potential extrapolated.
    n_training, level, energy_error
        Of the potential trained at its end: configurations, level, RMSE in eV/atom.
    """

    number: int
    relaxed: dict[str, int] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)
    dft_relaxed: dict[str, int] = field(default_factory=dict)
    n_to_learn: int | None = None
    n_training: int | None = None
    level: int | None = None
    energy_error: float | None = None


@dataclass
class Part:
    """One part of a screen.

    Parameters
    ----------
    label
        ``references``, ``prototypes``, ``stage_1``, ``stage_2``, ``final``.
    state
        ``not yet``, ``running``, ``done``, ``failed`` or ``not needed``.
    pk
        Of its last attempt.
    structures
        What it made, in counts by status.
    rounds
        Its iterations.
    n_retained, n_given, reasons
        How many of how many structures it has kept, and the reasons in counts.
    max_rounds, max_labels
        The most trainings and labels it may take; None if nothing limits them.
    """

    label: str
    state: str
    pk: int | None = None
    structures: dict[str, int] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    n_retained: int | None = None
    n_given: int | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    max_rounds: int | None = None
    max_labels: int | None = None

    @property
    def n_labels(self) -> int:
        """Number of configurations labelled for it."""
        return sum(sum(one.labelled.values()) for one in self.rounds)


@dataclass
class DftCounts:
    """Structures that DFT was asked about: what became of them, and what runs."""

    done: int = 0
    running: int = 0
    failed: int = 0


@dataclass
class Standing:
    """How a screen stands.

    Parameters
    ----------
    doing
        What it does now, in a line; empty when it has ended.
    paused
        Processes that wait for someone to let them go on.
    seconds
        Since it was started, or until it ended.
    n_training, energy_error
        Of the newest potential: configurations, RMSE in eV/atom.
    n_labels, max_labels
        Of the stages: labels so far, and the most there may be in the end.
    seconds_left_now
        Until the DFT that runs is through, at the pace of its own; None if that is not known.
    seconds_left_learning
        Of DFT in the stages that are left, at the pace so far, if they take all labels they may;
        None if no pace is known yet.
    stable
        Formulas on the hull.
    reason
        Why it failed.
    """

    pk: int
    uuid: str
    label: str
    elements: list[str]
    state: str
    doing: str
    seconds: float
    parts: list[Part]
    dft: DftCounts
    paused: list[str] = field(default_factory=list)
    n_training: int | None = None
    energy_error: float | None = None
    n_labels: int = 0
    max_labels: int = 0
    seconds_left_now: float | None = None
    seconds_left_learning: float | None = None
    stable: list[str] = field(default_factory=list)
    reason: str = ''

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def standing_of(screen: Any) -> Standing:
    """Return how a screen stands."""
    return _standing(screen, called_by(screen))


def _standing(screen: Any, called: Sequence[Called]) -> Standing:
    parts = [_part(screen, label, [c for c in called if c.part == label]) for label in PARTS]
    stages = [part for part in parts if part.label in STAGES]
    through = {job.pk: _through(job) for job in called if job.is_dft and job.is_running}
    trained = [one for part in parts for one in part.rounds if one.n_training is not None]
    has_ended = screen.is_terminated
    failed = has_ended and not screen.is_finished_ok
    stable = screen.outputs.stable['phases'] if 'stable' in screen.outputs else []
    found = Standing(
        pk=screen.pk,
        uuid=screen.uuid,
        label=screen.label,
        elements=list(screen.inputs.elements),
        state=_state(is_done=screen.is_finished_ok, is_running=not has_ended),
        doing='' if has_ended else progress(called),
        seconds=_age(screen),
        parts=parts,
        dft=_dft(called, through),
        paused=[f'{one.name}<{one.pk}>' for one in called if one.is_paused and one.is_running],
        n_labels=sum(part.n_labels for part in stages),
        max_labels=sum(_most_labels(part) for part in stages),
        stable=[phase['formula'] for phase in stable],
        reason=why_failed(screen) if failed else '',
    )
    if trained:
        found.n_training, found.energy_error = trained[-1].n_training, trained[-1].energy_error
    if not has_ended:
        found.seconds_left_now = _left_now(called, through)
        found.seconds_left_learning = _left_learning(stages, called)
    return found


def _most_labels(part: Part) -> int:
    """Return how many labels a stage may have taken when it ends."""
    is_left = part.state in {RUNNING, NOT_YET}
    return max(part.n_labels, part.max_labels or 0) if is_left else part.n_labels


def _state(*, is_done: bool, is_running: bool) -> str:
    if is_done:
        return DONE
    return RUNNING if is_running else FAILED


def _age(screen: Any) -> float:
    from aiida.common import timezone

    end = screen.mtime if screen.is_terminated else timezone.now()
    return float((end - screen.ctime).total_seconds())


def _part(screen: Any, label: str, own: Sequence[Called]) -> Part:
    rounds, labels = _limits(screen, label)
    if not own:
        state = NOT_NEEDED if screen.is_terminated else NOT_YET
        return Part(label, state, max_rounds=rounds, max_labels=labels)
    head = [one for one in own if len(one.path) == 1][-1]  # the last attempt
    found = Part(
        label=label,
        state=_state(is_done=head.is_done, is_running=head.is_running),
        pk=head.pk,
        rounds=_rounds(own),
        structures=outputs_of([head.pk], 'status').get(head.pk) or {},
        max_rounds=rounds,
        max_labels=labels,
    )
    if label in screen.outputs and 'retained_report' in screen.outputs[label]:
        report = screen.outputs[label]['retained_report'].get_dict()
        found.n_retained, found.n_given = report['n_retained'], report['n_structures']
        found.reasons = {key: n for key, n in report.get('reasons', {}).items() if n}
    return found


def _limits(screen: Any, label: str) -> tuple[int | None, int | None]:
    """Return the most trainings and labels of a stage; only the first needs an initial set."""
    given = screen.inputs[label] if label in STAGES and label in screen.inputs else {}
    if 'max_iterations' not in given or 'max_labels' not in given:
        return None, None
    rounds, labels = given['max_iterations'].value, given['max_labels'].value
    has_labels = label != STAGES[0] or 'training_set' in screen.inputs
    initial = 0 if has_labels or 'max_initial' not in given else given['max_initial'].value
    return rounds, initial + rounds * labels


def _rounds(own: Sequence[Called]) -> list[Round]:
    """Return the iterations of a part from the labels of what it called."""
    by_name: dict[str, list[tuple[int, Called]]] = {}
    for one in own:
        match = ROUND.fullmatch(one.path[1]) if len(one.path) == 2 else None
        if match:
            by_name.setdefault(match[1], []).append((int(match[2]), one))
    rounds: dict[int, Round] = {}
    for name, processes in by_name.items():
        pks = [one.pk for _, one in processes]
        numbers = {one.pk: number for number, one in processes}
        for number in numbers.values():
            rounds.setdefault(number, Round(number))
        if name == 'train':
            _add_training(rounds, numbers)
            continue
        counts = {'relax': 'relaxed', 'label': 'labelled', 'relaxation': 'dft_relaxed'}[name]
        for pk, status in outputs_of(pks, 'status', ['structures']).items():
            total = getattr(rounds[numbers[pk]], counts)
            total.update({key: total.get(key, 0) + n for key, n in status.items()})
        if name == 'relax':
            for pk, n in outputs_of(pks, 'n_structures', ['candidates']).items():
                own_round = rounds[numbers[pk]]
                own_round.n_to_learn = (own_round.n_to_learn or 0) + n
    return [rounds[number] for number in sorted(rounds)]


def _add_training(rounds: Mapping[int, Round], numbers: Mapping[int, int]) -> None:
    pks = list(numbers)
    errors = outputs_of(pks, 'errors', ['potential'])
    levels = outputs_of(pks, 'level', ['potential'])
    for pk, n in outputs_of(pks, 'n_training', ['potential']).items():
        one, found = rounds[numbers[pk]], errors.get(pk) or {}
        one.n_training, one.level = n, levels.get(pk)
        one.energy_error = found.get('energy_rmse_validation', found.get('energy_rmse'))


def _dft(called: Sequence[Called], through: Mapping[int, Progress]) -> DftCounts:
    """Count structures; a code that takes one at a time tells no number."""
    jobs = [one for one in called if one.is_dft]
    found = DftCounts()
    known = outputs_of([one.pk for one in jobs if not one.is_running], 'status')
    for one in jobs:
        if one.pk in through:
            done, total = through[one.pk]
            found.done += done or 0
            found.running += total - (done or 0)
            continue
        status = known.get(one.pk) or {DONE if one.is_done else FAILED: 1}
        found.done += status.get(DONE, 0)
        found.failed += sum(n for key, n in status.items() if key not in {DONE, UNFINISHED})
    return found


def _through(job: Called) -> Progress:
    """Return how many structures a DFT job has finished, if that is known, and of how many."""
    from aiida.orm import load_node

    node: Any = load_node(job.pk)
    total = len(node.inputs.structures) if 'structures' in node.inputs else 1
    return finished_results(node), total


def _left_now(called: Sequence[Called], through: Mapping[int, Progress]) -> float | None:
    """Return when the slowest of the DFT jobs that run will be through, s."""
    from aiida.common import timezone

    left = []
    for job in called:
        done, total = through.get(job.pk, (None, 0))
        if done:
            spent = (timezone.now() - job.started).total_seconds()
            left.append(spent * (total - done) / done)
    return max(left) if left else None


def _left_learning(stages: Sequence[Part], called: Sequence[Called]) -> float | None:
    """Return how long the labels take that are left to the stages, at the pace so far, s."""
    chains = [c for c in called if c.part in STAGES and c.name == 'MtpLabelWorkChain' and c.is_done]
    counts = outputs_of([one.pk for one in chains], 'n_structures', ['structures'])
    n_labels = sum(counts.values())
    if not n_labels:
        return None
    pace = sum(one.seconds for one in chains) / n_labels
    left = [_most_labels(part) - part.n_labels for part in stages]
    return pace * sum(left)
