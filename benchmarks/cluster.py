"""The services that `.ci/cluster.sh` starts, and AiiDA profiles that use them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[1]
NO_CLUSTER = 'no cluster; as root: export AIIDA_MTP_TEST_CLUSTER=$(.ci/cluster.sh up)'
OPTIONS: dict[str, Any] = {
    'caching.default_enabled': True,
    'daemon.timeout': 60,
    'daemon.worker_process_slots': 100,
    'runner.poll.interval': 2,
    'transport.task_retry_initial_interval': 1,
    'warnings.rabbitmq_version': False,  # it is told to wait for as long as a process runs
    'warnings.development_version': False,
}
COMPUTERS: dict[str, tuple[str, str, dict[str, Any]]] = {  # code, plugin: where it runs
    'mtp-engine': ('mtp.relax', 'core.local', {}),
    'mtp-dft': ('mtp.dft', 'core.ssh_async', {'host': 'dft-cluster', 'max_io_allowed': 4}),
}


class Cluster:
    """PostgreSQL, RabbitMQ, sshd and Slurm on this machine.

    Parameters
    ----------
    path
        File that `.ci/cluster.sh up` has written.
    """

    def __init__(self, path: str | Path) -> None:
        self._told: dict[str, Any] = json.loads(Path(path).read_text(encoding='utf-8'))
        self.folder = Path(self._told['folder'])
        self.environment: dict[str, str] = self._told['environment']
        self.postgres: dict[str, Any] = self._told['postgres']
        self.rabbitmq: dict[str, Any] = self._told['rabbitmq']

    @classmethod
    def that_is_up(cls) -> Cluster:
        """Return the cluster the environment names; ends the program where it names none."""
        path = os.environ.get('AIIDA_MTP_TEST_CLUSTER')
        if not path:
            raise SystemExit(NO_CLUSTER)
        return cls(path)

    def start(self, *services: str) -> None:
        """Start services that do not run."""
        self._control('start', *services)

    def kill(self, *services: str) -> None:
        """End services by SIGKILL; a node, with the jobs it runs."""
        self._control('kill', *services)

    def _control(self, action: str, *services: str) -> None:
        subprocess.run(
            [self._told['control'], action, *services],
            env={**os.environ, **self.environment},
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    @contextlib.contextmanager
    def site(self, before: str = '', after: str = '', dft: Path | None = None) -> Iterator[Site]:
        """Make a profile with a database of its own, and load it; all is gone at the end.

        Parameters
        ----------
        before, after
            Shell commands of each job.
        dft
            An `mtp-dft` in the place of our own.
        """
        from aiida.manage import get_manager
        from aiida.manage.configuration import create_profile, get_config, profile_context

        name = f'cluster_{secrets.token_hex(4)}'
        config = get_config(create=True)
        postgres = dict(self.postgres)
        self.sql(f'create database {name} encoding "UTF8" template template0')
        profile = create_profile(
            config,
            name=name,
            email='aiida@localhost',
            storage_backend='core.psql_dos',
            storage_config={
                **postgres,
                'database_engine': 'postgresql_psycopg',
                'database_name': name,
                'repository_uri': f'file://{config.dirpath}/{name}',
            },
            broker_backend='core.rabbitmq',
            broker_config=self.rabbitmq,
        )  # no test profile: those have queues that do not survive the broker
        for option, value in OPTIONS.items():
            config.set_option(option, value, scope=name)
        config.store()
        site = Site(self, name)
        try:
            with profile_context(profile.name, allow_switch=True):
                site.make_codes(before, after, dft)
                yield site
        finally:
            site.stop_daemon()
            get_manager().reset_profile()
            config.remove_profile(name)
            config.store()
            self.sql(f'drop database {name} with (force)')

    def sql(self, statement: str) -> None:
        """Let PostgreSQL's superuser do something."""
        with self._connection() as connection:
            connection.execute(statement)

    def ask(self, question: str) -> Any:
        """Return the one value that PostgreSQL answers."""
        with self._connection() as connection:
            (answer,) = connection.execute(question).fetchone() or (None,)
        return answer

    def _connection(self) -> psycopg.Connection[Any]:
        postgres = self.postgres
        return psycopg.connect(
            host=postgres['database_hostname'],
            port=postgres['database_port'],
            user=postgres['database_username'],
            password=postgres['database_password'],
            dbname='postgres',
            autocommit=True,
        )


class Site:
    """A loaded profile with a daemon, and the codes of two computers that share the cluster.

    The engine runs in Slurm's partition ``engine``; DFT in its partition ``dft``, of a computer
    that is reached by SSH.
    """

    def __init__(self, cluster: Cluster, profile: str) -> None:
        self.cluster, self.profile = cluster, profile
        self.scratch = cluster.folder / 'scratch' / profile

    def make_codes(self, before: str = '', after: str = '', dft: Path | None = None) -> None:
        """Set up computers and codes."""
        from aiida.orm import Computer, InstalledCode

        for label, (plugin, transport, parameters) in COMPUTERS.items():
            computer = Computer(
                label=label.removeprefix('mtp-'),
                hostname=parameters.get('host', 'localhost'),
                transport_type=transport,
                scheduler_type='core.slurm',
                workdir=str(self.scratch),
            ).store()
            computer.configure(use_login_shell=False, safe_interval=0.0, **parameters)
            computer.set_minimum_job_poll_interval(1.0)
            computer.set_default_mpiprocs_per_machine(1)
            InstalledCode(
                label=label,
                computer=computer,
                filepath_executable=str(dft if dft and label == 'mtp-dft' else BIN / label),
                default_calc_job_plugin=plugin,
                prepend_text=f'export OMP_NUM_THREADS=1 PYTHONPATH={REPOSITORY}\n{before}',
                append_text=after,
            ).store()

    def call(self, program: str, *words: str) -> str:
        """Call ``verdi`` or ``aiida-mtp`` for this profile, and return what it prints."""
        answer = subprocess.run(
            [str(BIN / program), '-p', self.profile, *words],
            env={
                **os.environ,
                **self.cluster.environment,
                'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}',
                'PYTHONPATH': str(REPOSITORY),
                'PYTHONWARNINGS': 'ignore',
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if answer.returncode:
            raise RuntimeError(f'{program} {" ".join(words)}: {answer.stdout}{answer.stderr}')
        return answer.stdout

    def start_daemon(self, workers: int = 2) -> None:
        """Start the daemon."""
        self.call('verdi', 'daemon', 'start', str(workers))

    def stop_daemon(self) -> None:
        """Stop the daemon; kill it if it does not obey."""
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            self.call('verdi', 'daemon', 'stop')
        self.kill_daemon()

    def repair(self) -> None:
        """Stop the daemon, give back the tasks that the broker has lost, and start it again."""
        self.stop_daemon()
        self.call('verdi', 'process', 'repair', '--force')
        self.start_daemon()

    def workers(self) -> list[int]:
        """Return the processes of the daemon's workers."""
        daemon = self._daemon()
        children = [] if daemon is None else _children(daemon)
        return [p for p in children if b'worker' in Path(f'/proc/{p}/cmdline').read_bytes()]

    def kill_daemon(self) -> None:
        """End the daemon and all it has started by SIGKILL."""
        daemon = self._daemon()
        if daemon is not None:
            for pid in (daemon, *_children(daemon)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)

    def _daemon(self) -> int | None:
        from aiida.engine.daemon.client import get_daemon_client

        pid = get_daemon_client(self.profile).get_daemon_pid()
        return pid if pid is not None and Path(f'/proc/{pid}').exists() else None


def _children(parent: int) -> list[int]:
    text = Path(f'/proc/{parent}/task/{parent}/children').read_text(encoding='utf-8')
    return [int(pid) for pid in text.split()]
