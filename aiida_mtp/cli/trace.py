"""From a structure of the hull back to everything it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from aiida.orm import Node, ProcessNode, WorkChainNode

    from aiida_mtp.core.structures import StructureBatch

STAGES = ('stage_1', 'stage_2')


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
    configurations
        Ids of the training configurations.
    dft
        The DFT processes that labelled them: uuid → number of configurations.
    """

    stage: str
    energy: float
    grade: float
    status: str
    potential: Node
    relaxation: ProcessNode
    training: ProcessNode
    training_set: Node
    configurations: list[str]
    dft: dict[str, int]


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
    stages
        The potentials on its way; empty for an element, which went to DFT at once.
    """

    screen: WorkChainNode
    structure_id: str
    formula: str
    origin: str
    formation_energy: float
    e_above_hull: float
    settings: str
    final: ProcessNode
    candidates: Node | None
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
    candidates = screen.outputs.candidates
    batch = candidates.get_batch()
    known = structure_id in set(batch.ids)
    origin = batch.origins[batch.index_of(structure_id)] if known else hull.origins[row]
    return Trace(
        screen=screen,
        structure_id=structure_id,
        formula=hull.formulas[row],
        origin=str(origin),
        formation_energy=float(hull.columns['formation_energy'][row]),
        e_above_hull=float(hull.columns['e_above_hull'][row]),
        settings=str(hull.column('label_settings', '')[row]),
        final=_process(str(hull.columns['label_process'][row])),
        candidates=candidates if known else None,
        stages=[_learnt(screen, stage, structure_id) for stage in STAGES] if known else [],
    )


def find_row(hull: StructureBatch, name: str) -> int:
    """Return the row of an id, or of the lowest structure of a formula."""
    if name in set(hull.ids):
        return hull.index_of(name)
    formulas = np.array(hull.formulas)
    wanted = _sorted_formula(name)
    rows = np.flatnonzero((formulas == wanted) & np.isfinite(hull.columns['e_above_hull']))
    if not len(rows):
        stable = sorted(set(formulas[hull.columns['e_above_hull'] < 1e-6]))
        raise InputError(f'{name}: not on this hull; stable are {", ".join(stable)}')
    return int(rows[np.argmin(hull.columns['e_above_hull'][rows])])


def _sorted_formula(name: str) -> str:
    """Return a formula reduced and with its elements in order; the name itself if it is none."""
    from math import gcd

    from ase.formula import Formula

    try:
        counts = Formula(name).count()
    except ValueError:
        return name
    divisor = gcd(*counts.values()) or 1
    parts = ((symbol, counts[symbol] // divisor) for symbol in sorted(counts))
    return ''.join(symbol + (str(n) if n > 1 else '') for symbol, n in parts)


def _process(uuid: str) -> Any:
    from aiida.orm import load_node

    return load_node(uuid=uuid)


def _learnt(screen: WorkChainNode, stage: str, structure_id: str) -> Learnt:
    outputs = getattr(screen.outputs, stage)
    relaxed = outputs.structures.get_batch()
    row = relaxed.index_of(structure_id)
    training_set = outputs.training_set
    batch = training_set.get_batch()
    processes, counts = np.unique(batch.columns['label_process'].astype(str), return_counts=True)
    return Learnt(
        stage=stage,
        energy=float(relaxed.energies_per_atom[row]),
        grade=float(relaxed.column('grade')[row]),
        status=str(relaxed.status[row]),
        potential=outputs.potential,
        relaxation=_relaxation(outputs.structures, structure_id),
        training=outputs.potential.creator,
        training_set=training_set,
        configurations=[str(i) for i in batch.ids],
        dft={str(p): int(n) for p, n in zip(processes, counts, strict=True)},
    )


def _relaxation(structures: Any, structure_id: str) -> Any:
    """Return the job that relaxed a structure: the shard's, where shards were joined."""
    from aiida.orm import CalcJobNode

    creator = structures.creator
    if isinstance(creator, CalcJobNode):
        return creator
    for link in creator.base.links.get_incoming().all():
        shard = link.node
        if hasattr(shard, 'get_batch') and structure_id in set(shard.get_batch().ids):
            return shard.creator
    return creator


def lines_of(found: Trace, *, everything: bool = False) -> list[str]:
    """Return a trace as lines of text; with `everything`, each training configuration too."""
    lines = [
        f'{found.formula}  {found.structure_id}',
        (
            f'  formation energy {found.formation_energy * 1e3:.1f} meV/atom, '
            f'{found.e_above_hull * 1e3:.1f} above the hull of screen {_name(found.screen)}'
        ),
        f'  DFT relaxation   {_name(found.final)}, settings {found.settings}',
    ]
    for learnt in reversed(found.stages):
        lines += [
            f'  {learnt.stage}',
            (
                f'    relaxed by     {_name(learnt.relaxation)}: {learnt.status}, '
                f'{learnt.energy:.4f} eV/atom, largest grade {learnt.grade:.2f}'
            ),
            f'    with potential {_name(learnt.potential)}, level {learnt.potential.level}',
            f'    trained by     {_name(learnt.training)}',
            (
                f'    on             {len(learnt.configurations)} configurations, '
                f'{_name(learnt.training_set)}'
            ),
            f'    labelled by    {len(learnt.dft)} DFT processes',
        ]
        lines += [
            f'      {_name(_process(uuid))}: {n} configurations' for uuid, n in learnt.dft.items()
        ]
        if everything:
            lines += [f'      {name}' for name in learnt.configurations]
    if found.candidates is not None:
        lines.append(f'  prototype        {found.origin}, in {_name(found.candidates)}')
    else:
        lines.append(f'  start            {found.origin}')
    return lines


def _name(node: Node) -> str:
    kind = getattr(node, 'process_label', None) or type(node).__name__
    return f'{kind}<{node.pk}> {str(node.uuid)[:8]}'
