"""Published sets of first-principles data, as batches; none of them is part of the repository.

They are looked for in the folder ``AIIDA_MTP_DATA``, by default ``shared/data`` beside the
repository.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import tempfile
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from aiida_mtp.core.files import read_structures
from aiida_mtp.core.structures import StructureBatch

DATA = Path(os.environ.get('AIIDA_MTP_DATA', Path(__file__).parents[2] / 'shared' / 'data'))


def mlearn(element: str, part: str) -> StructureBatch:
    """Return the training or the test set of an element of Zuo et al. 2020, without stresses."""
    frames = json.loads(_unpacked(DATA / 'mlearn' / f'{element}_{part}.json.xz'))
    crystals = [Structure.from_dict(frame['structure']) for frame in frames]
    return StructureBatch.build(
        (element,),
        [[0] * len(crystal) for crystal in crystals],
        [crystal.cart_coords for crystal in crystals],
        np.array([crystal.lattice.matrix for crystal in crystals]),
        energies=np.array([frame['outputs']['energy'] for frame in frames]),
        forces=[np.array(frame['outputs']['forces']) for frame in frames],
    )


def silver_palladium(part: str) -> StructureBatch:
    """Return the training set or the fcc test set of Rosenbrock et al. 2021, without stresses."""
    if part == 'test':
        text = (DATA / 'agpd' / 'test_fcc.xyz').read_text()
        known = re.sub('vasp_force', 'forces', re.sub('vasp_energy', 'energy', text))
        batch = _parsed(known, '.extxyz', None).with_species(('Ag', 'Pd'))
        return batch.take(np.isfinite(batch.energies))
    text = (DATA / 'agpd' / 'train.cfg').read_text()  # the sign of its stresses is not told
    return _parsed(re.sub(r'(?m)^ *Stress:.*\n.*\n', '', text), '.cfg', ('Ag', 'Pd'))


def hafnium_molybdenum() -> StructureBatch:
    """Return the training set of the PRAPs tutorial."""
    return _parsed(_unpacked(DATA / 'hfmo' / 'train.cfg.xz'), '.cfg', ('Hf', 'Mo'))


def aluminium_nickel_titanium() -> StructureBatch:
    """Return the training set of Gubaev et al. 2019, each frame once.

    Stresses are left out, for they are not those of the structures.
    """
    packed = DATA / 'alniti' / 'AlNiTi_CMS2019_clean.extxyz.xz'
    batch = _parsed(_unpacked(packed), '.extxyz', None)
    seen = {}
    for row, one in enumerate(batch):
        key = (one.types.tobytes(), one.positions.round(5).tobytes(), one.cells.round(5).tobytes())
        seen.setdefault(key, row)
    once = batch.take(sorted(seen.values()))
    return once.replaced(stresses=np.full_like(once.stresses, np.nan))


def copper_silver_gold() -> StructureBatch:
    """Return the relaxed fcc orderings of Cu-Ag-Au of up to six atoms, with their free energies."""
    text = (DATA / 'cuagau' / 'CuAgAu_relaxed.extxyz').read_text(encoding='utf-8')
    known = re.sub(r' energy=\S+', '', text).replace(' e_fr_energy=', ' energy=')
    return _parsed(known, '.extxyz', None).with_species(('Cu', 'Ag', 'Au'))


def _unpacked(path: Path) -> str:
    with lzma.open(path, 'rt') as file:
        return file.read()


def _parsed(text: str, suffix: str, species: tuple[str, ...] | None) -> StructureBatch:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'set{suffix}'
        path.write_text(text)
        return read_structures(path, species)
