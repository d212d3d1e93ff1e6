"""The command ``aiida-mtp``, also ``verdi data mtp``."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

# where AiiDA is new, its import makes a folder and warns of it
warnings.filterwarnings('ignore', 'Creating AiiDA configuration folder')

from aiida.cmdline.groups.verdi import VerdiContext  # noqa: E402
from aiida.cmdline.params import options  # noqa: E402
from aiida.cmdline.params.types import ProfileParamType  # noqa: E402

from aiida_mtp import __version__  # noqa: E402
from aiida_mtp.core.errors import InputError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {
    'quickstart': 'From nothing to a hull: a profile, a daemon, and a first screen.',
    'setup': 'A computer and its codes, checked.',
    'screen': 'Launch screens, see how they stand, and report what they found.',
    'potential': 'List, show, export and import potentials.',
    'set': 'List, show, export and import sets of structures.',
    'trace': 'From a structure or a potential back to everything it rests on.',
    'why': 'Why a structure was kept or dropped at each stage.',
    'completion': 'What makes a shell complete these commands.',
}


class Complaint(click.ClickException):
    """What a user did wrong, in one line."""

    def show(self, file: Any = None) -> None:
        """Print it without the usage of the command, which tells nothing new."""
        click.echo(f'Error: {self.format_message()}', file=file, err=file is None)


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn what a user can mend into a complaint; a traceback is for what is wrong with us."""
    from aiida.common.exceptions import ConfigurationError, InvalidOperation, LockedProfileError

    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # nothing was said: the help is the answer
    except click.UsageError as error:
        raise _complaint(_with_help(error), exit_code=error.exit_code) from None
    except (InputError, ConfigurationError, InvalidOperation, LockedProfileError) as error:
        raise _complaint(str(error)) from None
    except BrokenPipeError:
        raise  # click ends quietly
    except OSError as error:  # a full disk, a folder that is not there or not ours
        where = f'{error.filename}: ' if error.filename else ''
        raise _complaint(f'{where}{error.strerror or error}') from None


def _with_help(error: click.UsageError) -> str:
    """Return a mistake in the words of a command, and where its help is, if that may help."""
    message = error.format_message().rstrip('.')
    if error.ctx is None or type(error) is click.BadParameter:  # which says what is wrong with it
        return message
    return f'{message}; see {error.ctx.command_path} --help'


def _complaint(message: str, exit_code: int = 1) -> Complaint:
    complaint = Complaint(' '.join(message.split()))
    complaint.exit_code = exit_code
    return complaint


class _Group(click.Group):
    """Imports a command when it is called, and tells a user's mistake in one line."""

    context_class = VerdiContext

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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with told_in_one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with told_in_one_line():
            return super().invoke(ctx)


def _profile_name() -> str | None:
    """Return the profile that `verdi` has loaded, or the default one; None if there is none."""
    from aiida.manage import get_manager
    from aiida.manage.configuration import get_config

    profile = get_manager().get_profile()
    return profile.name if profile else get_config(create=True).default_profile_name


EPILOG = """\b
Examples:
  aiida-mtp quickstart --dft emt       # a first hull, in about a minute
  aiida-mtp screen launch --help       # a screen of your own
  aiida-mtp screen status --watch      # how the newest stands
  aiida-mtp why Al3Ni                  # why a structure was dropped"""


@click.group(cls=_Group, context_settings={'help_option_names': ['-h', '--help']}, epilog=EPILOG)
@click.version_option(__version__, prog_name='aiida-mtp')
@options.PROFILE(
    type=ProfileParamType(load_profile=True), default=_profile_name, expose_value=False
)
def cmd_root() -> None:
    """Find the stable alloys of a chemical system.

    Every command takes --help, which has examples.
    """


def load_default() -> None:
    """Open the database, also where no profile has been chosen: while a shell completes."""
    from aiida.manage import get_manager

    name = _profile_name()
    if get_manager().get_profile() is None and name is not None:
        get_manager().load_profile(name)
    load()


def load() -> None:
    """Open the database of the profile.

    Raises
    ------
    InputError
        If there is none.
    """
    from aiida.manage import get_manager

    manager = get_manager()
    if manager.get_profile() is None:
        raise InputError('no AiiDA profile; make one with aiida-mtp quickstart or verdi presto')
    manager.get_profile_storage()
