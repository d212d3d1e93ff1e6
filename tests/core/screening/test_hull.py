import csv
import json
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference.hull import e_above_hull as linear_programme

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.hull import REFERENCE, STABLE, hull_of

EXCERPT = Path(__file__).parents[2] / 'data' / 'hulls' / 'li_fe_o_excerpt.csv'
LI_FE_O = {'Fe2O3', 'Fe3O4', 'FeO', 'FeLi2O3', 'Li2O', 'LiO', 'FeLi5O4', 'FeLiO2'}  # LiO: Li2O2
CU_AG_AU = {  # eV/atom; species in alphabetical order
    'AgAu': -0.0617,
    'AuCu3': -0.0461,
    'AgAu3': -0.0457,
    'Ag4Au': -0.0367,
    'Ag3Au': -0.0451,
    'Au2Cu': -0.0456,
    'Ag2Au': -0.0510,
    'Ag3Au2': -0.0554,
    'AuCu': -0.0582,
    'Ag5Au': -0.0309,
    'Au3Cu2': -0.0512,
    'AgAu2Cu': -0.0621,
}


def random_system(seed, n_species):
    """Return compositions, with all elements among them, and energies per atom."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 6, (random.integers(1, 80), n_species))
    counts = np.vstack([np.eye(n_species, dtype=int), counts[counts.any(axis=1)]])
    energies = random.normal(size=len(counts)) * random.choice([1e-3, 0.3, 1.0])
    return counts, np.round(energies, 1) if seed % 4 == 0 else energies  # many coplanar points


def pymatgen_distances(counts, energies, species):
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    entries = [
        PDEntry(Composition(dict(zip(species, row.tolist(), strict=True))), energy * row.sum())
        for row, energy in zip(counts, energies, strict=True)
    ]
    diagram = PhaseDiagram(entries)
    return np.array([diagram.get_e_above_hull(entry) for entry in entries])


def li_fe_o(path):
    with path.open(encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    counts = np.array([[int(row[element]) for element in ('Li', 'Fe', 'O')] for row in rows])
    total = np.array([float(row['Final energy']) for row in rows])
    return counts, total / counts.sum(axis=1)


def formulas_of(batch, rows):
    return {batch.formulas[row] for row in rows}


@pytest.mark.parametrize('n_species', range(1, 7))
@pytest.mark.parametrize('seed', range(16))
def test_random_systems_against_a_linear_programme(make_set, seed, n_species):
    counts, energies = random_system(seed, n_species)
    found = hull_of(make_set(counts, energies))
    np.testing.assert_allclose(found.e_above_hull, linear_programme(counts, energies), atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), n_species=st.integers(1, 4))
def test_any_system_against_a_linear_programme(make_set, data, n_species):
    counts = data.draw(arrays(np.int64, (10, n_species), elements=st.integers(0, 4)))
    counts = np.vstack([np.eye(n_species, dtype=int), counts[counts.any(axis=1)]])
    energies = data.draw(arrays(float, len(counts), elements=st.floats(-3, 3, width=16)))
    found = hull_of(make_set(counts, energies))
    np.testing.assert_allclose(found.e_above_hull, linear_programme(counts, energies), atol=1e-6)


@pytest.mark.parametrize('n_species', [2, 3, 4])
@pytest.mark.parametrize('seed', range(1, 4))
def test_random_systems_against_pymatgen(make_set, seed, n_species):
    counts, energies = random_system(seed, n_species)
    batch = make_set(counts, energies)
    expected = pymatgen_distances(counts, energies, batch.species)
    np.testing.assert_allclose(hull_of(batch).e_above_hull, expected, atol=1e-9)


def test_li_fe_o(make_set):
    counts, energies = li_fe_o(EXCERPT)
    batch = make_set(counts, energies, species=('Li', 'Fe', 'O'))
    found = hull_of(batch)
    assert formulas_of(batch, found.stable) == LI_FE_O | {'Li', 'Fe', 'O'}
    expected = pymatgen_distances(counts, energies, batch.species)
    np.testing.assert_allclose(found.e_above_hull, expected, atol=1e-12)


def test_the_whole_li_fe_o_system(make_set, shared_data):
    counts, energies = li_fe_o(shared_data / 'hulls' / 'pd_entries_test.csv')
    batch = make_set(counts, energies, species=('Li', 'Fe', 'O'))
    found = hull_of(batch)
    assert formulas_of(batch, found.stable) == LI_FE_O | {'Li', 'Fe', 'O'}
    assert len(found.hull.facets) == 12
    expected = pymatgen_distances(counts, energies, batch.species)
    np.testing.assert_allclose(found.e_above_hull, expected, atol=1e-12)


def test_four_elements_of_materials_project(make_set, shared_data):
    species = ('Li', 'Fe', 'P', 'O')
    with lzma.open(shared_data / 'hulls' / 'Li-Fe-P-O_entries.json.xz', 'rt') as file:
        entries = json.load(file)
    counts = np.array([[int(e['composition'].get(s, 0)) for s in species] for e in entries])
    total = np.array([e['energy'] + e['correction'] for e in entries])
    energies = total / counts.sum(axis=1)
    found = hull_of(make_set(counts, energies, species=species))
    expected = pymatgen_distances(counts, energies, species)
    np.testing.assert_allclose(found.e_above_hull, expected, atol=1e-12)


def test_published_phases_of_cu_ag_au(make_set, shared_data):
    text = (shared_data / 'cuagau' / 'CuAgAu_relaxed.extxyz').read_text(encoding='utf-8')
    lines = text.splitlines()
    counts, energies, at = [], [], 0
    while at < len(lines):
        n_atoms = int(lines[at])
        symbols = [line.split()[0] for line in lines[at + 2 : at + 2 + n_atoms]]
        counts.append([symbols.count(symbol) for symbol in ('Cu', 'Ag', 'Au')])
        found = re.search(r'e_fr_energy=(\S+)', lines[at + 1])
        energies.append(float(found[1]) / n_atoms)
        at += n_atoms + 2
    batch = make_set(counts, energies, species=('Cu', 'Ag', 'Au'))
    found = hull_of(batch)
    stable = {batch.formulas[row]: found.formation_energies[row] for row in found.stable}
    assert stable.keys() == CU_AG_AU.keys() | {'Cu', 'Ag', 'Au'}
    for formula, energy in CU_AG_AU.items():
        assert stable[formula] == pytest.approx(energy, abs=6e-5)


def test_one_element(make_set):
    found = hull_of(make_set([[1], [2], [4]], [-3.0, -3.5, -3.4]))
    np.testing.assert_allclose(found.formation_energies, [0.5, 0.0, 0.1])
    np.testing.assert_allclose(found.e_above_hull, [0.5, 0.0, 0.1])
    assert found.stable.tolist() == [1]


def test_elements_alone_and_unstable_compounds(make_set):
    elements = hull_of(make_set(np.eye(3, dtype=int), [-1.0, -2.0, -3.0]))
    assert sorted(elements.stable) == [0, 1, 2]
    counts = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]]
    unstable = hull_of(make_set(counts, [-1.0, -2.0, -3.0, -1.4, -1.9]))
    assert sorted(unstable.stable) == [0, 1, 2]
    np.testing.assert_allclose(unstable.e_above_hull, [0, 0, 0, 0.1, 0.1], atol=1e-12)


def test_a_phase_on_a_tie_line_is_stable(make_set):
    found = hull_of(make_set([[1, 0], [0, 1], [1, 1], [3, 1]], [0.0, 0.0, -0.4, -0.2]))
    assert sorted(found.stable) == [0, 1, 2, 3]


def test_the_elements_of_other_systems_are_not_asked_for(make_set):
    found = hull_of(make_set([[1, 0, 0], [0, 0, 1], [1, 0, 1]], [-1.0, -2.0, -2.0]))
    assert found.hull.species == ('Al', 'Ti')
    np.testing.assert_allclose(found.formation_energies, [0, 0, -0.5])


def test_structures_without_an_energy_take_no_part(make_set):
    batch = make_set([[1, 0], [0, 1], [1, 1], [1, 1]], [0.0, 0.0, np.nan, 0.2])
    found = hull_of(batch)
    np.testing.assert_allclose(found.e_above_hull, [0, 0, np.nan, 0.2], atol=1e-12)
    assert sorted(found.stable) == [0, 1]


@pytest.mark.parametrize('energy', [[], [np.nan]])
def test_a_missing_element_is_named(make_set, energy):
    counts = [[1, 0], [1, 1], *[[0, 1] for _ in energy]]
    with pytest.raises(InputError, match=r'no reference energy of Ni: add'):
        hull_of(make_set(counts, [0.0, -1.0, *energy]))


def test_reference_energies_that_are_given(make_set):
    batch = make_set([[1, 0], [1, 1], [0, 1]], [-1.0, -2.0, -3.2])
    found = hull_of(batch, references={'Al': -1.2, 'Ni': -3.0})
    np.testing.assert_allclose(found.formation_energies, [0.2, 0.1, -0.2])
    # Al is above its reference; Ni below it, and so becomes the end of the hull
    np.testing.assert_allclose(found.e_above_hull, [0.2, 0.2, 0.0], atol=1e-12)
    assert found.stable.tolist() == [2]
    assert sorted(found.hull.vertex_rows) == [REFERENCE, 2]


@pytest.mark.parametrize('n_species', range(1, 6))
def test_decompositions_balance(make_set, n_species):
    counts, energies = random_system(4, n_species)
    found = hull_of(make_set(counts, energies))
    hull = found.hull
    for row, count in enumerate(counts):
        parts = hull.decomposition(count / count.sum())
        assert all(share > 0 for _, share in parts)
        mixture = sum(share * hull.vertices[vertex] for vertex, share in parts)
        np.testing.assert_allclose(mixture, count / count.sum(), atol=1e-9)
        energy = sum(share * hull.vertex_energies[vertex] for vertex, share in parts)
        above = found.formation_energies[row] - energy
        assert above == pytest.approx(found.e_above_hull[row], abs=1e-9)


def test_distances_of_other_structures_may_be_negative(make_set):
    verified = hull_of(make_set([[1, 0], [0, 1], [1, 1]], [0.0, 0.0, -0.4])).hull
    others = make_set([[1, 1], [3, 1]], [-0.5, -0.1])
    np.testing.assert_allclose(verified.distances(others), [-0.1, 0.1])


def test_adding_a_compound_never_lowers_a_distance(make_set):
    counts, energies = random_system(7, 3)
    compounds = np.count_nonzero(counts, axis=1) > 1
    new = np.flatnonzero(compounds)[::2]
    old = np.setdiff1d(np.arange(len(counts)), new)
    before = hull_of(make_set(counts[old], energies[old])).e_above_hull
    after = hull_of(make_set(counts, energies)).e_above_hull[old]
    assert np.all(after >= before - STABLE)
    assert np.any(after > before + STABLE)
