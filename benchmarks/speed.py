"""How fast the engine is, beside its peers where they are installed.

    python benchmarks/speed.py [SECTION ...] [--mlp PATH]

Measures the sections that are named, or all; keeps what it finds in docs/benchmarks/speed.json; and
writes docs/benchmarks/speed.md. Times are of one thread and of the processor, medians of several
runs, unless a line says otherwise. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault('OMP_NUM_THREADS', '1')

import kernel_profile
import numpy as np
from reference_data import DATA
from results import Results, one_of
from speed_page import LOSS_OF_MLIP, MANY, PARAMETERS, page
from speed_page import SECTIONS as PAGES

from aiida_mtp.core._numba import use_threads
from aiida_mtp.core.active.grade import build_active_set, evaluate_with_grades
from aiida_mtp.core.active.maxvol import Volume, maximise_volume
from aiida_mtp.core.engine.speed import CUTOFF, SPECIES, crystals
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.files.parquet import parquet_writer
from aiida_mtp.core.neighbors import neighbor_list
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import write_potential
from aiida_mtp.core.potential.model import MtpModel, initial_model
from aiida_mtp.core.potential.workspace import LANES
from aiida_mtp.core.relax.batch import relax
from aiida_mtp.core.relax.settings import RelaxSettings
from aiida_mtp.core.training.fit import train_new
from aiida_mtp.core.training.gram import normal_equations
from aiida_mtp.core.training.labels import training_data
from aiida_mtp.core.training.objective import State
from aiida_mtp.core.training.settings import TrainingSettings
from aiida_mtp.core.training.workspace import basis_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.structures import StructureBatch

LEVELS = (8, 16, 20, 24)
GPA = 1 / 160.21766208  # eV/Å³


REPEATS = 15
# A process inherits the mark of the memory of the one it was forked from: this one is small.
WATCH = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def seconds(
    function: Callable[[], object], *, clock: Callable[[], float] = time.process_time
) -> float:
    """Return the median time of some calls, after a first one that compiles."""
    return medians({'': function}, clock=clock)['']


def medians(
    jobs: Mapping[str, Callable[[], object]], *, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Return the median time of each job; they take turns, so that all meet the same machine."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for function in jobs.values():
        function()
    for _ in range(REPEATS):
        for name, function in jobs.items():
            start = clock()
            function()
            times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def with_children() -> float:
    """Return the processor time of this process and of those it has started, s."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def motep_job(model: MtpModel, batch: StructureBatch) -> dict[str, Callable[[], object]]:
    """Return motep as a user calls it, if it is installed; its numbers must be ours."""
    try:
        from ase.data import atomic_numbers
        from motep.calculator import MTP
        from motep.io.mlip.mtp import read_mtp
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'potential.mtp'
        write_potential(path, replace(model, species=('type0', 'type1', 'type2')))
        theirs = read_mtp(path)
    theirs.species = [atomic_numbers[name] for name in model.species]
    structures = [batch.to_ase(s) for s in range(len(batch))]

    def run() -> list[float]:
        energies = []
        for atoms in structures:
            atoms.calc = MTP(theirs, engine='cext')  # finds its neighbours, as ours does
            energies.append(atoms.get_potential_energy())
        return energies

    np.testing.assert_allclose(run(), evaluate(model, batch).energies, rtol=1e-9)
    return {'motep': run}


def mlp_jobs(
    executable: str | None, model: MtpModel, batch: StructureBatch, folder: str
) -> dict[str, Callable[[], object]]:
    """Return an executable of MLIP-3 at work, if there is one, and what files alone cost it.

    It can only be called on files, so the time it takes to read and write the same structures has
    to be taken off. Its numbers must be ours.
    """
    if executable is None:
        return {}
    command = str(Path(executable).resolve())

    def call(*words: str) -> None:
        subprocess.run([command, *words], check=True, capture_output=True, cwd=folder)

    write_potential(Path(folder) / 'potential.almtp', model)
    write_structures(Path(folder) / 'bare.cfg', batch)
    calculate = ('calculate_efs', 'potential.almtp')
    call(*calculate, 'bare.cfg', '--output_filename=known.cfg')
    theirs = read_structures(Path(folder) / 'known.cfg', model.species)
    np.testing.assert_allclose(theirs.energies, evaluate(model, batch).energies, rtol=1e-9)
    return {
        'mlp': lambda: call(*calculate, 'known.cfg', '--output_filename=out.cfg'),
        'files': lambda: call('convert', 'known.cfg', 'out.cfg'),
    }


def evaluation(options: argparse.Namespace) -> dict[str, Any]:
    """Time energies, forces and stresses, with and without grades, at every level."""
    batch, few = crystals(600), crystals(60)
    n_atoms = len(batch.positions)
    rows = []
    for level in LEVELS:
        model = initial_model(level, SPECIES, CUTOFF, min_dist=1.8)
        active_set = build_active_set(model, crystals(1500, seed=1))
        with tempfile.TemporaryDirectory() as folder:
            jobs: dict[str, Callable[[], object]] = {
                'ours': lambda model=model: evaluate(model, batch),
                'graded': lambda m=model, a=active_set: evaluate_with_grades(m, batch, a),
                **motep_job(model, few),
                **mlp_jobs(options.mlp, model, batch, folder),
            }
            times = medians(jobs, clock=with_children)
        row = {name: 1e6 * value / n_atoms for name, value in times.items()}
        if 'motep' in row:
            row['motep'] *= n_atoms / len(few.positions)
        if 'mlp' in row:
            row['mlp'] -= row.pop('files')
        rows.append({'level': level, **row})
    pairs = len(neighbor_list(batch, CUTOFF).index) / n_atoms
    return {'rows': rows, 'neighbours': pairs}


def profile(_: argparse.Namespace) -> dict[str, Any]:
    """Time the parts of an evaluation, and look at the machine code of the products."""
    batch = crystals(60)
    one = batch.take([int(np.flatnonzero(batch.n_atoms == LANES)[0])])
    models = {n: initial_model(n, SPECIES, CUTOFF, min_dist=1.8) for n in LEVELS}
    parts = {str(level): kernel_profile.profile(model, one) for level, model in models.items()}
    return {'parts': parts, 'registers': kernel_profile.vector_registers(models[LEVELS[0]])}


def _trained(level: int) -> tuple[MtpModel, StructureBatch]:
    batch = read_structures(DATA / 'mlip3' / 'train500.cfg', SPECIES)
    settings = TrainingSettings(n_starts=1, max_iterations=15, n_folds=0)
    return train_new(batch, level, SPECIES, CUTOFF, settings).model, batch


def relaxation(_: argparse.Namespace) -> dict[str, Any]:
    """Time relaxations to 1e-4 eV/Å and 1e-3 GPa with a potential of level 16 and its grade."""
    model, training = _trained(16)
    batch = read_structures(DATA / 'mlip3' / 'rl50.cfg', SPECIES)
    settings = RelaxSettings(fmax=1e-4, smax=1e-3 * GPA, threshold_break=np.inf)
    found: dict[str, Any] = {'n': len(batch), 'atoms': float(batch.n_atoms.mean())}
    for name, active_set in (('plain', None), ('graded', build_active_set(model, training))):
        run = lambda a=active_set: relax(model, batch, settings, a, n_threads=1)  # noqa: E731
        found[name] = 1e3 * seconds(run) / len(batch)
        relaxed = run().structures
        found['converged'] = int((relaxed.status == 'converged').sum())
        found['evaluations'] = float(np.median(relaxed.columns['n_steps']))
    return found


def training(_: argparse.Namespace) -> dict[str, Any]:
    """Time a step of training, and a training to the loss MLIP-3 ends with."""
    batch = read_structures(DATA / 'mlip3' / 'train500.cfg', SPECIES)
    settings = TrainingSettings(n_folds=0)
    model = initial_model(10, SPECIES, CUTOFF, min_dist=1.8)
    data = training_data(batch, CUTOFF, np.ones(len(batch)), settings)
    state, basis = State.of(model), basis_of(model)
    equations = seconds(
        lambda: normal_equations(data, basis, state.radial, state.linear, with_radial=True)
    )
    alone = seconds(lambda: evaluate(model, batch))
    attempts = []
    for steps in (3, 5, 7, 10, 15):
        few = TrainingSettings(n_starts=1, max_iterations=steps, n_folds=0)
        start = time.process_time()
        loss = train_new(batch, 10, SPECIES, CUTOFF, few).report.loss
        attempts.append({'steps': steps, 'loss': loss, 'seconds': time.process_time() - start})
        if loss <= LOSS_OF_MLIP:
            break
    start = time.process_time()
    default = train_new(batch, 10, SPECIES, CUTOFF, settings)
    total = time.process_time() - start
    return {
        'ratio': equations / alone,
        'attempts': attempts,
        'default': {'loss': default.report.loss, 'seconds': total},
    }


def maxvol(_: argparse.Namespace) -> dict[str, Any]:
    """Select among many candidates that are read from a file, block by block."""
    size = 4000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'rows.npy'
        rows = np.lib.format.open_memmap(path, 'w+', np.float64, (MANY, PARAMETERS))
        rng = np.random.default_rng(0)
        scales = np.geomspace(1.0, 1e-6, PARAMETERS)  # as rows of potentials have
        mixing = rng.normal(size=(PARAMETERS, PARAMETERS))
        for first in range(0, MANY, size):
            block = rng.normal(size=(size, PARAMETERS)) * rng.lognormal(sigma=1.0, size=(size, 1))
            rows[first : first + size] = (block * scales) @ mixing
        rows.flush()

        def blocks() -> Iterator[tuple[int, Floats]]:
            for first in range(0, MANY, size):
                yield first, np.array(rows[first : first + size])

        maximise_volume(Volume.start(10), lambda: [(0, rng.normal(size=(20, 10)))])
        start = time.perf_counter()
        volume = maximise_volume(Volume.start(PARAMETERS), blocks)
        return {'seconds': time.perf_counter() - start, 'swaps': volume.n_swaps}


def threads(_: argparse.Namespace) -> dict[str, Any]:
    """Compare one and two threads, by the clock."""
    model, training = _trained(16)
    batch = crystals(3000)
    active_set = build_active_set(model, training)
    settings = RelaxSettings(threshold_break=np.inf, max_steps=20)
    jobs = {
        'evaluation': lambda: evaluate(model, batch),
        'relaxation': lambda: relax(model, batch, settings, active_set),
    }
    found = {}
    for name, job in jobs.items():
        times = []
        for n in (1, 2):
            use_threads(n)
            times.append(seconds(job, clock=time.perf_counter))
        found[name] = times[0] / times[1]
    use_threads(1)
    return {'gains': found}


def memory(_: argparse.Namespace) -> dict[str, Any]:
    """Evaluate and relax many structures with the executable, and look at its memory."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_potential(folder / 'pot.mtp', initial_model(8, SPECIES, CUTOFF, min_dist=1.0))
        batch = crystals(4000)
        with parquet_writer(folder / 'in.parquet', SPECIES) as writer:
            for part in range(MANY // 4000):
                ids = np.array([f'{part}-{i}' for i in range(4000)], dtype=object)
                writer.write(batch.replaced(ids=ids))
        engine = Path(sys.executable).with_name('mtp-engine')
        for verb, more in (('evaluate', []), ('relax', ['--max-steps', '2'])):
            command = [str(engine), verb, 'pot.mtp', 'in.parquet', '-o', 'out.parquet', *more]
            done = subprocess.run(
                [sys.executable, '-c', WATCH, *command],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            )
            taken, kilobytes = done.stdout.split()[-2:]
            found[verb] = {'seconds': float(taken), 'gigabytes': float(kilobytes) / 1e6}
    return {'verbs': found}


SECTIONS = {
    f.__name__: f for f in (evaluation, profile, relaxation, training, maxvol, threads, memory)
}


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sections', nargs='*', type=one_of(SECTIONS), metavar='SECTION', help=', '.join(SECTIONS)
    )
    parser.add_argument('--mlp', help='an executable of MLIP-3, to be timed beside ours')
    options = parser.parse_args()
    use_threads(1)
    results = Results('speed')
    for name in options.sections or SECTIONS:
        results.keep(name, SECTIONS[name](options))
        print(PAGES[name](results.rows[name]), end='\n\n', flush=True)
    results.write_page(page(results.rows))


if __name__ == '__main__':
    main()
