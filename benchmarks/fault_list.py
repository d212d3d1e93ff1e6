"""What can go wrong while a screen runs, when it does, and what a user does about it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_screen import OVERRIDES

if TYPE_CHECKING:
    from cluster import Site

SLOW_EMT = Path(__file__).parents[1] / 'tests' / 'standins' / 'slow_emt'
Act = Callable[['Site'], None]

# what a stage is doing: the how-manieth job of this kind
STAGES: dict[str, tuple[str, int]] = {
    'references': ('MtpDftCalculation', 0),
    'prototypes': ('MtpPrototypesCalculation', 0),
    'first selection': ('MtpSelectCalculation', 0),
    'first labels': ('MtpDftCalculation', 1),
    'training': ('MtpTrainCalculation', 0),
    'relaxation': ('MtpRelaxCalculation', 0),
    'selection': ('MtpSelectCalculation', 1),
    'labels': ('MtpDftCalculation', 3),
    'final DFT': ('MtpDftCalculation', 4),
}


def nothing(_: Site) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Parameters
    ----------
    stage
        It strikes in the middle of this stage's job; one that is there from the start has none.
    strike, mend
        What happens, and what is done about it `seconds` later.
    seconds_of_dft, rate
        How long DFT takes for a structure, s, and the fraction of its runs that fail.
    after
        Shell commands at the end of each job.
    overrides
        Of the screen.
    words
        Of its command line.
    prepare
        Before the screen is launched.
    twice
        Whether it is submitted twice.
    """

    name: str
    stage: str = ''
    strike: Act = nothing
    mend: Act = nothing
    seconds: float = 3.0
    seconds_of_dft: float = 0.5
    rate: float = 0.0
    after: str = ''
    overrides: dict[str, Any] = field(default_factory=lambda: OVERRIDES)
    words: Callable[[Site], tuple[str, ...]] = lambda _: ()
    prepare: Act = nothing
    clean: Act = nothing
    twice: bool = False

    @property
    def key(self) -> str:
        """What the row of the table is kept under."""
        return f'{self.name}, {self.stage}' if self.stage else self.name


def kill_worker(site: Site) -> None:
    """End one worker; the daemon starts another by itself."""
    os.kill(site.workers()[0], signal.SIGKILL)


def kill_workers(site: Site) -> None:
    """End all workers; the daemon starts others by itself."""
    for pid in site.workers():
        os.kill(pid, signal.SIGKILL)


def kill(*services: str) -> Act:
    """Return what ends services."""
    return lambda site: site.cluster.kill(*services)


def start(*services: str) -> Act:
    """Return what starts services again."""
    return lambda site: site.cluster.start(*services)


def start_and_repair(*services: str) -> Act:
    """Return what starts services again, and then repairs the daemon."""

    def act(site: Site) -> None:
        site.cluster.start(*services)
        site.repair()

    return act


def mount_small_disk(site: Site) -> None:
    """Make the scratch folder of all jobs a disk of 8 MB."""
    site.scratch.mkdir(parents=True)
    subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', str(site.scratch)], check=True
    )


def unmount_disk(site: Site) -> None:
    """Undo `mount_small_disk`."""
    subprocess.run(['umount', '--lazy', str(site.scratch)], check=True)


def fill_disk(site: Site) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), (site.scratch / 'ballast').open('wb', buffering=0) as file:
        while True:
            file.write(bytes(4096))


def free_disk(site: Site) -> None:
    """Remove what has filled the disk."""
    (site.scratch / 'ballast').unlink()


def poisoned(site: Site) -> tuple[str, ...]:
    """Write structures no one can compute; return the words that add them to the screen."""
    from ase.build import bulk
    from ase.io import write

    overlapping = bulk('CuPt', 'cesiumchloride', a=3.0)
    overlapping.positions[1] = overlapping.positions[0]
    collapsed = bulk('CuPt', 'cesiumchloride', a=0.3)
    not_a_number = bulk('CuPt', 'rocksalt', a=5.0)
    not_a_number.positions[1, 2] = float('nan')
    path = site.scratch / 'poisoned.extxyz'
    site.scratch.mkdir(parents=True, exist_ok=True)
    write(path, [overlapping, collapsed, not_a_number])
    return ('--structures', str(path))


# the first time a task writes a file, its second half is lost
CUT = r"""
task=$(grep -oE "mtp-(engine|dft)' '[a-z]+" _aiidasubmit.sh | tr -cd a-z)
for file in output.parquet trained.almtp report.json; do
    flag=../../../cut-$task-$file
    if [ -e $file ] && mkdir $flag 2>/dev/null; then
        truncate --size=$(($(stat --format=%s $file) / 2)) $file
    fi
done
"""

LONG = {**OVERRIDES, 'dft': {**OVERRIDES['dft']}}
LONG['dft']['options'] = {**OVERRIDES['dft']['options'], 'max_wallclock_seconds': 60}

FAULTS = [
    *(Fault('kill -9 of a daemon worker', stage, kill_worker) for stage in STAGES),
    Fault('kill -9 of all daemon workers', 'labels', kill_workers),
    Fault(
        'kill -9 of the broker',
        'labels',
        kill('rabbitmq'),
        start_and_repair('rabbitmq'),
    ),
    Fault(
        'kill -9 of PostgreSQL',
        'labels',
        kill('postgres'),
        start_and_repair('postgres'),
    ),
    *(
        Fault('kill -9 of slurmctld', stage, kill('slurmctld'), start('slurmctld'))
        for stage in ('relaxation', 'labels')
    ),
    *(
        Fault('a node disappears', stage, kill('cn2'), clean=start('cn2'))
        for stage in ('labels', 'final DFT')
    ),
    Fault('a node disappears', 'relaxation', kill('cn1'), start('cn1'), seconds=20.0),
    Fault('a job is cut at its walltime', seconds_of_dft=8.0, overrides=LONG),
    Fault('the transport fails for 10 s', 'labels', kill('sshd'), start('sshd'), seconds=10.0),
    Fault(
        'the scratch disk is full',
        'labels',
        fill_disk,
        free_disk,
        seconds=30.0,
        prepare=mount_small_disk,
        clean=unmount_disk,
    ),
    Fault('10 % of DFT runs fail at random', rate=0.1, seconds_of_dft=0.0),
    Fault('poisoned structures', words=poisoned, seconds_of_dft=0.0),
    Fault('output files cut in half', after=CUT, seconds_of_dft=0.0),
    Fault('the same screen submitted twice', twice=True, seconds_of_dft=0.0),
]
