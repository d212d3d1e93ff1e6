"""The tree behind something as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_mtp.cli.lineage import DATA, DFT, JOB, STRUCTURE, Step, in_words
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.atomic import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {STRUCTURE: '#f4c7c3', DATA: '#cfe2f3', JOB: '#eeeeee', DFT: '#d0e8d0'}
FORMATS = ('.svg', '.png', '.pdf', '.dot')
MOST = 8  # DFT runs that are drawn for each set; the others are one box
WIDTH, HEIGHT = 2.7, 0.9  # of the place a box has, inches
BOX = (2.2, 0.62)


def write_graph(path: Path, root: Step) -> None:
    """Draw what rests on what, whatever is the same once.

    Parameters
    ----------
    path
        Its name tells the format: .svg, .png, .pdf, or .dot of Graphviz.

    Raises
    ------
    InputError
        If it tells another.
    """
    check_format(path)
    boxes, arrows = _graph(root)
    if path.suffix.lower() == '.dot':
        with atomic_path(path) as temporary:
            temporary.write_text(_dot(boxes, arrows), encoding='utf-8')
    else:
        _draw(path, boxes, arrows)


def check_format(path: Path | None) -> None:
    """Raise `InputError` if a name tells no format of pictures."""
    if path is not None and path.suffix.lower() not in FORMATS:
        known = ', '.join(FORMATS)
        raise InputError(f'{path}: the name tells no format of pictures; known: {known}')


def _graph(root: Step) -> tuple[dict[str, Step], dict[tuple[str, str], str]]:
    """Return all steps by their keys, and the roles of sources: (source, result) → role."""
    boxes: dict[str, Step] = {}
    arrows: dict[tuple[str, str], str] = {}

    def walk(step: Step) -> None:
        boxes.setdefault(step.key, step)
        for source in _few(step):
            arrows[source.key, step.key] = source.role
            walk(source)

    walk(root)
    return boxes, arrows


def _few(step: Step) -> list[Step]:
    """Return the sources, those runs of DFT that are too many to draw as one."""
    runs = [one for one in step.sources if one.kind == DFT]
    if len(runs) <= MOST:
        return list(step.sources)
    rest = runs[MOST:]
    n = sum(one.facts.get('configurations', 1) for one in rest)
    name = f'{len(rest)} more runs'
    facts = {'configurations': n}
    more = Step('labelled by', DFT, name, uuid=f'{step.key}-more', facts=facts)
    return [one for one in step.sources if one not in rest] + [more]


def _words(step: Step) -> list[str]:
    """Return two lines for a box."""
    stage, _, _ = step.role.rpartition(':')
    facts = [*filter(None, [stage]), *in_words(step)]
    return [_short(step.title, 30), _short(', '.join(facts[:2]), 44)]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f'{text[: most - 1]}…'


def _places(
    boxes: dict[str, Step], arrows: dict[tuple[str, str], str]
) -> dict[str, tuple[int, float]]:
    """Return column and row of each box: sources on the left of what rests on them."""
    columns = dict.fromkeys(boxes, 0)
    for _ in boxes:  # the longest way to the root
        for source, result in arrows:
            columns[source] = max(columns[source], columns[result] + 1)
    last = max(columns.values())
    rows: dict[str, float] = {}
    for column in range(last + 1):
        own = [key for key in boxes if columns[key] == column]
        # beside what they lead to, in that order
        wanted = {
            key: [rows[result] for source, result in arrows if source == key and result in rows]
            for key in own
        }
        own.sort(key=lambda key: sum(wanted[key]) / max(1, len(wanted[key])))
        for index, key in enumerate(own):
            rows[key] = index - (len(own) - 1) / 2
    return {key: (last - columns[key], rows[key]) for key in boxes}


def _draw(path: Path, boxes: dict[str, Step], arrows: dict[tuple[str, str], str]) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    places = {
        key: (column * WIDTH, -row * HEIGHT)
        for key, (column, row) in _places(boxes, arrows).items()
    }
    xs, ys = zip(*places.values(), strict=True)
    left, right = min(xs) - WIDTH / 2, max(xs) + WIDTH / 2
    low, high = min(ys) - HEIGHT / 2, max(ys) + HEIGHT / 2
    figure = Figure(figsize=(right - left, high - low))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(low, high))
    axes.set_axis_off()
    for source, result in arrows:
        (x0, y0), (x1, y1) = places[source], places[result]
        ends = (x0 + BOX[0] / 2, y0), (x1 - BOX[0] / 2, y1)
        style: dict[str, Any] = {
            'arrowstyle': '-|>',
            'mutation_scale': 9,
            'color': '#777777',
            'linewidth': 0.8,
        }
        axes.add_patch(FancyArrowPatch(*ends, shrinkA=0, shrinkB=0, **style))
    for key, step in boxes.items():
        x, y = places[key]
        corner = (x - BOX[0] / 2, y - BOX[1] / 2)
        axes.add_patch(
            FancyBboxPatch(
                corner,
                *BOX,
                boxstyle='round,pad=0,rounding_size=0.08',
                facecolor=COLOURS[step.kind],
                edgecolor='#555555',
                linewidth=0.8,
            )
        )
        title, facts = _words(step)
        middle: dict[str, Any] = {'ha': 'center', 'va': 'center', 'parse_math': False}
        weight = 'bold' if step.kind == STRUCTURE else 'normal'
        axes.text(x, y + (0.12 if facts else 0), title, fontsize=8, weight=weight, **middle)
        axes.text(x, y - 0.14, facts, fontsize=6.5, color='#444444', **middle)
    # text stays text; no time of drawing in the file, no random names
    settings: dict[Any, Any] = {'svg.fonttype': 'none', 'svg.hashsalt': 'aiida-mtp'}
    metadata = {'.svg': {'Date': None}, '.pdf': {'CreationDate': None}}.get(path.suffix.lower())
    with mpl.rc_context(settings), atomic_path(path) as temporary:
        figure.savefig(
            temporary, format=path.suffix[1:].lower(), dpi=150, facecolor='white', metadata=metadata
        )


def _dot(boxes: dict[str, Step], arrows: dict[tuple[str, str], str]) -> str:
    """Return the graph in the language of Graphviz."""
    lines = ['digraph provenance {', '  rankdir=LR;', '  node [shape=box, style="rounded,filled"];']
    numbers = {key: f'n{index}' for index, key in enumerate(boxes)}
    for key, step in boxes.items():
        label = '\\n'.join(_quoted(line) for line in _words(step) if line)
        lines.append(f'  {numbers[key]} [label="{label}", fillcolor="{COLOURS[step.kind]}"];')
    for (source, result), role in arrows.items():
        lines.append(f'  {numbers[source]} -> {numbers[result]} [tooltip="{_quoted(role)}"];')
    return '\n'.join([*lines, '}', ''])


def _quoted(text: str) -> str:
    return text.replace('\\', '\\\\').replace('"', '\\"')
