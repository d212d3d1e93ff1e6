import numpy as np
import pytest

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.elements import elemental_structures


def test_elements_in_the_structures_they_are_known_in():
    batch = elemental_structures(['Al', 'Ti', 'W', 'Si'])
    assert batch.ids.tolist() == [
        *('element-fcc:Al', 'element-hcp:Ti', 'element-bcc:W', 'element-diamond:Si'),
    ]
    assert batch.n_atoms.tolist() == [1, 2, 1, 2]
    np.testing.assert_allclose(batch.volumes[0], 4.05**3 / 4)
    assert batch.species == ('Al', 'Ti', 'W', 'Si')


def test_an_element_without_a_ready_crystal_comes_in_three():
    batch = elemental_structures(['Mn'])
    assert batch.ids.tolist() == ['element-fcc:Mn', 'element-bcc:Mn', 'element-hcp:Mn']
    per_atom = batch.volumes / batch.n_atoms
    assert 8 < per_atom.min() < per_atom.max() < 20  # measured: 12 Å³
    assert 'covalent radius' in batch.origins[0]


def test_what_is_no_element():
    with pytest.raises(InputError, match='elements: Xx, X is no chemical symbol'):
        elemental_structures(['Al', 'Xx', 'X'])
