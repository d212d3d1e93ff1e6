"""A screen on PostgreSQL, RabbitMQ and Slurm, set up by typing what the page says."""

import json
import os
import secrets
import subprocess
from types import SimpleNamespace

import pytest
import yaml
from cluster import BIN, REPOSITORY
from cluster_screen import OVERRIDES, difference, repeated_dft
from pages import commands, files

PAGE = 'docs/howto/run-on-a-cluster.md'
PATIENCE = 600.0  # s
IMPATIENT = """
from aiida.orm import load_computer
load_computer('cluster').set_minimum_job_poll_interval(1.0)
"""
OUTCOME = """
import json, time
from aiida.orm import CalcJobNode, load_node
screen = load_node({pk})
end = time.monotonic() + {patience}
while not screen.is_terminated and time.monotonic() < end:
    time.sleep(1.0)
jobs = [node for node in screen.called_descendants if isinstance(node, CalcJobNode)]
stable = screen.outputs.stable['phases'] if screen.is_finished_ok else []
print(json.dumps([
    screen.exit_message or screen.process_state.value,
    {{phase['formula']: phase['formation_energy'] for phase in stable}},
    sorted({{(job.process_label, job.get_options()['queue_name']) for job in jobs}}),
]))
"""


@pytest.mark.needs_cluster
def test_setup_checks_what_is_there(cluster):
    with cluster.site() as site:
        for computer, program in (('engine', 'mtp-engine'), ('dft', 'mtp-dft')):
            told = site.call(
                'aiida-mtp', 'setup', '--computer', computer, f'--{computer}', str(BIN / program),
                '--calculator', 'emt', '--non-interactive',
            )  # fmt: skip
            assert f'{computer}: core.slurm answers, 0 jobs are in its queue' in told
            assert f'--{computer} {program}@{computer}' in told.splitlines()[-1]
        with pytest.raises(RuntimeError, match='install this version there'):
            site.call(
                'aiida-mtp', 'setup', '--computer', 'dft', '--dft', '/opt/mtp-dft',
                '--calculator', 'emt', '--non-interactive',
            )  # fmt: skip


class User:
    """Someone with an AiiDA of their own who types commands on this machine.

    Parameters
    ----------
    names
        What words of the page are called here.
    """

    def __init__(self, cluster, folder, names):
        self.folder, self.names = folder, names
        self.environment = {
            **os.environ,
            **cluster.environment,
            'AIIDA_PATH': str(folder),
            'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}',
            'PYTHONPATH': str(REPOSITORY),
            'PYTHONWARNINGS': 'ignore',
        }

    def type(self, *words):
        """Call a program, and return what it prints."""
        here = []
        for word in words:
            found = self.names.get((here or [''])[-1] + ' ' + word, self.names.get(word, word))
            here += found.split(' ') if found.startswith('--') else [found]
        answer = subprocess.run(
            here,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE + 60,
        )
        assert answer.returncode == 0, f'{here}: {answer.stdout}{answer.stderr}'
        return answer.stdout

    def run(self, script):
        """Run a script with AiiDA, and return what it prints."""
        path = self.folder / 'script.py'
        path.write_text(script)
        return self.type('verdi', 'run', str(path))


@pytest.fixture
def user(cluster, tmp_path):
    """Someone with a database and a role of PostgreSQL, which is the administrator's part."""
    scratch = (
        cluster.folder / 'scratch' / f'page_{secrets.token_hex(4)}'
    )  # of no run before this one
    cluster.sql("create role aiida login password 'A-SECRET'")
    cluster.sql('create database aiida owner aiida encoding "UTF8" template template0')
    port = cluster.postgres['database_port']
    someone = User(
        cluster,
        tmp_path,
        {
            '--database-hostname localhost': '127.0.0.1',
            '--database-name': f'--database-port {port} --database-name',
            '--broker-port 5672': str(cluster.rabbitmq['broker_port']),
            'file://$HOME/.aiida/repository/screens': f'file://{tmp_path}/repository',
            '--hostname cluster': 'dft-cluster',
            '--host cluster': 'dft-cluster',
            '--safe-interval 5': '0',
            '/scratch/you/aiida': str(scratch),
            '/path/to/.venv/bin/mtp-engine': str(BIN / 'mtp-engine'),
            '/path/to/.venv/bin/mtp-dft': str(BIN / 'mtp-dft'),
            'Al': 'Cu',
            'Ni': 'Pt',
        },
    )
    try:
        yield someone, scratch
    finally:
        subprocess.run([BIN / 'verdi', 'daemon', 'stop'], env=someone.environment, check=False)
        cluster.sql('drop database aiida with (force)')
        cluster.sql('drop role aiida')


@pytest.mark.slow
@pytest.mark.needs_daemon
@pytest.mark.needs_cluster
def test_the_page_to_the_letter(user, undisturbed_hull):
    someone, scratch = user
    page = yaml.safe_load(files(PAGE)['cluster.yaml'])
    wanted = {part: page[part]['options']['queue_name'] for part in ('engine', 'dft')}
    assert wanted == {part: OVERRIDES[part]['options']['queue_name'] for part in wanted}
    (someone.folder / 'cluster.yaml').write_text(yaml.safe_dump(OVERRIDES))  # smaller than there
    screen = 0
    for words in commands(PAGE):
        if words[0] not in {'verdi', 'aiida-mtp'}:
            continue
        if 'launch' not in words:
            someone.type(*words)
            continue
        someone.run(IMPATIENT)
        words.remove('Ti')
        told = someone.type(*words, '--protocol', 'fast', '--backend', 'ase')
        screen = int(told.split()[1])
    said = someone.run(OUTCOME.format(pk=screen, patience=PATIENCE))
    state, phases, queues = json.loads(said.splitlines()[-1])
    assert state == 'finished'
    assert difference(phases, undisturbed_hull) < 1e-6
    assert ['MtpDftCalculation', 'dft'] in queues
    assert ['MtpRelaxCalculation', 'engine'] in queues
    assert repeated_dft(SimpleNamespace(scratch=scratch)) == 0
    written = [scratch, someone.folder / 'repository', *someone.folder.glob('.aiida/daemon')]
    files_of_jobs = [path for folder in written for path in folder.rglob('*') if path.is_file()]
    assert len(files_of_jobs) > 50
    assert not [path for path in files_of_jobs if b'A-SECRET' in path.read_bytes()]
