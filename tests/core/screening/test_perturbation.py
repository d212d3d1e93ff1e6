import numpy as np
import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.elements import elemental_structures
from aiida_mtp.core.screening.perturbation import PerturbationSettings, perturbed


@pytest.fixture(scope='module')
def metals():
    return elemental_structures(['Al', 'Ti', 'Mn'])


def test_the_first_copy_is_unchanged(metals):
    copies = perturbed(metals, PerturbationSettings(copies=3), seed=1)
    assert len(copies) == 3 * len(metals)
    assert copies.ids[:3].tolist() == ['element-fcc:Al', 'element-fcc:Al~1', 'element-fcc:Al~2']
    assert copies.origins[:3].tolist() == ['element-fcc:Al'] * 3
    np.testing.assert_array_equal(copies.cells[::3], metals.cells)
    assert np.abs(copies.cells[1] - copies.cells[0]).max() > 1e-3


def test_equal_seeds_give_equal_copies(metals):
    settings = PerturbationSettings()
    first, again, other = (perturbed(metals, settings, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert np.abs(first.positions - other.positions).max() > 1e-3


def test_volumes_lie_in_their_range(metals):
    settings = PerturbationSettings(copies=40, volume_range=(0.9, 1.1), rattle=0.0)
    copies = perturbed(metals, settings, seed=3)
    ratio = copies.volumes / np.repeat(metals.volumes, 40)
    assert 0.9 <= ratio.min() < 0.92
    assert 1.08 < ratio.max() <= 1.1


def test_strain_alone_moves_no_atom_within_its_cell(metals):
    copies = perturbed(metals, PerturbationSettings(rattle=0.0), seed=4)

    def scaled(batch):
        inverse = np.linalg.inv(batch.cells)[batch.structure_of_atom]
        return np.einsum('ai,aij->aj', batch.positions, inverse)

    before = metals.take(np.repeat(np.arange(len(metals)), 3))
    np.testing.assert_allclose(scaled(copies), scaled(before), atol=1e-12)


def test_large_cells_are_left_out(metals):
    copies = perturbed(metals, PerturbationSettings(max_atoms=1), seed=5)
    assert set(copies.n_atoms) == {1}


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'copies': 0}, 'copies must be at least 1'),
        ({'rattle': -0.1}, 'must not be negative'),
        ({'volume_range': [1.1, 0.9]}, 'must be two rising numbers'),
        ({'shake': 1}, 'unknown perturbation setting shake; known: copies'),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        PerturbationSettings.from_mapping(values)
