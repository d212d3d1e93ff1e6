"""The backend of the examples labels and relaxes, as a package that has been installed."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, InstalledCode, Str
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.label import MtpLabelWorkChain
from aiida_mtp.workchains.screen import MtpScreenWorkChain

BACKEND = Path(__file__).parents[2] / 'examples' / 'backend'


@pytest.fixture
def my_dft(aiida_profile_clean, aiida_localhost, tmp_path, monkeypatch):  # noqa: ARG001 - empty it
    """Install the package, its entry points in a folder in the path, and return its code."""
    from aiida.plugins import entry_point

    project = tomllib.loads((BACKEND / 'pyproject.toml').read_text())['project']
    folder = tmp_path / 'my_dft-0.1.0.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text('Metadata-Version: 2.1\nName: my-dft\nVersion: 0.1.0\n')
    lines = []
    for group, names in project['entry-points'].items():
        lines += [f'[{group}]', *(f'{name} = {where}' for name, where in names.items())]
    (folder / 'entry_points.txt').write_text('\n'.join(lines) + '\n')
    monkeypatch.syspath_prepend(str(BACKEND))
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_point.eps.cache_clear()
    script = tmp_path / 'my_dft.sh'
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {BACKEND / "run_my_dft.py"}\n')
    script.chmod(0o755)
    yield InstalledCode(
        label='my-dft',
        computer=aiida_localhost,
        filepath_executable=str(script),
        default_calc_job_plugin='my_dft',
    ).store()
    sys.modules.pop('my_dft', None)
    entry_point.eps.cache_clear()


def label(code, crystals, task, **settings):
    batch = StructureBatch.from_ase(crystals, ids=[f's{i}' for i in range(len(crystals))])
    outputs, node = run_get_node(
        MtpLabelWorkChain,
        structures=StructureSetData.from_batch(batch),
        task=Str(task),
        dft={'code': code, 'backend': Str('my_dft'), 'settings': Dict(settings)},
    )
    assert node.is_finished_ok, node.exit_message
    return outputs['structures'].get_batch()


def test_labels_are_those_of_the_code(my_dft):
    alloy = bulk('NiAl', 'cesiumchloride', a=2.9)
    alloy.rattle(0.05, seed=1)
    found = label(my_dft, [alloy, bulk('Cu')], 'static')
    assert list(found.status) == ['done', 'done']
    for row, atoms in enumerate([alloy, bulk('Cu')]):
        atoms.calc = EMT()
        assert found.energies[row] == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
        assert np.allclose(found.forces[found.atoms_of(row)], atoms.get_forces(), atol=1e-8)
        assert np.allclose(found.stresses[row], atoms.get_stress(), atol=1e-8)
    assert len(set(found.columns['label_settings'])) == 1


def test_relaxations_end_where_forces_vanish(my_dft):
    found = label(my_dft, [bulk('Cu', a=3.8)], 'relax', fmax=0.001)
    assert list(found.status) == ['done']
    assert np.abs(found.stresses[0]).max() < 1e-3
    assert found.volumes[0] == pytest.approx(3.59**3 / 4, rel=0.01)


def test_a_screen_is_launched_with_it(my_dft, codes):
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        ['Cu', 'Pt'],
        codes['mtp-engine'],
        my_dft,
        protocol='fast',
        overrides={'dft': {'settings': {'fmax': 0.02}}},
    )
    assert builder.dft.backend == 'my_dft'
    assert builder.dft.settings.get_dict() == {'fmax': 0.02}
    builder.dft.settings = Dict({'cutoff': 300})
    with pytest.raises(ValueError, match='unknown my DFT setting cutoff; known: fmax'):
        run_get_node(builder)
