"""The command ``aiida-mtp``, also ``verdi data mtp``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from aiida_mtp import __version__
from aiida_mtp.core.errors import InputError

COMMANDS = {
    'quickstart': 'From nothing to a hull: a profile, a daemon, and a first screen.',
    'screen': 'Launch screens, see how they stand, and report what they found.',
    'potential': 'List, show, export and import potentials.',
    'set': 'List, show, export and import sets of structures.',
    'trace': 'From a structure of a hull back to everything it rests on.',
}


class _Group(click.Group):
    """Imports a command when it is called, and tells a user's mistake in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f'aiida_mtp.cli.cmd_{cmd_name}').command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section('Commands'):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={'help_option_names': ['-h', '--help']})
@click.version_option(__version__, prog_name='aiida-mtp')
@click.option('-p', '--profile', help='AiiDA profile, by default the default one.')
def cmd_root(profile: str | None) -> None:
    """Find the stable alloys of a chemical system."""
    click.get_current_context().obj = profile


def load(profile: str | None = None) -> None:
    """Load a profile, that of the option or the default, unless one is loaded.

    Raises
    ------
    InputError
        If there is none.
    """
    from aiida.common.exceptions import ConfigurationError
    from aiida.manage import get_manager
    from aiida.manage.configuration import get_config, load_profile

    if profile is None:
        profile = _named_by_user()
    if profile is None and get_manager().get_profile() is not None:
        return
    try:
        if profile is None and not get_config().default_profile_name:
            raise InputError('no AiiDA profile; make one with aiida-mtp quickstart or verdi presto')
        load_profile(profile, allow_switch=True)
    except ConfigurationError as error:
        raise InputError(str(error).splitlines()[0]) from None


def _named_by_user() -> str | None:
    context = click.get_current_context(silent=True)
    named = context.find_root().params.get('profile') if context else None
    return named if isinstance(named, str) else None
