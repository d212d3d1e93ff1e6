"""Arguments and options that name things in the database."""

from __future__ import annotations

from typing import Any

import click
from aiida.cmdline.params import types
from aiida.cmdline.params.types.identifier import IdentifierParamType

from aiida_mtp.cli.root import load

SCREEN_ENTRY_POINT = 'aiida.workflows:mtp.screen'


class _OpensDatabase(IdentifierParamType):
    """What is looked up in the database of the profile, by pk, uuid or label."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the database, and find it there."""
        load()
        return super().convert(value, param, ctx)


class NodeType(_OpensDatabase, types.NodeParamType):
    """A node."""


class CodeType(_OpensDatabase, types.CodeParamType):
    """A code."""


class ScreenType(_OpensDatabase, types.ProcessParamType):
    """A screen."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse other processes."""
        process = super().convert(value, param, ctx)
        if process.process_type != SCREEN_ENTRY_POINT:
            label = f'{process.process_label}<{process.pk}>'
            self.fail(f'{label} is no screen; see aiida-mtp screen list', param, ctx)
        return process


POTENTIAL = click.argument('potential', type=NodeType(sub_classes=('aiida.data:mtp.potential',)))
STRUCTURES = click.argument('structures', type=NodeType(sub_classes=('aiida.data:mtp.structures',)))
SCREEN = click.argument('screen', type=ScreenType(), required=False)
