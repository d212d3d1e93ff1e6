import numpy as np
import pytest
from ase.build import bulk
from finished import finished_set, ordered

from aiida_mtp.core.screening.competitors import competitor_of, decomposition_of
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.structures import StructureBatch


def with_rivals():
    """NiAl thrice: B2, the same crystal again in a larger cell, and another one."""
    b2 = bulk('NiAl', 'cesiumchloride', a=2.89)
    atoms = [b2, b2.repeat((2, 1, 1)), bulk('NiAl', 'rocksalt', a=5.0)]
    energies = [-0.661, -0.6609, -0.5]
    rivals = StructureBatch.from_ase(
        atoms,
        species=('Al', 'Ni'),
        ids=['b2', 'again', 'b1'],
        energies=[e * len(a) for e, a in zip(energies, atoms, strict=True)],
        status=['done'] * 3,
    )
    return StructureBatch.concatenate([finished_set().take([0, 1, 3, 4]), rivals])


def test_the_next_structure_is_another_crystal():
    batch = with_rivals()
    found = competitor_of(batch, batch.index_of('b2'))
    assert batch.ids[found.row] == 'b1'
    assert found.distance == pytest.approx(0.161)


def test_the_margin_is_counted_from_all_other_compositions():
    batch = with_rivals()
    row = batch.index_of('b2')
    others = batch.take([i for i, formula in enumerate(batch.formulas) if formula != 'AlNi'])
    expected = hull_of(others).hull.energies_at(np.array([[0.5, 0.5]]))[0] + 0.661
    assert competitor_of(batch, row).margin == pytest.approx(expected)


def test_an_element_alone_has_neither():
    found = competitor_of(with_rivals(), 0)
    assert found.row == -1
    assert np.isnan([found.distance, found.margin]).all()


def test_what_a_phase_decomposes_into():
    batch = finished_set().take([0, 1, 2, 3, 4])
    hull = hull_of(batch).hull
    parts = decomposition_of(hull, batch, batch.formulas.index('Al3Ni'))
    assert dict(parts) == pytest.approx({'Al': 0.5, 'AlNi': 0.5})
    assert decomposition_of(hull, batch, batch.formulas.index('AlNi')) == [('AlNi', 1.0)]
    given = hull_of(batch.take([2]), {'Al': -1.0, 'Ni': -1.0}).hull
    assert {name for name, _ in decomposition_of(given, batch.take([2]), 0)} <= {'Al', 'Ni', 'AlNi'}


def test_shares_of_atoms():
    batch = StructureBatch.from_ase(
        [bulk('Al'), bulk('Ni'), ordered('Ni3Al', 3.57)],
        species=('Al', 'Ni'),
        energies=[0.0, 0.0, 0.4],
    )
    parts = decomposition_of(hull_of(batch).hull, batch, 2)
    assert parts == [('Ni', pytest.approx(0.75)), ('Al', pytest.approx(0.25))]
