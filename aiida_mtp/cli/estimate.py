"""What a screen will cost, before it starts."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.experience import experience
from aiida_mtp.cli.trace import STAGES
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.screening.counts import count_derivatives
from aiida_mtp.core.screening.elements import PARENTS
from aiida_mtp.core.screening.spec import PrototypeSpec
from aiida_mtp.core.screening.verification import ALL_RETAINED, VerificationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiida_mtp.cli.experience import Experience
    from aiida_mtp.core.structures import StructureBatch

ENUMERATED = 50_000  # structures that are generated to count them; more are counted by a formula
# With grades, one core: docs/benchmarks/speed.md
MICROSECONDS = {8: 4.3, 16: 9.9, 20: 20.2, 24: 57.6}  # per atom and evaluation, by level
EVALUATIONS = 18  # of a relaxation
NODES = 12.5  # for each job, with data, functions and work chains around it: the quickstart's


@dataclass(frozen=True)
class Amount:
    """How much of something; None where nobody knows."""

    expected: float | None
    most: float | None = None


@dataclass(frozen=True)
class Cost:
    """What a screen will cost.

    Parameters
    ----------
    structures
        Number of candidates by lattice or source, and by atoms in the cell.
    counted
        Whether all of them have been generated; otherwise `formula` says which sizes were not.
    shards
        Relaxation jobs of one iteration, by stage.
    labels, final_labels, final_relaxations
        DFT calculations: to learn from, and of the final stage; those relax.
    jobs, nodes
        Of AiiDA.
    engine_hours, dft_hours
        Processor hours.
    basis
        Where these numbers come from, in sentences.
    """

    structures: dict[str, dict[int, int]]
    counted: bool
    formula: dict[str, list[int]]
    shards: dict[str, int]
    labels: Amount
    final_labels: Amount
    final_relaxations: Amount
    jobs: Amount
    nodes: Amount
    engine_hours: Amount
    dft_hours: Amount
    basis: list[str]

    @property
    def n_structures(self) -> int:
        """Number of all candidates."""
        return sum(sum(sizes.values()) for sizes in self.structures.values())

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {'n_structures': self.n_structures, **asdict(self)}


def estimate(
    elements: Sequence[str],
    inputs: Mapping[str, Any],
    backend: str,
    own: StructureBatch | None,
    rows_per_job: int | None,
    *,
    has_labels: bool = False,
) -> Cost:
    """Return what a screen will cost.

    Parameters
    ----------
    inputs
        Those of the protocol and the overrides.
    backend
        Name of the DFT backend.
    own
        Structures beside the prototypes.
    rows_per_job
        Structures that a DFT job takes; None for all of them.
    has_labels
        Whether it begins with a training set.

    Raises
    ------
    InputError
        If the prototypes cannot be generated.
    """
    structures, formula, n_atoms = _candidates(elements, inputs['prototypes'], own)
    n = sum(sum(sizes.values()) for sizes in structures.values())
    known = experience(backend, inputs['dft']['settings'])
    kept = n if known.kept_share is None else math.ceil(known.kept_share * n)
    stages = [inputs[stage] for stage in STAGES]
    rounds = Amount(
        _times(known.round_share, sum(stage['max_iterations'] for stage in stages)),
        sum(stage['max_iterations'] for stage in stages),
    )
    most = sum(stage['max_iterations'] * stage['max_labels'] for stage in stages)
    most += 0 if has_labels else stages[0]['max_initial']
    labels = Amount(_times(known.budget_share, most), most)
    settings = VerificationSettings.from_mapping(inputs['final'])
    is_all = settings.rule == ALL_RETAINED
    final_labels = Amount(0 if is_all else _times(known.final_labels, n), 0 if is_all else n)
    relaxations = Amount(_times(known.final_relaxations, n), n)
    shards = {
        label: math.ceil(count / stage['shard_size'])
        for label, stage, count in zip(STAGES, stages, (n, kept), strict=True)
    }
    asked = [len(elements), *(one.expected for one in (labels, final_labels, relaxations))]
    dft_jobs = _dft_jobs(asked, rows_per_job, rounds.expected)
    jobs = None
    if rounds.expected is not None and dft_jobs is not None:
        per_round = sum(shards.values()) / len(shards) + 2  # select and train
        jobs = math.ceil(1 + dft_jobs + (rounds.expected + len(STAGES)) * per_round)
    return Cost(
        structures=structures,
        counted=not formula,
        formula=formula,
        shards=shards,
        labels=labels,
        final_labels=final_labels,
        final_relaxations=relaxations,
        jobs=Amount(jobs),
        nodes=Amount(None if jobs is None else math.ceil(NODES * jobs)),
        engine_hours=_engine_hours(stages, (n, kept), n_atoms, rounds),
        dft_hours=_dft_hours(known, labels, final_labels, relaxations),
        basis=_basis(known, formula),
    )


def _candidates(
    elements: Sequence[str], prototypes: Mapping[str, Any] | None, own: StructureBatch | None
) -> tuple[dict[str, dict[int, int]], dict[str, list[int]], float]:
    """Return how many candidates there are, which sizes a formula tells, and their mean size."""
    found: dict[str, Counter[int]] = {}
    formula: dict[str, list[int]] = {}
    if prototypes:
        spec = PrototypeSpec.from_mapping({**prototypes, 'elements': list(elements)})
        sizes = {parent: spec.largest(parent) for parent in PARENTS}
        while (above := _above(sizes, len(elements)))[0] > ENUMERATED:
            parent = above[1]
            step = 2 if parent == 'hcp' else 1
            size = sizes[parent] // step * step
            count = count_derivatives(parent, size // step, len(elements))
            found.setdefault(parent, Counter())[size] += count
            formula.setdefault(parent, []).append(size)
            sizes[parent] = size - step
        for structure_id, n_atoms in _generated({**asdict(spec), **sizes}):
            source = structure_id.partition('-')[0]
            found.setdefault(source if source in {*PARENTS, 'aflow'} else 'own', Counter())[
                n_atoms
            ] += 1
    if own is not None:
        found.setdefault('own', Counter()).update(int(n) for n in own.n_atoms)
    total = sum(sum(counts.values()) for counts in found.values())
    atoms = sum(size * count for counts in found.values() for size, count in counts.items())
    plain = {source: dict(sorted(counts.items())) for source, counts in found.items()}
    return plain, formula, atoms / max(1, total)


def _above(sizes: Mapping[str, int], n_elements: int) -> tuple[int, str]:
    """Return how many structures the largest cells of a lattice have, and which lattice that is."""
    if n_elements == 1:
        return 0, PARENTS[0]
    counts = {
        parent: count_derivatives(parent, size // (2 if parent == 'hcp' else 1), n_elements)
        for parent, size in sizes.items()
        if size >= 2 and n_elements**size > ENUMERATED
    }
    parent = max(counts, key=lambda name: counts[name], default=PARENTS[0])
    return counts.get(parent, 0), parent


def _generated(spec: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return ids and sizes of the prototypes, generated here by the engine."""
    engine = Path(sys.executable).parent / 'mtp-engine'
    values = {key: value for key, value in spec.items() if value}
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / 'spec.json', Path(folder) / 'made.parquet'
        given.write_text(json.dumps(values), encoding='utf-8')
        try:
            answer = subprocess.run(  # noqa: S603 - our own executable
                [str(engine), 'prototypes', str(given), '-o', str(made)],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise InputError(f'{engine} does not run: {error.strerror}') from None
        if answer.returncode:
            reason = (answer.stderr.strip().splitlines() or ['no reason given'])[-1]
            raise InputError(f'prototypes: {reason.replace(f"{given}: ", "")}')
        batch = read_structures(made)
    return [(str(name), int(n)) for name, n in zip(batch.ids, batch.n_atoms, strict=True)]


def _times(share: float | None, most: float) -> float | None:
    return None if share is None else math.ceil(share * most)


def _dft_jobs(
    asked: Sequence[float | None], rows_per_job: int | None, rounds: float | None
) -> float | None:
    """Return the number of DFT jobs: one each time DFT is asked, or so many structures each."""
    known = [n for n in asked if n is not None]
    if len(known) < len(asked) or rounds is None:
        return None
    return rounds + 3 if rows_per_job is None else math.ceil(sum(known) / rows_per_job)


def _engine_hours(
    stages: Sequence[Mapping[str, Any]], counts: Sequence[int], n_atoms: float, rounds: Amount
) -> Amount:
    """Return the time of relaxations: the first takes all evaluations, those after it fewer."""

    def hours(n_rounds: float) -> float:
        evaluations = EVALUATIONS * (1 + n_rounds / len(stages))
        seconds = [
            count * n_atoms * evaluations * _microseconds(stage['level']) * 1e-6
            for stage, count in zip(stages, counts, strict=True)
        ]
        return sum(seconds) / 3600

    expected = None if rounds.expected is None else hours(rounds.expected)
    return Amount(expected, hours(rounds.most or 0))


def _microseconds(level: int) -> float:
    """Return the time per atom, between measured levels by a power law of it."""
    levels = sorted(MICROSECONDS)
    upper = next((one for one in levels[1:] if one >= level), levels[-1])
    lower = levels[levels.index(upper) - 1]
    low, high = MICROSECONDS[lower], MICROSECONDS[upper]
    return low * (high / low) ** ((level - lower) / (upper - lower))


def _dft_hours(known: Experience, labels: Amount, finals: Amount, relaxed: Amount) -> Amount:
    if known.label_seconds is None or known.relaxation_seconds is None:
        return Amount(None)

    def hours(name: str) -> float:
        n_labels = (getattr(labels, name) or 0) + (getattr(finals, name) or 0)
        n_relaxed = getattr(relaxed, name) or 0
        cost = n_labels * (known.label_seconds or 0) + n_relaxed * (known.relaxation_seconds or 0)
        return cost / 3600

    return Amount(hours('expected'), hours('most'))


def _basis(known: Experience, formula: Mapping[str, Sequence[int]]) -> list[str]:
    lines = []
    if formula:
        sizes = '; '.join(
            f'{parent} with {", ".join(map(str, sorted(found)))} atoms'
            for parent, found in formula.items()
        )
        lines.append(f'Not generated but counted by symmetry, up to a tenth too many: {sizes}.')
    else:
        lines.append('All structures were generated to count them.')
    if known.screens:
        pks = ', '.join(map(str, known.screens))
        lines.append(
            f'What is expected of labels, iterations and the final stage is in the same proportion '
            f'as in screen{"s" if len(known.screens) > 1 else ""} {pks}; other systems differ.'
        )
    else:
        lines.append(
            'No screen of this profile has found its hull: nothing tells what is to be expected '
            'within these limits. A screen with --protocol fast would.'
        )
    if known.label_seconds is not None:
        pks = ', '.join(map(str, known.dft_screens))
        lines.append(
            f'DFT: {known.label_seconds:.3g} s a label and {known.relaxation_seconds:.3g} s a '
            f'relaxation, the means of {pks}, of whatever size and settings.'
        )
    elif known.screens:
        lines.append('No screen of this profile used this DFT code: its time is not known.')
    lines.append(
        f'Relaxations: {EVALUATIONS} evaluations of {MICROSECONDS[8]:g} µs/atom at level 8, '
        f'{MICROSECONDS[16]:g} at 16, {MICROSECONDS[20]:g} at 20, as measured for the package; '
        'mtp-engine speed measures a machine.'
    )
    return lines
