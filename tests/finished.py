"""A finished screen of Al-Ni(-Ti), and its report: for tests of pages, pictures and browsers."""

import re
from dataclasses import replace

import numpy as np
from ase.build import bulk

from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.report import LearningStep, ScreenReport, StageReport
from aiida_mtp.core.structures import StructureBatch


def finished_set(n_elements=2):
    """Al and Ni (and Ti, Cu); NiAl and Ni3Al; a phase near the hull, and one that failed."""
    atoms = [
        (bulk('Al', a=4.05), 0.0, 'fcc-1-1:Al'),
        (bulk('Ni', a=3.52), 0.0, 'fcc-1-2:Ni'),
        (bulk('NiAl', 'cesiumchloride', a=2.89), -0.661, 'bcc-2-1:AlNi'),
        (ordered('Ni3Al', 3.57), -0.432, 'fcc-4-9:AlNi3'),
        (ordered('Al3Ni', 3.8), -0.320, 'fcc-4-8:Al3Ni'),
        (ordered('Al3Ni', 3.9), np.nan, 'fcc-4-7:Al3Ni'),
    ]
    if n_elements > 2:
        atoms.append((bulk('Ti', 'hcp', a=2.95, c=4.68), 0.0, 'hcp-2-3:Ti'))
        atoms.append((bulk('TiAl', 'cesiumchloride', a=3.1), -0.3, 'bcc-2-5:AlTi'))
    if n_elements > 3:
        atoms.append((bulk('Cu', a=3.61), 0.0, 'fcc-1-9:Cu'))
        atoms.append((bulk('CuTi', 'cesiumchloride', a=3.0), -0.1, 'bcc-2-9:CuTi'))
    status = ['not_converged' if np.isnan(energy) else 'done' for _, energy, _ in atoms]
    batch = StructureBatch.from_ase(
        [one for one, _, _ in atoms],
        species=('Al', 'Ni', 'Ti', 'Cu')[:n_elements],
        energies=[energy * len(one) for one, energy, _ in atoms],
        ids=[name for _, _, name in atoms],
        status=status,
    )
    found = hull_of(batch)
    return batch.with_columns(
        formation_energy=found.formation_energies,
        e_above_hull=found.e_above_hull,
        seconds=[60.0] * len(batch),
        message=['<no> convergence' if s != 'done' else '' for s in status],
    )


def ordered(formula, a):
    majority, minority = re.fullmatch(r'([A-Z][a-z])3([A-Z][a-z])', formula).groups()
    atoms = bulk(majority, 'fcc', a=a, cubic=True)
    atoms.symbols[0] = minority
    return atoms


def finished_report():
    """A report with all its parts."""
    relaxed = finished_set()
    relaxed = relaxed.replaced(status=np.array(['converged'] * 6, dtype=object))
    stage = StageReport(
        name='Screen-1',
        structures=relaxed.with_columns(grade=[0.5, 0.9, 1.2, 1.1, 3.0, np.nan]),
        reasons={'kept': 40, 'above_hull': 1900, 'duplicate': 50, 'unreliable': 10},
        statuses={'converged': 1990, 'min_dist': 10},
        sigma=0.0124,
        reach=0.0496,
        n_iterations=4,
        n_training=123,
        potential={'level': '10'},
        errors={'energy, left out': '12.4 meV/atom'},
        learning=(LearningStep(60, 0.02, 0.03), LearningStep(123, 0.01, 0.0124)),
    )
    return ScreenReport(
        hull=finished_set(),
        n_candidates=2000,
        n_labels=123,
        label_seconds=1230.0,
        training_seconds=60.0,
        relaxing_seconds=40.0,
        stages=(stage,),
        published={'AlNi': (-0.66, 'Materials <Project>')},
        settings={'DFT': {'calculator': 'gpaw'}},
        provenance={'screen': 'pk 17, uuid 0123'},
        commands=(('aiida-mtp trace AlNi', 'all behind one phase'),),
        finished='2026-11-23 10:00',
    )


def report_of_many(n_candidates, n_elements=2):
    """The same with so many candidates, toys with energies above the hull."""
    generator = np.random.default_rng(0)
    hull = finished_set(n_elements)
    species = hull.species
    counts = generator.integers(0, 9, (n_candidates, n_elements))
    counts[counts.sum(axis=1) == 0] = 1
    counts[:n_elements] = np.eye(n_elements)
    n_atoms = counts.sum(axis=1)
    energies = generator.exponential(0.2, n_candidates) - 0.5
    energies[:n_elements] = 0.0
    names = [f'toy-{row}' for row in range(n_candidates)]
    batch = StructureBatch(
        species=species,
        types=np.repeat(np.tile(np.arange(n_elements), n_candidates), counts.ravel()).astype('i2'),
        positions=generator.uniform(0, 8, (n_atoms.sum(), 3)),
        cells=np.tile(8.0 * np.eye(3), (n_candidates, 1, 1)),
        first_atom=np.concatenate([[0], np.cumsum(n_atoms)]),
        ids=np.array(names, dtype=object),
        origins=np.array(names, dtype=object),
        status=np.array(['converged'] * n_candidates, dtype=object),
        energies=energies * n_atoms,
        forces=np.full((n_atoms.sum(), 3), np.nan),
        stresses=np.full((n_candidates, 6), np.nan),
    )
    report = finished_report()
    stage = replace(report.stages[0], structures=batch, reasons={'kept': n_candidates})
    return replace(report, hull=hull, n_candidates=n_candidates, stages=(stage,))
