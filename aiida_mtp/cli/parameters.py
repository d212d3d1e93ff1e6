"""Arguments and options that several commands have, and how their help shows examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from aiida.cmdline.params import types
from aiida.cmdline.params.types.identifier import IdentifierParamType

from aiida_mtp.cli.root import load, load_default
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.shell_completion import CompletionItem

SCREEN_ENTRY_POINT = 'aiida.workflows:mtp.screen'
MOST_PROPOSED = 50  # of one kind, by the completion of a shell


class _OpensDatabase(IdentifierParamType):
    """What is looked up in the database of the profile, by pk, uuid or label."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the database, and find it there."""
        load()
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            reason = error.message.removesuffix(': No result was found')
            raise click.BadParameter(f'{reason}; see {self.remedy}', ctx, param) from None

    @property
    def remedy(self) -> str:
        """The command that tells what there is."""
        raise NotImplementedError

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Propose what may be meant; nothing where there is no database."""
        from click.shell_completion import CompletionItem

        try:
            load_default()
        except InputError:
            return []
        return [
            CompletionItem(name, help=text)
            for name, text in self.proposals()
            if name.startswith(incomplete)
        ]

    def proposals(self) -> Iterator[tuple[str, str]]:
        """Yield what may be meant, the newest first, each with a few words on it."""
        raise NotImplementedError


class NodeType(_OpensDatabase, types.NodeParamType):
    """A node of one of our classes."""

    @property
    def remedy(self) -> str:
        """The command that tells what there is."""
        kinds = [str(entry_point.name) for entry_point in self._entry_points]
        lists = {'mtp.potential': 'potential', 'mtp.structures': 'set'}
        return ' and '.join(f'aiida-mtp {lists[kind]} list' for kind in kinds)

    def proposals(self) -> Iterator[tuple[str, str]]:
        """Yield the newest nodes of these classes."""
        from aiida_mtp.cli.nodes import all_of, maker_of

        for entry_point in self._entry_points:
            for node in all_of(entry_point.load(), MOST_PROPOSED):
                yield str(node.pk), f'{"-".join(node.species)}, {maker_of(node)}'


class CodeType(_OpensDatabase, types.CodeParamType):
    """A code."""

    @property
    def remedy(self) -> str:
        """The commands that tell what there is, and make more."""
        return 'verdi code list; aiida-mtp setup makes codes'

    def proposals(self) -> Iterator[tuple[str, str]]:
        """Yield the codes, of the engine alone where only those will do."""
        from aiida.orm import InstalledCode

        from aiida_mtp.cli.nodes import all_of

        for code in all_of(InstalledCode):
            plugin = code.default_calc_job_plugin
            if self._entry_point in {None, plugin}:
                yield code.full_label, plugin or ''


class ScreenType(_OpensDatabase, types.ProcessParamType):
    """A screen."""

    @property
    def remedy(self) -> str:
        """The command that tells what there is."""
        return 'aiida-mtp screen list'

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse other processes."""
        process = super().convert(value, param, ctx)
        if process.process_type != SCREEN_ENTRY_POINT:
            label = f'{process.process_label}<{process.pk}>'
            self.fail(f'{label} is no screen; see aiida-mtp screen list', param, ctx)
        return process

    def proposals(self) -> Iterator[tuple[str, str]]:
        """Yield the newest screens."""
        from aiida_mtp.cli.screens import all_screens, state_of

        for screen in all_screens()[:MOST_PROPOSED]:
            yield str(screen.pk), f'{"-".join(screen.inputs.elements)}, {state_of(screen)}'


INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)

POTENTIAL = click.argument('potential', type=NodeType(sub_classes=('aiida.data:mtp.potential',)))
STRUCTURES = click.argument('structures', type=NodeType(sub_classes=('aiida.data:mtp.structures',)))
SCREEN = click.argument('screen', type=ScreenType(), required=False)
OF_SCREEN = click.option(
    '--screen', type=ScreenType(), help='Pk or uuid.  [default: the newest with a hull]'
)
JSON = click.option(
    '--json', 'for_scripts', is_flag=True, help='For scripts: energies in eV, null for unknown.'
)


def output(help_text: str, *, required: bool = False) -> Callable[..., Any]:
    """Return the option that names the file a command writes."""
    return click.option('-o', '--output', type=OUTPUT, required=required, help=help_text)


def examples(*lines: str) -> str:
    """Return the end of a help: command lines, each with what it does after a number sign."""
    pairs = [line.partition('#')[::2] for line in lines]
    # of those with a remark
    width = max((len(command.rstrip()) for command, text in pairs if text), default=0)
    shown = [
        f'  {command.rstrip():{width}}  # {text.strip()}' if text else f'  {command.rstrip()}'
        for command, text in pairs
    ]
    return '\n'.join(['\b', 'Examples:', *shown])
