"""Other implementations, and potentials with published errors."""

import json
import lzma

import numpy as np
import pytest

from aiida_mtp.core.files import read_structures
from aiida_mtp.core.files.cfg import parse_cfg
from aiida_mtp.core.potential.evaluate import energy_gradients, evaluate
from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.structures import StructureBatch

# RMSE on the test sets of Zuo et al., J. Phys. Chem. A 124, 731 (2020): meV/atom, eV/Å
PUBLISHED = {
    'Ni': (0.7456, 0.02688),
    'Cu': (0.5164, 0.01351),
    'Li': (0.6602, 0.01321),
    'Mo': (3.978, 0.1514),
    'Si': (3.026, 0.0881),
    'Ge': (3.684, 0.0703),
}


def mlearn_set(path, element):
    """Structures with DFT labels."""
    with lzma.open(path) as file:
        entries = json.load(file)
    sites = [entry['structure']['sites'] for entry in entries]
    return StructureBatch.build(
        [element],
        [[0] * len(one) for one in sites],
        [[site['xyz'] for site in one] for one in sites],
        [entry['structure']['lattice']['matrix'] for entry in entries],
        energies=[entry['outputs']['energy'] for entry in entries],
        forces=[entry['outputs']['forces'] for entry in entries],
    )


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


@pytest.mark.parametrize('element', PUBLISHED)
def test_published_errors(shared_data, element):
    model = read_potential(shared_data / 'mtp_zuo2020' / f'{element}.mtp', species=[element])
    batch = mlearn_set(shared_data / 'mlearn' / f'{element}_test.json.xz', element)
    result = evaluate(model, batch)
    energy, force = PUBLISHED[element]
    errors = (result.energies - batch.energies) / batch.n_atoms
    assert 1e3 * rms(errors) == pytest.approx(energy, rel=1e-3)
    assert rms(result.forces - batch.forces) == pytest.approx(force, rel=1e-3)


def test_silver_palladium(shared_data):
    """Rosenbrock et al. (2021): 6.07 meV/atom, 0.0128 eV/Å on their training set."""
    model = read_potential(shared_data / 'agpd' / 'final.mtp')
    text = (shared_data / 'agpd' / 'train.cfg').read_text()
    # its stresses, of unnamed sign, are not looked at
    batch = parse_cfg(text.replace(' Stress:', ' PlusStress:').splitlines(), 'train.cfg')
    result = evaluate(model, batch)
    errors = (result.energies - batch.energies) / batch.n_atoms
    assert 1e3 * rms(errors) == pytest.approx(6.07, abs=0.01)
    assert rms(result.forces - batch.forces) == pytest.approx(0.0128, abs=1e-4)


@pytest.mark.parametrize('potential', ['p08_3', 'p16_3'])
def test_motep(shared_data, potential):
    """An implementation of other authors, by other algorithms."""
    pytest.importorskip('motep')
    from motep.calculator import MTP
    from motep.io.mlip.mtp import read_mtp

    path = shared_data / 'mlip3' / f'{potential}.mtp'
    theirs = read_mtp(path)
    theirs.species = [13, 28, 29]
    model = read_potential(path, species=['Al', 'Ni', 'Cu'])
    batch = read_structures(shared_data / 'mlip3' / 'small60.cfg', species=model.species)
    batch = batch.take([0, 7, 21])
    result = evaluate(model, batch)
    for s in range(len(batch)):
        atoms = batch.to_ase(s)
        atoms.calc = MTP(theirs, engine='numpy')
        assert atoms.get_potential_energy() == pytest.approx(result.energies[s], abs=1e-9)
        np.testing.assert_allclose(
            atoms.get_forces(), result.forces[batch.atoms_of(s)], rtol=0, atol=1e-9
        )
        np.testing.assert_allclose(atoms.get_stress(), result.stresses[s], rtol=0, atol=1e-9)


def test_energies_scale_with_moments_of_published_potentials(shared_data):
    """E = Σ θ ∂E/∂θ over species and moment coefficients, for a basis that MLIP wrote."""
    model = read_potential(shared_data / 'mtp_zuo2020' / 'Li.mtp', species=['Li'])
    batch = mlearn_set(shared_data / 'mlearn' / 'Li_test.json.xz', 'Li').take([0, 1])
    linear = slice(model.radial_coeffs.size, None)
    np.testing.assert_allclose(
        energy_gradients(model, batch)[:, linear] @ model.coefficients[linear],
        evaluate(model, batch).energies,
        rtol=1e-12,
    )
