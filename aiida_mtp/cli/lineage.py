"""What rests on what: the tree behind a structure, a potential or a training configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.follow import PARTS
from aiida_mtp.cli.trace import sources_of, trace
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida.orm import Node, WorkChainNode
    from rich.tree import Tree

    from aiida_mtp.cli.trace import Learnt, Source, Trace

STRUCTURE, DATA, JOB, DFT = 'structure', 'data', 'job', 'dft'  # kinds of what is in a tree


@dataclass(frozen=True)
class Step:
    """Something, and what it rests on.

    Parameters
    ----------
    role
        What it is to the step above it, in a word or two.
    kind
        ``structure``, ``data``, ``job`` or ``dft``.
    name
        Of a structure its id, of a node its class or process.
    pk, uuid
        Of the node; None and empty for a structure, which is a row of a set.
    facts
        What is known of it; energies in eV/atom.
    rows
        Ids of the configurations it is about.
    sources
        What it rests on.
    """

    role: str
    kind: str
    name: str
    pk: int | None = None
    uuid: str = ''
    facts: dict[str, Any] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    sources: tuple[Step, ...] = ()

    @property
    def title(self) -> str:
        """Name and pk."""
        return self.name if self.pk is None else f'{self.name}<{self.pk}>'

    @property
    def key(self) -> str:
        """The same wherever it is the same thing."""
        return self.uuid or self.name

    def to_mapping(self) -> dict[str, Any]:
        """Return the tree as plain values."""
        return {
            **{name: getattr(self, name) for name in ('role', 'kind', 'name', 'pk', 'uuid')},
            'facts': self.facts,
            'rows': list(self.rows),
            'sources': [source.to_mapping() for source in self.sources],
        }


def lineage(screen: WorkChainNode | None, name: str) -> Step:
    """Return the tree behind a name.

    Parameters
    ----------
    screen
        The one whose structures are meant; None if the name must be that of a node.
    name
        Id or formula of a structure of the hull; id of a training configuration; pk or uuid of a
        potential or of a set.

    Raises
    ------
    InputError
        If there is nothing of this name.
    """
    if screen is None or is_node(name):
        return _of_node(_node(name))
    labels = _labels(screen)
    if labels is not None and name in set(labels.get_batch().ids) and not _on_hull(screen, name):
        return _of_configuration(screen, labels, name)
    return _of_structure(trace(screen, name))


def is_node(name: str) -> bool:
    """Whether a name is a pk or uuid."""
    from uuid import UUID

    if name.isdecimal():
        return True
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _node(name: str) -> Any:
    """Return the potential or set of a pk or uuid."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_node

    from aiida_mtp.data.potential import MtpPotentialData
    from aiida_mtp.data.structures import StructureSetData

    try:
        node: Any = load_node(int(name)) if name.isdecimal() else load_node(uuid=name)
    except NotExistent:
        raise InputError(f'{name}: no node of this pk or uuid in this profile') from None
    if not isinstance(node, MtpPotentialData | StructureSetData):
        kind = getattr(node, 'process_label', None) or type(node).__name__
        raise InputError(
            f'{kind}<{node.pk}> is neither a potential nor a set of structures; '
            'see aiida-mtp potential list and aiida-mtp set list'
        )
    return node


def _labels(screen: Any) -> Any | None:
    """Return the training set of the last potential of a screen, if it has one."""
    for part in ('final', 'stage_2', 'stage_1'):
        if part in screen.outputs and 'training_set' in screen.outputs[part]:
            return screen.outputs[part].training_set
    return None


def _on_hull(screen: Any, name: str) -> bool:
    return 'hull' in screen.outputs and name in set(screen.outputs.hull.get_batch().ids)


# What rests on what


def _of_node(node: Any) -> Step:
    from aiida_mtp.data.potential import MtpPotentialData

    if isinstance(node, MtpPotentialData):
        return _of_potential(node, 'potential')
    batch = node.get_batch()
    has_labels = any(batch.column('label_process', ''))
    maker = (_step('made by', JOB, node.creator),) if node.creator else ()
    labels = sources_of(batch) if has_labels else []
    sources = tuple(_of_source(one, 'labelled by') for one in labels)
    return _step('set', DATA, node, facts={'structures': len(batch)}, sources=(*maker, *sources))


def _of_potential(potential: Any, role: str) -> Step:
    errors = potential.errors
    facts = {'level': potential.level, 'energy_rmse': errors.get('energy_rmse')}
    training = potential.creator
    if training is None:
        return _step(role, DATA, potential, facts={**facts, 'origin': 'imported'})
    given = training.inputs.structures
    learnt = _training_set(given, sources_of(given.get_batch()))
    step = _step('trained by', JOB, training, sources=(learnt,))
    return _step(role, DATA, potential, facts=facts, sources=(step,))


def _training_set(node: Any, sources: list[Source]) -> Step:
    n = sum(len(source.rows) for source in sources)
    steps = tuple(_of_source(source, 'labelled by') for source in sources)
    return _step('on', DATA, node, facts={'configurations': n}, sources=steps)


def _of_source(source: Source, role: str) -> Step:
    facts: dict[str, Any] = {
        'configurations': len(source.rows),
        'code': source.code,
        'settings': source.settings,
    }
    return _step(role, DFT, source.process, facts=facts, rows=tuple(source.rows))


def _of_configuration(screen: WorkChainNode, labels: Any, name: str) -> Step:
    batch = labels.get_batch()
    row = batch.index_of(name)
    (source,) = sources_of(batch.take([row]))
    facts: dict[str, Any] = {
        'formula': batch.formulas[row],
        'energy': float(batch.energies_per_atom[row]),
        'from': str(batch.origins[row]),
        'screen': screen.pk,
    }
    learnt = _step('in', DATA, labels, facts={'configurations': len(batch)})
    sources = (_of_source(source, 'labelled by'), learnt)
    return Step('training configuration', STRUCTURE, name, facts=facts, sources=sources)


def _of_structure(found: Trace) -> Step:
    final = _of_source(found.final, 'relaxed with DFT by')
    sources = [final, *(_of_stage(one) for one in reversed(found.stages))]
    if found.candidates is not None:
        maker = (_step('made by', JOB, found.generation),) if found.generation else ()
        begun = {'prototype': found.origin}
        sources.append(_step('began in', DATA, found.candidates, facts=begun, sources=maker))
    facts: dict[str, Any] = {
        'formula': found.formula,
        'formation_energy': found.formation_energy,
        'e_above_hull': found.e_above_hull,
        'from': found.origin if found.candidates is None else '',
        'screen': found.screen.pk,
    }
    name = found.structure_id
    return Step('structure', STRUCTURE, name, facts=facts, sources=tuple(sources))


def _of_stage(learnt: Learnt) -> Step:
    facts = {'status': learnt.status, 'energy': learnt.energy, 'grade': learnt.grade}
    role = f'{PARTS[learnt.stage]}: relaxed by'
    potential = _of_potential(learnt.potential, 'with')
    return _step(role, JOB, learnt.relaxation, facts=facts, sources=(potential,))


def _step(role: str, kind: str, node: Node | None, **more: Any) -> Step:
    name = getattr(node, 'process_label', None) or type(node).__name__
    pk, uuid = (node.pk, node.uuid) if node else (None, '')
    return Step(role, kind, name, pk, uuid, **more)


# For a terminal


def lineage_tree(step: Step, *, everything: bool = False) -> Tree:
    """Return the tree for a terminal; with `everything`, each configuration too."""
    from rich.text import Text
    from rich.tree import Tree

    styles = {STRUCTURE: 'bold', DATA: 'cyan', JOB: '', DFT: 'green'}

    def line(one: Step) -> Text:
        words = Text.assemble((f'{one.role} ', 'dim'), (one.title, styles[one.kind]))
        if one.uuid:
            words.append(f' {one.uuid[:8]}', 'dim')
        facts = ', '.join(in_words(one))
        return words.append(f'  {facts}') if facts else words

    def grow(branch: Tree, one: Step) -> None:
        for source in one.sources:
            grow(branch.add(line(source)), source)
        if everything:
            for row in one.rows:
                branch.add(Text(row, 'dim'))

    tree = Tree(line(step))
    grow(tree, step)
    return tree


def in_words(step: Step) -> Iterator[str]:
    """Yield what is known of a step."""
    units = {
        'formation_energy': 'formation energy {:.1f} meV/atom',
        'e_above_hull': '{:.1f} above the hull',
        'energy_rmse': 'energy error {:.1f} meV/atom',
    }
    plain = {
        'energy': '{:.4f} eV/atom',
        'grade': 'largest grade {:.2f}',
        'level': 'level {}',
        'settings': 'settings {:.8}',
        'from': 'from {}',
        'screen': 'screen {}',
    }
    for key, value in step.facts.items():
        if value is None or value == '':
            continue
        if key in units:
            yield units[key].format(value * 1e3)
        elif key in {'configurations', 'structures'}:
            yield f'{value} {key if value != 1 else key[:-1]}'
        else:
            yield plain.get(key, '{}').format(value)
