"""What a computer and its executables answer, asked before anything is submitted."""

from __future__ import annotations

import json
import shlex
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiida_mtp import __version__
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida.orm import Computer
    from aiida.transports import Transport

INSTALL = f'install this version there: pip install aiida-mtp=={__version__}'


class Remote:
    """A computer that is connected; whatever it cannot do is an `InputError` with the remedy.

    `prepend` is what is done there before a command, such as loading a module.
    """

    def __init__(self, computer: Computer, transport: Transport) -> None:
        self.computer = computer
        self.transport = transport
        self.prepend = ''

    @classmethod
    @contextmanager
    def connect(cls, computer: Computer) -> Iterator[Remote]:
        """Connect to a computer."""
        label = computer.label
        if not computer.is_configured:
            kind = computer.transport_type
            raise InputError(
                f'{label} is not configured; say verdi computer configure {kind} {label}'
            )
        transport = computer.get_transport()
        try:
            transport.open()
        except Exception as error:  # noqa: BLE001 - each transport has its own
            raise InputError(
                f'{label} does not answer: {last_line(str(error))}; see verdi computer test {label}'
            ) from None
        try:
            yield cls(computer, transport)
        finally:
            transport.close()

    def ask(self, *words: str) -> str:
        """Run a command there and return what it prints."""
        command = shlex.join(words)
        script = f'{self.prepend}\n{command}' if self.prepend else command
        code, printed, complaint = self.transport.exec_command_wait(script)
        if code:
            reason = last_line(complaint or printed or f'it ended with {code}')
            raise InputError(f'{command} on {self.computer.label}: {reason}')
        return str(printed)

    def find(self, name: str) -> str:
        """Return the path of an executable that needs no path there; '' if there is none."""
        try:
            return self.ask('command', '-v', name).strip()
        except InputError:
            return ''

    def check_scheduler(self) -> str:
        """Ask for the queue."""
        from aiida.common.exceptions import AiidaException

        scheduler: Any = self.computer.get_scheduler()
        scheduler.set_transport(self.transport)
        label, kind = self.computer.label, self.computer.scheduler_type
        try:
            jobs = scheduler.get_jobs(as_dict=True)
        except AiidaException as error:
            raise InputError(f'{label}: {kind} does not answer: {last_line(str(error))}') from None
        return f'{label}: {kind} answers, {len(jobs)} jobs are in its queue'

    def check_folder(self) -> str:
        """See whether jobs can write their files."""
        with self.scratch() as folder:
            return f'{self.computer.label}: jobs can write to {PurePosixPath(folder).parent}'

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Make a folder where jobs have theirs, and remove it in the end."""
        root = self.computer.get_workdir().format(username=self.transport.whoami())
        folder = str(PurePosixPath(root) / f'aiida-mtp-setup-{uuid4().hex[:8]}')
        try:
            self.transport.makedirs(folder)
        except OSError as error:
            raise InputError(
                f'{self.computer.label}: jobs cannot write to {root}: {error.strerror or error}'
            ) from None
        try:
            yield folder
        finally:
            self.transport.rmtree(folder)

    def check_version(self, path: str) -> str:
        """Compare the version of one of our executables, and return it."""
        try:
            name, found = self.ask(path, '--version').split()
        except InputError as error:
            raise InputError(f'{error}; {INSTALL}') from None
        except ValueError:
            raise InputError(f'{path} --version on {self.computer.label}: no version') from None
        if found.split('.')[:2] != __version__.split('.')[:2]:
            where = self.computer.label
            raise InputError(
                f'{path} on {where} is {name} {found}, here is {__version__}; {INSTALL}'
            )
        return f'{name} {found}'

    def check_engine(self, path: str) -> str:
        """Check ``mtp-engine`` and measure it; the first call there compiles for a minute."""
        version = self.check_version(path)
        answer = self.ask(path, 'speed', '--threads', '1')
        try:
            speed = json.loads(answer)
            time, level = float(speed['microseconds_per_atom']), int(speed['level'])
        except (ValueError, KeyError, TypeError):
            raise InputError(f'{path} speed on {self.computer.label}: {answer!r}') from None
        return f'{version} works: {time:.1f} µs/atom at level {level} on one core'

    def check_dft(self, path: str, calculator: str) -> str:
        """Let ``mtp-dft`` compute something with a calculator."""
        version = self.check_version(path)
        with self.scratch() as folder, tempfile.TemporaryDirectory() as here:
            settings = Path(here) / 'settings.json'
            settings.write_text(json.dumps({'calculator': calculator}), encoding='utf-8')
            there = str(PurePosixPath(folder) / settings.name)
            self.transport.putfile(str(settings), there)
            answer = self.ask(path, 'check', there)
        return f'{version}: {last_line(answer)}'

    def check_file(self, path: str) -> str:
        """See whether a file is there that can be executed."""
        try:
            self.ask('test', '-x', path)
        except InputError:
            raise InputError(
                f'{path} on {self.computer.label}: there is no executable; give its absolute path'
            ) from None
        return f'{path} is there, and has not been tried'


def last_line(text: str) -> str:
    """Return where a complaint says what it is about."""
    return (text.strip().splitlines() or ['no reason given'])[-1]
