"""Formulas as MathML, which every browser of today shows: no script, and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import SphinxError

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def _written(tex: str, *, as_block: bool) -> str:
    """Return a formula of LaTeX as MathML."""
    try:
        return str(tex2mathml(tex, as_block=as_block))
    except MathError as error:
        raise SphinxError(f'formula {tex!r}: {error}') from None


def _visit_inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_written(node.astext(), as_block=False))
    raise nodes.SkipNode


def _visit_block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{_written(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the renderer ``mathml``."""
    app.add_html_math_renderer('mathml', (_visit_inline, None), (_visit_block, None))
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
