"""Every candidate of a system relaxed by the reference itself: what a screen has to find.

The references are cheap ones, EMT and a universal potential in the place of DFT; what counts is
that every candidate can be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from fast_emt import relax_with_emt

from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.screening.duplicates import find_duplicates
from aiida_mtp.core.screening.elements import elemental_structures
from aiida_mtp.core.screening.hull import HullOfSet, hull_of
from aiida_mtp.core.structures import StructureBatch

EMT: dict[str, Any] = {'calculator': 'emt', 'fmax': 0.005, 'smax': 0.0005}
SEVENNET: dict[str, Any] = {'calculator': 'sevennet', 'parameters': {'model': '7net-0'}}
KEPT = Path(__file__).parent / 'truth'  # what took hours
SAME = 1e-3  # eV/atom: as low as the brute force found it
ROUNDING = 1e-6  # eV/atom
NEAR = 5e-3  # eV/atom above the hull


@dataclass(frozen=True)
class System:
    """What to screen, and with which reference.

    Parameters
    ----------
    cells
        Atoms in the largest cells of each lattice.
    settings
        Of the reference, as `mtp-dft` reads them.
    protocol, stage_1, stage_2, final
        Of the screen: what it begins from, and what its stages do otherwise.
    """

    elements: tuple[str, ...]
    cells: dict[str, int]
    settings: dict[str, Any] = field(default_factory=lambda: dict(EMT))
    protocol: str = 'balanced'
    stage_1: dict[str, Any] = field(default_factory=lambda: {'max_initial': 250, 'max_labels': 100})
    stage_2: dict[str, Any] = field(default_factory=lambda: {'max_labels': 100})
    final: dict[str, Any] = field(default_factory=dict)


SYSTEMS = {
    'Cu-Ni-Pt': System(('Cu', 'Ni', 'Pt'), {'fcc': 8, 'bcc': 8, 'hcp': 6}),
    'Cu-Ag-Au': System(('Cu', 'Ag', 'Au'), {'fcc': 8, 'bcc': 8, 'hcp': 6}),
    'Al-Ni': System(('Al', 'Ni'), {'fcc': 9, 'bcc': 9, 'hcp': 8}, SEVENNET),
    'Al-Ni-Ti': System(('Al', 'Ni', 'Ti'), {'fcc': 6, 'bcc': 6, 'hcp': 4}, SEVENNET),
    'Ni-Pt tiny': System(
        ('Ni', 'Pt'),
        {'fcc': 4, 'bcc': 4, 'hcp': 2},
        protocol='fast',
        stage_1={'max_initial': 75, 'max_labels': 60},
        stage_2={'level': 12, 'max_labels': 100},
        final={'shaken': 0},
    ),
}


@dataclass(frozen=True)
class Truth:
    """All candidates of a system, relaxed by the reference, and their hull.

    Parameters
    ----------
    candidates
        As a screen begins with them.
    relaxed
        The elements, and after them the candidates in their order.
    """

    candidates: StructureBatch
    relaxed: StructureBatch
    hull: HullOfSet

    @property
    def evaluations(self) -> int:
        """Single points that it took."""
        return evaluations(self.relaxed)

    @property
    def phases(self) -> dict[str, float]:
        """Stable compounds: formula → energy, eV/atom."""
        rows = self.hull.stable
        rows = rows[np.count_nonzero(self.relaxed.compositions[rows], axis=1) > 1]
        formulas = self.relaxed.formulas
        return {formulas[row]: float(self.relaxed.energies_per_atom[row]) for row in rows}

    @property
    def stable(self) -> dict[str, float]:
        """Stable phases, elements among them: formula → formation energy, eV/atom."""
        rows, formulas = self.hull.stable, self.relaxed.formulas
        return {formulas[row]: float(self.hull.formation_energies[row]) for row in rows}

    @cached_property
    def near(self) -> list[set[str]]:
        """Compounds within `NEAR` of the hull: of each crystal, the candidates that became it."""
        compound = np.count_nonzero(self.relaxed.compositions, axis=1) > 1
        near = self.relaxed.take((self.hull.e_above_hull < NEAR) & compound)
        stands_for = find_duplicates(near)
        return [set(near.ids[stands_for == row]) for row in np.unique(stands_for)]

    def found(self, relaxed: StructureBatch) -> list[str]:
        """Return the stable compounds that a set holds, as low in energy or lower.

        One also counts where the set has a hull below it: it is not stable then.
        """
        lowest: dict[str, float] = {}
        for formula, energy in zip(relaxed.formulas, relaxed.energies_per_atom, strict=True):
            lowest[formula] = min(energy, lowest.get(formula, np.inf))
        held = {f for f, e in self.phases.items() if lowest.get(f, np.inf) <= e + SAME}
        above = hull_of(relaxed).hull.distances(self.relaxed.take(self.hull.stable))
        formulas = [self.relaxed.formulas[row] for row in self.hull.stable]
        beaten = {f for f, distance in zip(formulas, above, strict=True) if distance > ROUNDING}
        return [formula for formula in self.phases if formula in held | beaten]

    def beaten_by(self, relaxed: StructureBatch) -> dict[str, float]:
        """Return the stable phases of a set below the hull of brute force: formula → depth, eV."""
        rows = hull_of(relaxed).stable
        below = -self.hull.hull.distances(relaxed.take(rows))
        return {
            relaxed.formulas[row]: float(depth)
            for row, depth in zip(rows, below, strict=True)
            if depth > SAME
        }


def evaluations(relaxed: StructureBatch) -> int:
    """Return how many single points labels and relaxations took."""
    return int(np.nansum(relaxed.column('n_steps', 0.0)) + len(relaxed))


def truth_of(name: str, folder: Path, processes: int = 2) -> Truth:
    """Return the truth about a system; computes what the folder does not hold yet."""
    system = SYSTEMS[name]
    own = folder / '-'.join(system.elements)
    own.mkdir(parents=True, exist_ok=True)
    settings = own / 'settings.json'
    settings.write_text(json.dumps(system.settings))
    elements = own / 'elements.parquet'
    write_structures(elements, elemental_structures(system.elements))
    references = _relaxed(elements, settings, own, processes)
    volumes = references.volumes / references.n_atoms
    spec = own / f'{name}.json'
    spec.write_text(
        json.dumps(
            {
                'elements': list(system.elements),
                **system.cells,
                'atomic_volumes': _lowest_volumes(references, volumes),
            }
        )
    )
    candidates = own / f'{name}.parquet'
    _run('mtp-engine', 'prototypes', spec, '-o', candidates)
    relaxed = _relaxed(candidates, settings, own, processes)
    joined = StructureBatch.concatenate([references, relaxed])
    return Truth(read_structures(candidates), joined, hull_of(joined))


def _lowest_volumes(references: StructureBatch, volumes: Any) -> dict[str, float]:
    lowest = {}
    for column, symbol in enumerate(references.species):
        own = np.flatnonzero(references.compositions[:, column])
        lowest[symbol] = float(volumes[own[np.argmin(references.energies_per_atom[own])]])
    return lowest


def _relaxed(structures: Path, settings: Path, folder: Path, processes: int) -> StructureBatch:
    """Relax structures by the reference; what has been relaxed before is taken."""
    values = json.loads(settings.read_text())
    if values['calculator'] == 'emt':
        relaxed = relax_with_emt(read_structures(structures), values['fmax'], values['smax'])
        return _done(relaxed)
    kept = KEPT / values['calculator'] / folder.name / structures.name
    if kept.exists():
        relaxed = read_structures(kept)
        if relaxed.ids.tolist() == read_structures(structures).ids.tolist():
            return _done(relaxed)
    output = structures.with_suffix('.relaxed.parquet')
    options = ['-o', output, '--results', folder / 'results', '--processes', str(processes)]
    _run('mtp-dft', 'relax', structures, settings, *options)
    relaxed = read_structures(output)
    keep(relaxed, kept)
    return _done(relaxed)


def keep(relaxed: StructureBatch, path: Path) -> None:
    """Keep where structures have relaxed to, to 1e-5 Å, without forces and stresses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bare = relaxed.without_labels().replaced(
        energies=relaxed.energies,
        positions=relaxed.positions.round(5),
        cells=relaxed.cells.round(5),
        columns={'n_steps': relaxed.columns['n_steps']},
    )
    write_structures(path, bare)


def _done(relaxed: StructureBatch) -> StructureBatch:
    """Return what has been relaxed to the end."""
    failed = np.flatnonzero(relaxed.status != 'done')
    if len(failed):
        print(f'{len(failed)} of {len(relaxed)} did not relax')
    return relaxed.take(relaxed.status == 'done')


def _run(program: str, *words: str | Path) -> None:
    command = [str(Path(sys.executable).parent / program), *map(str, words)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
