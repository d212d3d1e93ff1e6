"""Energies, forces, stresses and gradients against what MLIP itself computed."""

from pathlib import Path

import numpy as np
import pytest

from aiida_mtp.core.files import read_structures
from aiida_mtp.core.neighbors import neighbor_list
from aiida_mtp.core.potential.evaluate import (
    energy_gradients,
    evaluate,
    evaluate_with_gradients,
    site_energy_gradients,
)
from aiida_mtp.core.potential.mlip import read_potential

EXCERPT = Path(__file__).parents[2] / 'data' / 'mlip3'


def plus_stress(evaluation, batch):
    """MLIP's PlusStress, shape (n, 6), eV."""
    return -evaluation.stresses * batch.volumes[:, None]


def voigt(tensors):
    return tensors[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def check(folder, potential, structures):
    model = read_potential(folder / f'{potential}.mtp')
    batch = read_structures(folder / f'{structures}.cfg')
    reference = np.load(folder / f'ref_{potential}__{structures}.npz')
    result, gradients = evaluate_with_gradients(model, batch)

    np.testing.assert_allclose(
        result.energies / batch.n_atoms, reference['E'] / batch.n_atoms, rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(result.forces, reference['F'], rtol=0, atol=1e-9)
    np.testing.assert_allclose(plus_stress(result, batch), voigt(reference['S']), rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.site_energies, reference['SE'], rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradients, reference['G'], rtol=0, atol=1e-9)
    first = batch.take(slice(0, 3))
    np.testing.assert_allclose(
        site_energy_gradients(model, first), reference['SG'], rtol=0, atol=1e-9
    )
    pairs = neighbor_list(batch, model.max_dist)
    np.testing.assert_array_equal(np.diff(pairs.first), reference['NN'])


@pytest.mark.parametrize('potential', ['p08_3', 'p10_3'])
def test_excerpt(potential):
    check(EXCERPT, potential, 'small3')


@pytest.mark.parametrize(
    ('potential', 'structures'),
    [
        ('p08_1', 'ni108x2'),
        ('p10_1', 'ni108x2'),
        ('p16_1', 'ni108x2'),
        ('p08_3', 'small60'),
        ('p10_3', 'small60'),
        ('p10_3', 'train500'),
        ('p16_3', 'small60'),
        ('p20_3', 'small60'),
    ],
)
def test_every_reference_set(shared_data, potential, structures):
    check(shared_data / 'mlip3', potential, structures)


def test_coefficients_are_in_the_order_of_mlip(shared_data):
    folder = shared_data / 'mlip3'
    for path in sorted(folder.glob('ref_p*.npz')):
        model = read_potential(folder / f'{path.stem[4:].split("__")[0]}.mtp')
        np.testing.assert_allclose(model.coefficients, np.load(path)['coeff'], rtol=1e-14)


def test_potential_with_an_active_set_in_its_file(shared_data):
    """The binary part of an .almtp is not taken for text."""
    model = read_potential(shared_data / 'mlip3' / 'as10_cfg.almtp')
    plain = read_potential(shared_data / 'mlip3' / 'p10_3.mtp')
    np.testing.assert_array_equal(model.coefficients, plain.coefficients)


def test_mlip_2(shared_data):
    """MLIP-2 printed energies in full, forces with 6 and PlusStress with 5 decimals."""
    folder = shared_data / 'mlip2'
    model = read_potential(folder / 'm2_state.als')
    printed = read_structures(folder / 'm2_efs.cfg')
    batch = read_structures(shared_data / 'mlip3' / 'test200.cfg')  # the positions in full
    result = evaluate(model, batch)
    np.testing.assert_allclose(result.energies, printed.energies, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.forces, printed.forces, rtol=0, atol=6e-7)
    np.testing.assert_allclose(
        plus_stress(result, batch),
        -printed.stresses * printed.volumes[:, None],
        rtol=0,
        atol=6e-6,
    )


def test_gradients_alone_and_beside_the_energies_agree():
    model = read_potential(EXCERPT / 'p08_3.mtp')
    batch = read_structures(EXCERPT / 'small3.cfg')
    together, gradients = evaluate_with_gradients(model, batch)
    assert gradients.tobytes() == energy_gradients(model, batch).tobytes()
    assert together.forces.tobytes() == evaluate(model, batch).forces.tobytes()
    of_sites = site_energy_gradients(model, batch)
    np.testing.assert_allclose(
        np.add.reduceat(of_sites, batch.first_atom[:-1]), gradients, rtol=0, atol=1e-12
    )
