"""A screen of hundreds of thousands of structures: times, nodes, bytes and memory.

    AIIDA_MTP_TEST_CLUSTER=$(.ci/cluster.sh up) python benchmarks/scale.py 7 9 11 --dft PATH

Each number is that of the atoms in the largest cells of fcc and bcc; those of hcp hold one fewer
if it is odd. The potentials learn from the published configurations of Al-Ni-Ti (Gubaev 2019). A
universal potential in the place of DFT labels them, and answers what the final stage asks: `--dft`
is an `mtp-dft` beside which SevenNet is installed. With `--published-labels` the potentials learn
from the labels as published, to which the answers of the final stage cannot be added. Keeps a row
for each screen in docs/benchmarks/scale.json, and writes docs/benchmarks/scale.md.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import psutil
from brute_force import SEVENNET
from cluster import Cluster
from results import Results
from scale_page import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiida.engine import ProcessBuilder
    from aiida.orm import CalcJobNode, ProcessNode, WorkChainNode
    from cluster import Site

    from aiida_mtp.core.structures import StructureBatch
    from aiida_mtp.data.structures import StructureSetData

BEFORE, AFTER = 'date +%s.%N >> began', 'date +%s.%N >> ended'  # in the folder of each job
ENGINE = {
    'queue_name': 'engine',
    'custom_scheduler_commands': '#SBATCH --exclusive',  # one after the other: it is one machine
    'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': 1, 'num_cores_per_mpiproc': 2},
}
DFT = {**ENGINE, 'queue_name': 'dft'}


@dataclass(frozen=True)
class Case:
    """What is screened, and how.

    Parameters
    ----------
    prototypes
        As the screen's input.
    training_set
        What both potentials learn from, before the final stage.
    relabel
        Whether the reference labels that first.
    reference
        Settings of what stands for DFT.
    shard_size
        Structures in a job.
    levels
        Of the potentials of the two stages.
    final
        Settings of the final stage.
    """

    elements: tuple[str, ...]
    prototypes: dict[str, int]
    training_set: StructureBatch
    reference: dict[str, Any]
    relabel: bool = True
    shard_size: int = 10_000
    levels: tuple[int, int] = (16, 20)
    train: dict[str, Any] = field(default_factory=dict)
    final: dict[str, Any] = field(default_factory=dict)

    def overrides(self) -> dict[str, Any]:
        """Return what differs from the protocol."""
        stage = {
            'max_iterations': 0,
            'shard_size': self.shard_size,
            'train': self.train,
            'relax': {'threshold_save': 10.0},  # nothing is to be labelled
        }
        return {
            'prototypes': self.prototypes,
            'engine': {'options': ENGINE},
            'dft': {'settings': self.reference, 'options': DFT},
            'final_settings': self.reference,
            'final': self.final,
            'stage_1': {**stage, 'level': self.levels[0], 'cutoff': 5.0},
            'stage_2': {**stage, 'level': self.levels[1], 'cutoff': 5.0},
        }


def published_case(
    largest: int, levels: Sequence[int] = Case.levels, *, relabel: bool = True
) -> Case:
    """Return the published screen of Al-Ni-Ti, with cells of up to so many atoms."""
    from accuracy import is_wild
    from reference_data import aluminium_nickel_titanium

    from aiida_mtp.core._arrays import strings
    from aiida_mtp.core.training.weights import energies_above_mixtures

    batch = aluminium_nickel_titanium()
    above = energies_above_mixtures(batch, np.ones(len(batch), dtype=bool))
    near = batch.take((above < 1.0) & ~is_wild(batch))
    return Case(
        elements=('Al', 'Ni', 'Ti'),
        prototypes={'fcc': largest, 'bcc': largest, 'hcp': largest // 2 * 2, 'aflow': 20},
        training_set=near.replaced(status=strings(['done'] * len(near))),
        reference=SEVENNET,
        relabel=relabel,
        levels=tuple(levels),
        train={'force_limit': 5.0, 'energy_window': 0.5, 'n_starts': 1},
        # what cannot learn from the answers would need thousands to be sure
        final={'batch': 500, 'max_rounds': 12 if relabel else 3},
    )


def label(structures: StructureSetData, case: Case, watch: Watch) -> WorkChainNode:
    """Label structures with the reference on the daemon."""
    from aiida.orm import Dict, load_code

    from aiida_mtp.workchains.label import MtpLabelWorkChain

    builder: Any = MtpLabelWorkChain.get_builder()
    builder.structures = structures
    builder.dft = {
        'code': load_code('mtp-dft@dft'),
        'settings': Dict(case.reference),
        'options': DFT,
    }
    return finished(builder, watch)


def run_screen(training_set: StructureSetData, case: Case, watch: Watch) -> WorkChainNode:
    """Run a screen on the daemon to its end."""
    from aiida.orm import load_code

    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    builder = MtpScreenWorkChain.get_builder_from_protocol(
        list(case.elements),
        load_code('mtp-engine@engine'),
        load_code('mtp-dft@dft'),
        overrides=case.overrides(),
    )
    builder.training_set = training_set
    return finished(builder, watch)


def finished(builder: ProcessBuilder, watch: Watch) -> WorkChainNode:
    """Submit a process, and return it when it has ended."""
    from aiida.engine import submit

    process = submit(builder)
    while not process.is_terminated:
        time.sleep(1.0)
        watch.look()
    if not process.is_finished_ok:
        why = process.exit_message or process.process_state
        raise RuntimeError(f'{process.process_label} {process.pk}: {why}')
    return process


class Watch:
    """The largest memory of what runs: one process of the engine, one worker of the daemon."""

    KINDS: ClassVar = {'engine': 'mtp-engine', 'worker': 'worker'}

    def __init__(self, site: Site) -> None:
        self.site = site
        self.peaks = dict.fromkeys([*self.KINDS, 'all'], 0)

    def look(self) -> None:
        """Look once."""
        together = 0
        for process in psutil.process_iter(['cmdline', 'memory_info']):
            words, memory = process.info['cmdline'] or [], process.info['memory_info']
            if memory is None:
                continue
            for kind, word in self.KINDS.items():
                if any(part.endswith(word) for part in words[:6]):
                    self.peaks[kind] = max(self.peaks[kind], memory.rss)
                    together += memory.rss
        self.peaks['all'] = max(self.peaks['all'], together)


def spans(jobs: list[CalcJobNode]) -> list[tuple[float, float]]:
    """Return from when to when each run of the jobs has computed, by the clock of its node."""
    found = []
    for job in jobs:
        folder = Path(job.get_remote_workdir())
        began, ended = (
            [float(line) for line in (folder / name).read_text().split()]
            for name in ('began', 'ended')
        )
        found += zip(began, ended, strict=False)
    return found


def covered(intervals: list[tuple[float, float]]) -> float:
    """Return how long at least one of the intervals lasted."""
    total, reached = 0.0, -np.inf
    for begin, end in sorted(intervals):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def part_row(process: ProcessNode, n_structures: int) -> dict[str, Any]:
    """Return what a part of a screen took: s, jobs, nodes."""
    from aiida.orm import CalcJobNode

    below = [process, *process.called_descendants] if hasattr(process, 'called') else [process]
    jobs = [node for node in below if isinstance(node, CalcJobNode)]
    created = {link.pk for node in below for link in node.base.links.get_outgoing().all_nodes()}
    relax_jobs = [job for job in jobs if job.process_label == 'MtpRelaxCalculation']
    shards = {job.inputs.structures.pk: job.inputs.structures for job in relax_jobs}.values()
    busy = covered(spans(jobs))
    wall = (process.mtime - process.ctime).total_seconds()
    return {
        'n_structures': n_structures,
        'wall': wall,
        'busy': busy,
        'relaxing': covered(spans(relax_jobs)),
        'relaxed': sum(len(shard) for shard in shards),
        'relaxed_atoms': sum(shard.base.attributes.get('n_atoms') for shard in shards),
        'jobs': len(jobs),
        'nodes': len({node.pk for node in below} | created),
    }


def parts_of(screen: WorkChainNode) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a row for each part of a screen."""
    sets = {
        'prototypes': screen.outputs.candidates,
        'stage_1': screen.outputs.candidates,
        'stage_2': screen.outputs.stage_1.retained,
        'final': screen.outputs.stage_2.retained,
    }
    called = {link.link_label: link.node for link in screen.base.links.get_outgoing().all()}
    for label, structures in sets.items():
        yield label, part_row(called[label], len(structures))


def bytes_of(site: Site) -> dict[str, int]:
    """Return the size of the database and of the repository."""
    from aiida.manage import get_manager
    from aiida.orm import Node, QueryBuilder

    uri = get_manager().get_profile().storage_config['repository_uri']
    folder = Path(uri.removeprefix('file://'))
    query = f"select pg_database_size('{site.profile}')"
    return {
        'database': int(site.cluster.ask(query)),
        'repository': sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()),
        'nodes': QueryBuilder().append(Node).count(),
    }


def measure(cluster: Cluster, case: Case, dft: Path | None = None) -> dict[str, Any]:
    """Run a screen in a profile of its own, and return its row."""
    from aiida.orm import CalcJobNode

    from aiida_mtp.calculations.screen_functions import energy_error
    from aiida_mtp.calculations.set_functions import append_labels
    from aiida_mtp.data.structures import StructureSetData

    with cluster.site(BEFORE, AFTER, dft=dft) as site:
        site.start_daemon()
        watch = Watch(site)
        training_set, parts = StructureSetData.from_batch(case.training_set), {}
        if case.relabel:
            labels = label(training_set, case, watch)
            parts['labels'] = part_row(labels, len(training_set))
            training_set = append_labels(labels.outputs.structures)
        screen = run_screen(training_set, case, watch)
        parts.update(parts_of(screen))
        training = screen.outputs.stage_1.report.get_dict()['training']
        final = screen.outputs.final.report.get_dict()
        jobs = [node for node in screen.called_descendants if isinstance(node, CalcJobNode)]
        wall = (screen.mtime - screen.ctime).total_seconds()
        return {
            'elements': list(case.elements),
            'prototypes': case.prototypes,
            'levels': list(case.levels),
            'reference': case.reference['calculator'],
            'relabelled': case.relabel,
            'error': training.get('energy_rmse_validation'),
            'error_near': energy_error(training),
            'parts': parts,
            'wall': wall + parts.get('labels', {}).get('wall', 0.0),
            'jobs': len(jobs),
            'runs': len(spans(jobs)),
            'memory': watch.peaks,
            'bytes': bytes_of(site),
            'stable': [phase['formula'] for phase in screen.outputs.stable['phases']],
            'relaxations': len(screen.outputs.hull),
            'steps': final['steps'],
            'expected_missed': final['expected_missed'],
            'bound': final['bound'],
        }


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('largest', nargs='*', type=int, metavar='ATOMS', default=[7, 8, 11])
    parser.add_argument('--dft', type=Path, help='an mtp-dft beside which SevenNet is installed')
    parser.add_argument(
        '--levels', type=int, nargs=2, default=Case.levels, help='of both potentials'
    )
    parser.add_argument('--published-labels', action='store_true', help='learn from these')
    args = parser.parse_args()
    results = Results('scale')
    cluster = Cluster.that_is_up()
    for largest in args.largest:
        case = published_case(largest, args.levels, relabel=not args.published_labels)
        row = measure(cluster, case, args.dft)
        results.keep(f'≤ {largest}{" (published labels)" if args.published_labels else ""}', row)
        results.write_page(page(results.rows))
        print(largest, row, flush=True)


if __name__ == '__main__':
    main()
