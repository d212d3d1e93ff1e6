import numpy as np
import pytest
from finished import finished_set

from aiida_mtp.core.screening.predictions import parity_of, predicted_phases


def relaxed(**arrays):
    batch = finished_set()
    status = np.array(['converged'] * 5 + ['not_finite'], dtype=object)
    return batch.replaced(status=status, **arrays)


def test_predictions_are_counted_from_the_elements_of_the_potential():
    shift = np.array([0.3, -0.2])  # eV/atom of each element
    batch = relaxed()
    batch = batch.replaced(energies=batch.energies + batch.compositions @ shift)
    found, energies = predicted_phases(batch, ('Al', 'Ni'))
    assert len(found) == 5
    assert energies == pytest.approx([0.0, 0.0, -0.661, -0.432, -0.320])


def test_without_an_element_there_is_no_zero():
    found, energies = predicted_phases(relaxed().take([0, 2, 3]), ('Al', 'Ni'))
    assert len(found) == len(energies) == 0
    found, energies = predicted_phases(relaxed().take([0]), ('Al', 'Ni'))
    assert len(found) == len(energies) == 0


def test_parity_by_id():
    batch = relaxed()
    moved = batch.energies.copy()
    moved[2] += 2 * 0.01  # of two atoms
    parity = parity_of(finished_set(), batch.replaced(energies=moved).take([4, 3, 2, 1, 0]))
    assert len(parity.reference) == 5
    errors = dict(
        zip(np.round(parity.reference, 3), parity.predicted - parity.reference, strict=True)
    )
    assert errors[-0.661] == pytest.approx(0.01)
    assert parity.rmse == pytest.approx(0.01 / np.sqrt(5))


def test_nothing_in_common():
    batch = relaxed()
    parity = parity_of(finished_set(), batch.replaced(ids=np.array(list('abcdef'), dtype=object)))
    assert len(parity.reference) == 0
    assert np.isnan(parity.rmse)
