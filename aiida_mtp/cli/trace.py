"""From a structure of the hull back to everything it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.cli.hull_table import STABLE
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.candidates import prototype_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida.orm import Node, ProcessNode, WorkChainNode

    from aiida_mtp.core.structures import StructureBatch

STAGES = ('stage_1', 'stage_2')
FINAL = 'final'
# Links of the sets that a set of relaxed structures was joined of, newer ones first
JOINED = (
    *('begun_', 'current_', 'structures_', 'part_', 'newest', 'previous', 'looked'),
    *('candidates', 'stage_2', 'stage_1'),
)


@dataclass(frozen=True)
class Source:
    """A DFT process, and what of its results is used.

    Parameters
    ----------
    code
        Label of its code; empty if it has none.
    settings
        Hash of the settings the labels were computed with.
    rows
        Ids of the structures it labelled.
    """

    process: ProcessNode
    code: str
    settings: str
    rows: list[str]


@dataclass(frozen=True)
class Learnt:
    """The potential that relaxed a structure in one stage, and what it was trained on.

    Parameters
    ----------
    stage
        Label of the stage.
    energy, grade, status
        What the potential said of the structure: eV/atom, largest extrapolation grade, outcome.
    potential, relaxation, training, training_set
        The nodes.
    sources
        The DFT processes that labelled the training configurations.
    """

    stage: str
    energy: float
    grade: float
    status: str
    potential: Node
    relaxation: ProcessNode
    training: ProcessNode
    training_set: Node
    sources: list[Source]

    @property
    def n_configurations(self) -> int:
        """Size of the training set."""
        return sum(len(source.rows) for source in self.sources)


@dataclass(frozen=True)
class Trace:
    """The chain behind one structure of a hull.

    Parameters
    ----------
    structure_id, formula, origin
        Which structure, and which prototype it was.
    formation_energy, e_above_hull
        eV/atom, DFT.
    final
        The DFT process that relaxed it.
    candidates, generation
        The set it entered the screen with, and the process that made that set; None for an
        element, which went to DFT at once.
    stages
        The potentials on its way; empty for an element.
    """

    screen: WorkChainNode
    structure_id: str
    formula: str
    origin: str
    formation_energy: float
    e_above_hull: float
    final: Source
    candidates: Node | None = None
    generation: ProcessNode | None = None
    stages: list[Learnt] = field(default_factory=list)


def trace(screen: WorkChainNode, name: str) -> Trace:
    """Return the chain behind a structure of the hull.

    Parameters
    ----------
    name
        The id of a structure, or a formula with its elements in any order: the lowest structure
        of that composition is meant.

    Raises
    ------
    InputError
        If the screen has no hull yet, or no such structure.
    """
    if 'hull' not in screen.outputs:
        raise InputError(f'screen {screen.pk} has no hull yet; see aiida-mtp screen status')
    hull = screen.outputs.hull.get_batch()
    row = find_row(hull, name)
    structure_id = str(hull.ids[row])
    (final,) = sources_of(hull.take([row]))
    found = Trace(
        screen=screen,
        structure_id=structure_id,
        formula=hull.formulas[row],
        origin=str(hull.origins[row]),
        formation_energy=float(hull.columns['formation_energy'][row]),
        e_above_hull=float(hull.columns['e_above_hull'][row]),
        final=final,
    )
    candidates = screen.outputs.candidates
    batch = candidates.get_batch()
    began = row_of(batch, structure_id)
    if began is None:
        return found
    return replace(
        found,
        origin=str(batch.origins[began]),
        candidates=candidates,
        generation=candidates.creator,
        stages=list(_stages(screen, structure_id)),
    )


def find_row(hull: StructureBatch, name: str) -> int:
    """Return the row of an id, or of the lowest structure of a formula."""
    if name in set(hull.ids):
        return hull.index_of(name)
    formulas = np.array(hull.formulas)
    distance = hull.columns['e_above_hull']
    rows = np.flatnonzero((formulas == reduced(name)) & np.isfinite(distance))
    if not len(rows):
        stable = sorted(set(formulas[distance < STABLE]))
        raise InputError(f'{name}: not on this hull; stable are {", ".join(stable)}')
    return int(rows[np.argmin(distance[rows])])


def row_of(batch: StructureBatch, structure_id: str) -> int | None:
    """Return the row of a structure, or of what it began as; None without either."""
    for name in (structure_id, prototype_of(structure_id)):
        rows = np.flatnonzero(batch.ids == name)
        if len(rows):
            return int(rows[0])
    return None


def reduced(name: str) -> str:
    """Return a formula reduced and with its elements in order; the name itself if it is none."""
    from ase.formula import Formula

    try:
        counts = Formula(name).count()
    except ValueError:
        return name
    divisor = gcd(*counts.values()) or 1
    parts = ((symbol, counts[symbol] // divisor) for symbol in sorted(counts))
    return ''.join(symbol + (str(n) if n > 1 else '') for symbol, n in parts)


def sources_of(batch: StructureBatch) -> list[Source]:
    """Return the DFT processes behind the labels of a batch, the earliest first."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_node

    rows: dict[tuple[str, str], list[str]] = {}
    processes = batch.column('label_process', '')
    settings = batch.column('label_settings', '')
    for row, key in enumerate(zip(processes, settings, strict=True)):
        rows.setdefault((str(key[0]), str(key[1])), []).append(str(batch.ids[row]))
    sources = []
    for (uuid, digest), ids in rows.items():
        try:
            process: Any = load_node(uuid=uuid)
        except (NotExistent, ValueError):
            raise InputError(
                f'{ids[0]}: the process {uuid or "(none)"} that labelled it is not in this profile'
            ) from None
        code = process.inputs.code.full_label if 'code' in process.inputs else ''
        sources.append(Source(process, code, digest, ids))
    return sorted(sources, key=lambda source: source.process.pk or 0)


def _stages(screen: WorkChainNode, structure_id: str) -> Iterator[Learnt]:
    """Yield what relaxed a structure, each time by another potential.

    A structure that one stage has dropped may have been taken up again by the last.
    """
    sets = [(stage, screen.outputs[stage].structures) for stage in STAGES]
    if FINAL in screen.outputs:
        sets.append((FINAL, screen.outputs[FINAL].candidates))
    seen = set()
    for stage, structures in sets:
        found = relaxation_of(structures, structure_id)
        if found is not None and found[0].uuid not in seen:
            seen.add(found[0].uuid)
            yield _learnt(stage, *found)


def _learnt(stage: str, relaxation: Any, relaxed: StructureBatch, row: int) -> Learnt:
    potential = relaxation.inputs.potential
    training_set = potential.creator.inputs.structures
    return Learnt(
        stage=stage,
        energy=float(relaxed.energies_per_atom[row]),
        grade=float(relaxed.column('grade')[row]),
        status=str(relaxed.status[row]),
        potential=potential,
        relaxation=relaxation,
        training=potential.creator,
        training_set=training_set,
        sources=sources_of(training_set.get_batch()),
    )


def relaxation_of(structures: Any, structure_id: str) -> tuple[Any, StructureBatch, int] | None:
    """Return the job that relaxed a structure, what it gave, and the row; None if it is in none.

    Sets are joined of others, on which one has to look further: for one that holds the structure
    with this very energy, there under another name of its prototype if it is a later find.
    """
    from aiida.orm import CalcJobNode

    from aiida_mtp.core.relax.settings import StopReason

    batch = structures.get_batch()
    row = row_of(batch, structure_id)
    if row is None or batch.status[row] == StopReason.UNFINISHED:
        return None
    if isinstance(structures.creator, CalcJobNode):
        return structures.creator, batch, row
    for node in _joined_of(structures):
        other = node.get_batch()
        twin = _twin_of(other, structure_id, batch.energies[row])
        if twin is not None:
            found = relaxation_of(node, str(other.ids[twin]))
            if found is not None:
                return found
    return None


def _twin_of(batch: StructureBatch, structure_id: str, energy: float) -> int | None:
    """Return the row with this very energy: of this name, or of what its prototype has become."""
    row = row_of(batch, structure_id)
    if row is not None and _is_same(batch.energies[row], energy):
        return row
    name = prototype_of(structure_id)
    equal = np.flatnonzero(batch.energies == energy)
    return next((int(row) for row in equal if prototype_of(str(batch.ids[row])) == name), None)


def _joined_of(structures: Any) -> Iterator[Any]:
    """Yield the sets that one was joined of, newer ones first."""
    incoming = structures.creator.base.links.get_incoming().all()
    for prefix in JOINED:
        for link in incoming:
            if link.link_label.startswith(prefix) and not link.link_label.startswith('candidates_'):
                yield link.node


def _is_same(energy: float, other: float) -> bool:
    return energy == other or bool(np.isnan(energy) and np.isnan(other))
