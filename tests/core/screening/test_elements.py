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
    np.testing.assert_allclose(per_atom, 12.2)
    assert batch.origins[0] == 'fcc Mn, at its measured volume'
    gas = elemental_structures(['N'])
    np.testing.assert_allclose(gas.volumes / gas.n_atoms, gas.volumes[0])
    assert 'covalent radius' in gas.origins[0]


def test_what_is_no_element():
    with pytest.raises(InputError, match='elements: Xx, X is no chemical symbol'):
        elemental_structures(['Al', 'Xx', 'X'])


def test_no_element_is_far_from_its_density():
    """Of the metals; among them is uranium, whose atoms ASE does not all place."""
    metals = ['Li', 'Mg', 'Cr', 'Zn', 'Ga', 'Zr', 'In', 'Sn', 'Sb', 'La', 'Sm', 'Hg', 'Bi', 'U']
    measured = [21, 23, 12, 15, 20, 23, 26, 27, 30, 37, 33, 23, 35, 21]  # Å³ per atom
    batch = elemental_structures(metals)
    per_atom = batch.volumes / batch.n_atoms
    expected = np.array(measured)[batch.compositions.argmax(axis=1)]
    np.testing.assert_allclose(per_atom, expected, rtol=0.05)
