"""A screen by several daemon workers on PostgreSQL, RabbitMQ and Slurm, on two computers."""

import time

import pytest
from aiida.orm import CalcJobNode, load_node
from cluster import BIN
from cluster_screen import difference, launch, repeated_dft, stable

PATIENCE = 600.0  # s


def jobs_of(screen):
    return [p for p in screen.called_descendants if isinstance(p, CalcJobNode)]


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


@pytest.mark.slow
@pytest.mark.needs_daemon
@pytest.mark.needs_cluster
def test_cu_pt(cluster, undisturbed_hull):
    with cluster.site() as site:
        site.start_daemon(workers=2)
        screen = load_node(launch(site))
        with pytest.raises(RuntimeError, match=f'screen {screen.pk} of the same inputs is running'):
            launch(site)
        end = time.monotonic() + PATIENCE
        while not screen.is_terminated and time.monotonic() < end:
            time.sleep(0.5)
        assert screen.is_finished_ok, screen.exit_message or screen.process_state
        assert difference(stable(screen), undisturbed_hull) < 1e-6
        where = {(job.process_label, job.computer.label) for job in jobs_of(screen)}
        assert ('MtpDftCalculation', 'dft') in where
        assert ('MtpRelaxCalculation', 'engine') in where
        assert repeated_dft(site) == 0
