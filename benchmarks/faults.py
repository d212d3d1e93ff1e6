"""A small screen on a cluster, and one fault after the other: what is lost, and what is repeated.

`make faults` brings up the cluster of `.ci/cluster.sh` and takes it down. Every fault has a new
database, so that nothing is taken from the cache of another; a hull counts as equal if it has the
same phases, and their energies differ by less than 1 meV/atom from those of an undisturbed screen.
It has recovered when the next job has succeeded. What died is started again after three seconds,
unless told otherwise; a node stays away. DFT is repeated if a structure is computed to the end
twice with the same settings, counted from the files the jobs leave where they run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import Cluster
from cluster_screen import difference, finished_dft, launch, repeated_dft, stable
from fault_list import FAULTS, SLOW_EMT, STAGES, Fault

if TYPE_CHECKING:
    from aiida.orm import QueryBuilder
    from cluster import Site

PATIENCE = 600.0  # s
TOLERANCE = 1e-3  # eV/atom
UNDISTURBED = Fault('none')


@dataclass
class Outcome:
    """How a screen went.

    Parameters
    ----------
    hull
        Empty if it found none.
    recovered
        From the fault to the end of the next job, s.
    relaunches
        How often the user had to launch the screen again.
    repeated, computed
        Number of DFT results that were computed again, and of all.
    remarks
        Why it failed, if it did.
    missed
        Faults that did not happen, for the stage was over too soon.
    """

    hull: dict[str, float]
    seconds: float
    recovered: float | None
    relaunches: int
    repeated: int
    computed: int
    remarks: str = ''
    missed: list[str] = field(default_factory=list)


class Run:
    """A screen that meets faults."""

    def __init__(self, site: Site, faults: list[Fault]) -> None:
        self.site, self.waiting = site, list(faults)
        self.start = time.monotonic()
        self.mends: list[tuple[float, Fault]] = []
        self.struck: float | None = None
        self.finished_before = 0
        self.recovered: float | None = None
        self.relaunches = 0

    def follow(self, first: Fault) -> Outcome:
        """Launch the screen and see it through; do what a user would do about each fault."""
        overrides, words = first.overrides, first.words(self.site)
        screen = launch(self.site, overrides, *words)
        if first.twice:
            with contextlib.suppress(RuntimeError):  # it is refused
                launch(self.site, overrides, *words)
        remarks = ''
        while time.monotonic() - self.start < PATIENCE:
            time.sleep(0.1)
            self.mend()
            self.strike()
            if self.mends:
                continue  # the database may be down
            state, failed = self.state_of(screen)
            self.note_recovery()
            if state == 'finished':
                break
            if failed:
                remarks = failed
                if self.relaunches >= 3:
                    break
                self.relaunches += 1
                screen = launch(self.site, overrides, *words)
            elif self.struck and time.monotonic() - self.struck > 5:
                self.play_paused()
        else:
            remarks = f'not finished within {PATIENCE:.0f} s'
        return self.outcome(screen, remarks)

    def strike(self) -> None:
        """Let the next fault happen if the job it waits for is half done."""
        if self.mends or not self.waiting or not self.waiting[0].stage:
            return
        if self.is_half_done(self.waiting[0].stage):
            fault = self.waiting.pop(0)
            self.finished_before = self.n_finished()
            self.struck, self.recovered = time.monotonic(), None
            fault.strike(self.site)
            self.mends.append((self.struck + fault.seconds, fault))

    def mend(self) -> None:
        """Mend what was struck long enough ago."""
        for when, fault in self.mends[:]:
            if time.monotonic() >= when:
                fault.mend(self.site)
                self.mends.remove((when, fault))

    def is_half_done(self, stage: str) -> bool:
        """Whether the job of a stage runs; one of DFT, whether it has some result."""
        kind, number = STAGES[stage]
        jobs = [job for job in self.jobs() if job[0] == kind]
        if len(jobs) <= number or jobs[number][1] is None or jobs[number][2] != 'waiting':
            return False
        folder = Path(jobs[number][1])
        return any(folder.glob('results/*.json' if 'Dft' in kind else '_scheduler-stdout.txt'))

    def jobs(self) -> list[tuple[str, str | None, str, int | None]]:
        """Return of each job its kind, its folder, its state and its exit status."""
        from aiida.orm import CalcJobNode, QueryBuilder

        names = ('process_label', 'remote_workdir', 'process_state', 'exit_status')
        query = QueryBuilder().append(
            CalcJobNode, project=[f'attributes.{name}' for name in names], tag='job'
        )
        return answer(query.order_by({'job': 'id'}))

    def n_finished(self) -> int:
        """Return how many jobs have succeeded."""
        return sum(job[3] == 0 for job in self.jobs())

    def note_recovery(self) -> None:
        """See whether a job has succeeded since the fault."""
        if self.struck and self.recovered is None and self.n_finished() > self.finished_before:
            self.recovered = time.monotonic() - self.struck

    def state_of(self, pk: int) -> tuple[str, str]:
        """Return 'finished' if there is a hull, and the reason if there will be none."""
        from aiida.orm import QueryBuilder, WorkChainNode

        names = ('process_state', 'exit_status', 'exit_message', 'exception')
        query = QueryBuilder().append(
            WorkChainNode, filters={'id': pk}, project=[f'attributes.{name}' for name in names]
        )
        ((state, status, message, exception),) = answer(query)
        if state == 'finished' and status == 0:
            return 'finished', ''
        if state in {'finished', 'excepted', 'killed'}:
            return state, ' '.join(str(message or exception or state).split())
        return state, ''

    def play_paused(self) -> None:
        """Let processes go on that wait for the user."""
        from aiida.orm import ProcessNode, QueryBuilder

        query = QueryBuilder().append(
            ProcessNode,
            filters={'attributes.paused': True, 'attributes.process_state': {'in': ['waiting']}},
            project='id',
        )
        paused = [str(pk) for (pk,) in answer(query)]
        if paused:
            with contextlib.suppress(RuntimeError):
                self.site.call('verdi', 'process', 'play', *paused)

    def outcome(self, screen: int, remarks: str) -> Outcome:
        """Gather what is left to see."""
        from aiida.orm import load_node

        node = load_node(screen)
        return Outcome(
            stable(node) if node.is_finished_ok else {},
            time.monotonic() - self.start,
            self.recovered,
            self.relaunches,
            repeated_dft(self.site),
            sum(finished_dft(self.site).values()),
            remarks,
            [fault.key for fault in self.waiting if fault.stage],
        )


def answer(query: QueryBuilder) -> list[Any]:
    """Return what the database says now; connect anew where it has been away."""
    from aiida.manage import get_manager
    from sqlalchemy.exc import OperationalError

    storage: Any = get_manager().get_profile_storage()
    for _ in range(60):
        try:
            found: list[Any] = query.all()
        except OperationalError:
            time.sleep(1.0)
        else:
            return found
        finally:
            storage.get_session().rollback()  # the next query sees what others write meanwhile
    raise RuntimeError('PostgreSQL does not answer')


def meet(cluster: Cluster, *faults: Fault) -> Outcome:
    """Run a screen that meets faults, one in each of several stages."""
    first = faults[0]
    with tempfile.TemporaryDirectory() as runs, contextlib.ExitStack() as stack:
        before = (
            f'export PYTHONPATH={SLOW_EMT}:$PYTHONPATH SLOW_EMT_RUNS={runs} '
            f'SLOW_EMT_RATE={first.rate} SLOW_EMT_SECONDS={first.seconds_of_dft}'
        )
        site = stack.enter_context(cluster.site(before, first.after))
        for fault in faults:
            fault.prepare(site)
            stack.callback(fault.clean, site)
        site.start_daemon(2)
        return Run(site, list(faults)).follow(first)


def row(outcome: Outcome, expected: dict[str, float], fault: Fault) -> dict[str, Any]:
    """Return what the table says of a fault."""
    gap = difference(outcome.hull, expected)
    return {
        'fault': fault.name,
        'when': fault.stage or 'throughout',
        'recovered': outcome.recovered,
        'seconds': outcome.seconds,
        'relaunches': outcome.relaunches,
        'repeated': outcome.repeated,
        'computed': outcome.computed,
        'equal': gap is not None and gap < TOLERANCE,
        'remarks': outcome.remarks or ('did not happen' if outcome.missed else ''),
    }


def page(rows: dict[str, Any]) -> str:
    """Return the page in Markdown."""
    lines = [
        '| fault | when | recovered in | launched again | DFT repeated | hull equal |',
        '|---|---|---|---|---|---|',
    ]
    for one in rows.values():
        recovered = '–' if one['recovered'] is None else f'{one["recovered"]:.0f} s'
        again = one['relaunches'] or 'no'
        equal = 'yes' if one['equal'] else 'no'
        lines.append(
            f'| {one["fault"]} | {one["when"]} | {recovered} | {again} | '
            f'{one["repeated"]} of {one["computed"]} | {equal} |'
        )
    return f'# Faults\n\n{" ".join((__doc__ or "").split())}\n\n' + '\n'.join(lines)


def main() -> None:
    """Run all faults, or those whose names contain a word."""
    from results import Results

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('words', nargs='*', help='only faults whose name contains one of these')
    words = parser.parse_args().words
    cluster = Cluster.that_is_up()
    results = Results('faults')
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault('AIIDA_PATH', folder)
        expected = meet(cluster, UNDISTURBED).hull
        print(f'undisturbed: {expected}', flush=True)
        for fault in FAULTS:
            if words and not any(word in fault.key for word in words):
                continue
            found = row(meet(cluster, fault), expected, fault)
            print(found, flush=True)
            results.keep(fault.key, found)
            known = {one.key: results.rows[one.key] for one in FAULTS if one.key in results.rows}
            results.write_page(page(known))


if __name__ == '__main__':
    main()
