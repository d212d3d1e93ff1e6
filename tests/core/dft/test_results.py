"""One small file per structure."""

import numpy as np
import pytest

from aiida_mtp.core.dft.results import (
    Result,
    collect_results,
    read_result,
    result_path,
    structure_hashes,
)


def result_for(batch, index, **changes):
    rows = batch.atoms_of(index)
    values = {
        'structure': structure_hashes(batch)[index],
        'task_digest': 'a',
        'digest': 'b',
        'status': 'done',
        'energy': -1.0 / 3.0,
        'forces': (batch.positions[rows] / 7).tolist(),
        'stress': [0.1] * 6,
        'positions': (batch.positions[rows] + 0.1).tolist(),
        'cell': (batch.cells[index] * 1.1).tolist(),
        'n_steps': 4,
        'seconds': 2.5,
    }
    return Result(**{**values, **changes})


def test_there_and_back(alloys, tmp_path):
    result = result_for(alloys, 2, message='α')
    result.write(tmp_path, 'relax')
    assert read_result(tmp_path, 'relax', result.structure) == result
    assert read_result(tmp_path, 'static', result.structure) is None


@pytest.mark.parametrize('damage', ['', '{"structure": ', '[1]', '{"a": 1}', 'null'])
def test_damaged_file_is_no_result(alloys, tmp_path, damage):
    result = result_for(alloys, 0)
    result.write(tmp_path, 'static')
    result_path(tmp_path, 'static', result.structure).write_text(damage)
    assert read_result(tmp_path, 'static', result.structure) is None


def test_hash_is_of_the_crystal_not_of_its_name(alloys):
    hashes = structure_hashes(alloys)
    assert len(set(hashes)) == len(alloys)
    other = alloys.replaced(ids=alloys.ids[::-1].copy()).with_species(alloys.species[::-1])
    assert structure_hashes(other) == hashes
    moved = alloys.replaced(positions=np.nextafter(alloys.positions, 9))
    assert not set(structure_hashes(moved)) & set(hashes)


def test_every_row_is_collected_in_order(alloys, tmp_path):
    result_for(alloys, 3).write(tmp_path, 'relax')
    result_for(
        alloys, 1, status='failed', message='died', energy=None, forces=None, stress=None,
        positions=None, cell=None,
    ).write(tmp_path, 'relax')  # fmt: skip
    found = collect_results(alloys, tmp_path, 'relax')
    assert list(found.ids) == list(alloys.ids)
    assert list(found.status[:4]) == ['unfinished', 'failed', 'unfinished', 'done']
    assert found.energies[3] == -1.0 / 3.0
    assert np.isnan(np.delete(found.energies, 3)).all()
    rows = found.atoms_of(3)
    np.testing.assert_array_equal(found.forces[rows], alloys.positions[rows] / 7)
    np.testing.assert_array_equal(found.positions[rows], alloys.positions[rows] + 0.1)
    np.testing.assert_array_equal(found.cells[3], alloys.cells[3] * 1.1)
    np.testing.assert_array_equal(found.cells[1], alloys.cells[1])
    assert found.columns['message'][1] == 'died'
    assert found.columns['label_settings'][3] == 'b'
    assert found.columns['n_steps'][3] == 4
    assert np.isnan(found.columns['magnetic_moment']).all()


def test_old_labels_are_not_taken_for_new_ones(alloys, tmp_path):
    labelled = alloys.replaced(energies=np.ones(len(alloys)))
    assert np.isnan(collect_results(labelled, tmp_path, 'static').energies).all()
