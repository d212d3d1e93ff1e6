"""What the provenance graph knows of a screen, for its report."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.cli.process_tree import called_by
from aiida_mtp.core.dft.results import DONE
from aiida_mtp.core.screening.published import published_energies
from aiida_mtp.core.screening.report.data import (
    LearningStep,
    RiskReport,
    ScreenReport,
    StageReport,
)
from aiida_mtp.core.structures import StructureBatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiida_mtp.cli.process_tree import Called

STAGES = {'stage_1': 'Screen-1', 'stage_2': 'Screen-2'}
ERRORS = {
    'energy_rmse_validation': ('energy, structures left out', 'meV/atom', 1e3),
    'energy_rmse': ('energy, training set', 'meV/atom', 1e3),
    'force_rmse': ('forces, training set', 'meV/Å', 1e3),
}
TRAINING = 'aiida.calculations:mtp.train'
SETTINGS = ('level', 'cutoff', 'max_iterations', 'max_labels', 'seed')


def report_data(screen: Any) -> ScreenReport:
    """Return what the report of a finished screen is written from.

    It says the same wherever the screen is: nodes are named by their uuids.

    Parameters
    ----------
    screen
        The node of an `MtpScreenWorkChain` that has a hull.
    """
    outputs = screen.outputs
    hull = outputs.hull.get_batch()
    labels = [outputs[list(STAGES)[-1]].training_set]
    if 'final' in outputs and 'labels' in outputs.final:
        labels.append(outputs.final.labels)
    labelled = StructureBatch.concatenate([one.get_batch() for one in labels])
    called = called_by(screen)
    return ScreenReport(
        hull=hull,
        failed_labels=failed_labels(called),
        n_candidates=len(outputs.candidates),
        n_labels=len(labelled),
        label_seconds=float(np.nansum(np.asarray(labelled.column('seconds'), dtype=np.float64))),
        training_seconds=engine_seconds(called, TRAINING),
        relaxing_seconds=engine_seconds(called) - engine_seconds(called, TRAINING),
        stages=tuple(_stage(title, outputs[label]) for label, title in STAGES.items()),
        risk=_risk(outputs),
        published=published_energies(hull.species),
        settings=_settings(screen),
        provenance={
            'screen': f'uuid {screen.uuid}',
            'hull': f'uuid {outputs.hull.uuid}',
            'versions': ', '.join(_versions(screen)),
        },
        commands=_commands(screen),
        finished=f'{screen.mtime.astimezone(UTC):%Y-%m-%d %H:%M} UTC',
    )


def failed_labels(called: Sequence[Called]) -> StructureBatch | None:
    """Return what DFT was asked to label, and could not."""
    from aiida.orm import load_node

    found = []
    for one in called:
        is_label = one.part in STAGES or one.path[-1].startswith('label_')
        if one.name != 'MtpLabelWorkChain' or not is_label:
            continue
        outputs: Any = load_node(one.pk).outputs
        if 'structures' in outputs and set(outputs.structures.status_counts) - {DONE}:
            batch = outputs.structures.get_batch()
            found.append(batch.take(batch.status != DONE))
    return StructureBatch.concatenate(found) if found else None


def engine_seconds(called: Sequence[Called], kind: str = '') -> float:
    """Return how long the jobs of the engine held their cores, s: time × cores.

    A job that came from the cache counts as long as the one that ran.

    Parameters
    ----------
    kind
        Entry point of the jobs to count; by default all.
    """
    from aiida.orm import load_node

    total = 0.0
    for one in called:
        if not one.is_job or one.is_dft or (kind and one.kind != kind):
            continue
        job: Any = load_node(one.pk)
        job = that_ran(job)
        cores = (job.get_option('resources') or {}).get('num_cores_per_mpiproc') or 1
        total += (job.mtime - job.ctime).total_seconds() * cores
    return total


def that_ran(job: Any) -> Any:
    """Return the job that one from the cache is a copy of, if it is in this database."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_node

    source = job.base.caching.get_cache_source()
    try:
        return load_node(source) if source else job
    except NotExistent:
        return job


def _stage(title: str, outputs: Any) -> StageReport:
    """Return what one stage did."""
    retained = outputs.retained_report.get_dict()
    potential = outputs.potential
    errors = potential.errors
    iterations = outputs.report.get_dict()['iterations']
    return StageReport(
        name=title,
        reasons=retained['reasons'],
        statuses=outputs.structures.status_counts,
        sigma=retained['sigma'],
        reach=retained['reach'],
        n_iterations=len(iterations),
        n_training=len(outputs.training_set),
        structures=outputs.structures.get_batch(),
        potential={
            'level': str(potential.level),
            'cutoff': f'{potential.cutoff:g} Å',
            'parameters': str(potential.base.attributes.get('n_parameters')),
        },
        errors={
            words: f'{errors[key] * factor:.1f} {unit}'
            for key, (words, unit, factor) in ERRORS.items()
            if key in errors
        },
        learning=tuple(_learning(one['train']) for one in iterations if one.get('train')),
    )


def _learning(training: Mapping[str, Any]) -> LearningStep:
    """Return what the report of a training says of its progress; NaN where it says nothing."""
    nothing = float('nan')
    left_out = training.get('energy_rmse_validation')
    trained = training['energy']['rmse']
    return LearningStep(
        n_training=training['n_structures'],
        rmse=nothing if trained is None else trained,
        rmse_validation=nothing if left_out is None else left_out,
    )


def _risk(outputs: Any) -> RiskReport | None:
    """Return what the final stage leaves in doubt; nothing where it relaxed all it was given."""
    if 'final' not in outputs:
        return None
    report = outputs.final.report.get_dict()
    names = ('steps', 'expected_missed', 'bound', 'limit', 'error', 'gain', 'audit')
    return RiskReport(
        **{name: report[name] for name in names},
        expected=tuple(one['expected_missed'] for one in report['rounds']),
    )


def _settings(screen: Any) -> dict[str, dict[str, str]]:
    """Return tables of the settings that were given."""
    inputs = screen.inputs
    tables: dict[str, dict[str, str]] = {}
    if 'prototypes' in inputs:
        tables['Prototypes'] = _plain(inputs.prototypes.get_dict())
    labels = inputs.dft.settings.get_dict()
    if 'final_settings' in inputs:
        tables['DFT of the hull'] = _plain(inputs.final_settings.get_dict())
        tables['DFT to learn from'] = _plain(labels)
    else:
        tables['DFT'] = _plain(labels)
    for label, title in STAGES.items():
        if label not in inputs:
            continue
        given = inputs[label]
        values = {key: given[key].value for key in SETTINGS if key in given}
        for group in ('relax', 'retain', 'train'):
            if group in given:
                values.update(given[group].get_dict())
        tables[title] = _plain(values)
    if 'final' in inputs:
        tables['Final stage'] = _plain(inputs.final.get_dict())
    return {title: table for title, table in tables.items() if table}


def _plain(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        key.replace('_', ' '): f'{value:g}' if isinstance(value, float) else str(value)
        for key, value in values.items()
        if value is not None and value != {}
    }


def _versions(screen: Any) -> list[str]:
    """Return the versions the screen ran with, as its node keeps them."""
    kept = screen.base.attributes.get('version', {})
    return [f'{name} {version}' for name, version in sorted(kept.items())]


def _commands(screen: Any) -> tuple[tuple[str, str], ...]:
    """Return command lines that lead to the data."""
    phases = screen.outputs.stable['phases']
    compounds = [phase for phase in phases if phase['formation_energy'] < -1e-6]
    lowest = min(compounds or phases, key=lambda phase: phase['formation_energy'])
    uuid = screen.uuid
    return (
        (
            f'aiida-mtp trace {lowest["formula"]} --screen {uuid}',
            'everything behind one phase: DFT runs, potentials, training configurations',
        ),
        (f'aiida-mtp screen status {uuid}', 'what each part of the screen did'),
        (f'verdi process show {uuid}', 'inputs and outputs of the screen'),
        (f'aiida-mtp screen archive {uuid} -o screen.aiida', 'all of it in one file, for others'),
    )
