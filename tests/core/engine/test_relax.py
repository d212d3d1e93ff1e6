"""mtp-engine relax."""

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reference.crystals import rattled_crystals

from aiida_mtp.core.active.grade import build_active_set
from aiida_mtp.core.active.state_files import write_active_state
from aiida_mtp.core.engine import relax as verb
from aiida_mtp.core.engine import streams as module
from aiida_mtp.core.engine.main import main
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.structures import StructureBatch

POTENTIAL = Path(__file__).parents[2] / 'data' / 'relax' / 'emt.almtp'
SPECIES = ('Ni', 'Al', 'Cu')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A potential with an active set, and structures: some extrapolate, one is unknown."""
    folder = tmp_path_factory.mktemp('relax')
    model = read_potential(POTENTIAL, SPECIES)
    known = rattled_crystals(400, seed=1, strain=0.06, rattle=0.1)  # 235 coefficients
    write_active_state(folder / 'pot.almtp', model, build_active_set(model, known))
    batch = StructureBatch.concatenate(
        [
            rattled_crystals(12, seed=2, strain=0.02, rattle=0.05),
            rattled_crystals(1, seed=0, species=('Ag',)),
            rattled_crystals(7, seed=3, strain=0.1, rattle=0.3),
        ]
    )
    ids = np.array([f'p{i}' for i in range(20)], dtype=object)
    write_structures(
        folder / 'in.parquet', batch.replaced(ids=ids).with_columns(rank=np.arange(20))
    )
    return folder


def relax(folder, tmp_path, *words, potential='pot.almtp'):
    paths = [tmp_path / name for name in ('out.parquet', 'cand.parquet', 'report.json')]
    fixed = [folder / potential, folder / 'in.parquet', '-o', paths[0], '--candidates', paths[1]]
    code = main(['relax', *map(str, [*fixed, '--report', paths[2], *words])])
    if code:
        return code
    report = json.loads(paths[2].read_text())
    return read_structures(paths[0]), read_structures(paths[1]), report


def test_every_row_comes_out_in_order(folder, tmp_path):
    found, candidates, report = relax(folder, tmp_path)
    assert found.ids.tolist() == [f'p{i}' for i in range(20)]
    assert found.columns['rank'].tolist() == list(range(20))
    assert found.status[12] == 'unknown_species'
    assert {'converged', 'extrapolating'} < set(found.status)
    assert report['n_structures'] == sum(report['status'].values()) == 20
    assert report['status']['converged'] == (found.status == 'converged').sum()
    assert report['n_candidates'] == len(candidates) > 0
    assert report['n_evaluations'] == found.columns['n_steps'].sum()
    assert report['max_grade'] == np.nanmax(found.columns['grade'])
    assert set(candidates.origins) <= set(found.ids)
    assert candidates.species == SPECIES


def test_pieces_and_threads_change_nothing(folder, tmp_path, monkeypatch):
    relax(folder, tmp_path)
    names = ('out.parquet', 'cand.parquet', 'report.json')
    before = [(tmp_path / name).read_bytes() for name in names]
    monkeypatch.setattr(module, 'CHUNK', 3)
    relax(folder, tmp_path, '--threads', 1)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_what_the_time_did_not_suffice_for_stays_as_it_was(folder, tmp_path):
    given = read_structures(folder / 'in.parquet')
    found, candidates, report = relax(folder, tmp_path, '--stop-after', 0)
    assert found.status[12] == 'unknown_species'
    assert report['status']['unfinished'] == (found.status == 'unfinished').sum() == 19
    assert found.ids.tolist() == given.ids.tolist()
    assert found.positions.tobytes() == given.positions.tobytes()
    assert found.cells.tobytes() == given.cells.tobytes()
    assert np.isnan(found.energies).all()
    assert not len(candidates)


def test_the_rest_later_gives_what_one_run_gives(folder, tmp_path, monkeypatch):
    whole, candidates, _ = relax(folder, tmp_path)
    monkeypatch.setattr(module, 'CHUNK', 12)
    ticks = count()
    monkeypatch.setattr(verb, 'time', SimpleNamespace(monotonic=lambda: next(ticks)))
    first, early, report = relax(folder, tmp_path, '--threads', 1, '--stop-after', 1)
    is_done = first.status != 'unfinished'
    assert report['status']['unfinished'] == 11  # one piece of eight had its turn, and silver
    monkeypatch.undo()
    rest = read_structures(folder / 'in.parquet').take(~is_done)
    write_structures(tmp_path / 'in.parquet', rest)
    (tmp_path / 'pot.almtp').write_bytes((folder / 'pot.almtp').read_bytes())
    second, late, _ = relax(tmp_path, tmp_path)
    joined = StructureBatch.concatenate([first.take(is_done), second])
    order = [joined.ids.tolist().index(key) for key in whole.ids]
    write_structures(tmp_path / 'joined.parquet', joined.take(order))
    write_structures(tmp_path / 'whole.parquet', whole)
    assert (tmp_path / 'joined.parquet').read_bytes() == (tmp_path / 'whole.parquet').read_bytes()
    assert sorted([*early.ids, *late.ids]) == sorted(candidates.ids)


@pytest.mark.parametrize('kind', ['nan', 'overlap', 'flat', 'far'])
def test_a_poisoned_structure_has_its_reason_and_stops_nothing(folder, tmp_path, kind):
    """The others are what they are without it."""
    batch = read_structures(folder / 'in.parquet')
    good, _, _ = relax(folder, tmp_path)
    rows, cells, positions = batch.atoms_of(3), batch.cells.copy(), batch.positions.copy()
    if kind == 'nan':
        positions[rows.start, 0] = np.nan
    elif kind == 'overlap':
        positions[rows] = positions[rows.start]
    elif kind == 'flat':
        cells[3, 2] = cells[3, 1]
    else:
        cells[3] *= 1e4
    (tmp_path / 'pot.almtp').write_bytes((folder / 'pot.almtp').read_bytes())
    poisoned = batch.replaced(cells=cells, positions=positions)
    write_structures(tmp_path / 'in.parquet', poisoned)
    found, _, _ = relax(tmp_path, tmp_path)
    reasons = {'nan': 'not_finite', 'overlap': 'min_dist', 'flat': 'volume', 'far': 'extrapolating'}
    assert found.status[3] == reasons[kind]
    others = np.arange(20) != 3
    assert found.status[others].tolist() == good.status[others].tolist()
    assert np.array_equal(found.energies[others], good.energies[others], equal_nan=True)


def test_no_candidates_is_a_file_too(folder, tmp_path):
    words = ['--threshold-save', 'inf', '--threshold-break', 'inf', '--max-steps', 3]
    found, candidates, report = relax(folder, tmp_path, *words)
    assert len(candidates) == report['n_candidates'] == 0
    assert 'extrapolating' not in set(found.status)
    assert found.columns['n_steps'].max() == 3


def test_settings_of_a_file_and_of_the_command_line(folder, tmp_path):
    settings = tmp_path / 'settings.json'
    settings.write_text('{"max_steps": 2, "threshold_break": null}')
    found, _, _ = relax(folder, tmp_path, '--settings', settings)
    assert found.columns['n_steps'].max() == 2
    assert 'extrapolating' not in set(found.status)
    found, _, _ = relax(folder, tmp_path, '--settings', settings, '--max-steps', 4, '--scan-volume')
    assert found.columns['n_steps'].max() == 4 + 1 + 17  # steps, the given volume, the scan


def test_without_an_active_set(folder, tmp_path, capsys):
    words = ['--species', *SPECIES]
    found, candidates, report = relax(folder, tmp_path, *words, potential=POTENTIAL)
    error = capsys.readouterr().err
    assert 'no active set' in error
    assert error.count('\n') == 1
    assert np.isnan(found.columns['grade']).all()
    assert report['max_grade'] is None
    assert len(candidates) == 0


def test_cfg_in_and_out(folder, tmp_path):
    known = rattled_crystals(3, seed=2, strain=0.01, rattle=0.02)
    write_structures(tmp_path / 'in.cfg', known)
    words = [folder / 'pot.almtp', tmp_path / 'in.cfg', '-o', tmp_path / 'out.cfg']
    assert main(['relax', *map(str, words)]) == 0
    found = read_structures(tmp_path / 'out.cfg', SPECIES)
    assert found.status.tolist() == ['converged'] * 3
    assert found.species == SPECIES


@pytest.mark.parametrize(
    ('words', 'what'),
    [
        (['--fmax', '-1'], 'fmax=-1.0: it must be positive'),
        (['--threshold-break', '1'], 'threshold_break=1.0'),
        (['--settings', 'nowhere.json'], 'nowhere.json'),
        (['--species', 'Ni'], 'Ni'),
        (['--stop-after', 'soon'], "a number of seconds, not 'soon'"),
    ],
)
def test_mistakes(folder, tmp_path, capsys, words, what):
    assert relax(folder, tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert what in error
    assert error.count('\n') == 1
    assert not list(tmp_path.iterdir())


def test_settings_that_are_no_json(folder, tmp_path, capsys):
    for text, what in (('{', 'not a JSON file'), ('[1]', 'mapping'), ('{"fmx": 1}', 'fmx')):
        (tmp_path / 's.json').write_text(text)
        assert relax(folder, tmp_path, '--settings', tmp_path / 's.json') == 2
        assert what in capsys.readouterr().err
