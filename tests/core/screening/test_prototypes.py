import itertools
import re

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.fingerprints import fingerprints
from aiida_mtp.core.screening.lattices import derivative_structures
from aiida_mtp.core.screening.library import aflow_prototypes, decorated, prototypes_of
from aiida_mtp.core.screening.perturbation import PerturbationSettings, perturbed
from aiida_mtp.core.screening.prototypes import make_prototypes
from aiida_mtp.core.screening.spec import PrototypeSpec
from aiida_mtp.core.structures import StructureBatch

CUBIC = {  # published counts by atoms in the cell, of fcc and of bcc
    2: [2, 2, 6, 19, 28, 80, 104, 390, 504, 1211, 1364, 7140],
    3: [3, 6, 21, 96, 165, 790, 1245, 7482, 13991, 55461, 92565],
}
HCP = {2: [3, 10, 50, 270, 651, 4793], 3: [6, 51, 450, 5568, 30888]}  # 2, 4 … atoms
ELEMENTS = ('Al', 'Ni', 'Ti')


def candidates(folder='.', **spec):
    return make_prototypes(PrototypeSpec.from_mapping(spec), folder)


def counts_by_size(batch, step):
    sizes, counts = np.unique(batch.n_atoms, return_counts=True)
    assert sizes.tolist() == list(range(step, step * len(sizes) + 1, step))
    return counts.tolist()


@pytest.mark.parametrize('parent', ['fcc', 'bcc'])
@pytest.mark.parametrize(
    ('n_elements', 'n'),
    [(2, 8), (3, 6), *(pytest.param(k, n, marks=pytest.mark.slow) for k, n in [(2, 12), (3, 10)])],
)
def test_published_counts_of_cubic_lattices(parent, n_elements, n):
    batch = derivative_structures(parent, n, ELEMENTS[:n_elements])
    assert counts_by_size(batch, 1) == CUBIC[n_elements][:n]


@pytest.mark.parametrize(
    ('n_elements', 'n'),
    [(2, 4), (3, 3), *(pytest.param(k, n, marks=pytest.mark.slow) for k, n in [(2, 6), (3, 5)])],
)
def test_published_counts_of_hcp(n_elements, n):
    batch = derivative_structures('hcp', 2 * n, ELEMENTS[:n_elements])
    assert counts_by_size(batch, 2) == HCP[n_elements][:n]


@pytest.mark.slow
def test_the_published_ternary_screen():
    batch = candidates(elements=ELEMENTS, fcc=11, bcc=11, hcp=10)
    assert (len(batch), len(batch.positions)) == (380_613, 3_903_024)
    assert len(set(batch.ids)) == len(batch)


def test_ids_depend_on_the_set_of_elements_alone():
    few = derivative_structures('fcc', 3, ['Al', 'Ni'])
    many = derivative_structures('fcc', 4, ['Ni', 'Al'])
    assert few.ids.tolist() == many.ids[: len(few)].tolist()
    assert few.ids[:3].tolist() == ['fcc-1-1:Al', 'fcc-1-2:Ni', 'fcc-2-1:AlNi']
    np.testing.assert_array_equal(few.positions, many.positions[: len(few.positions)])


@pytest.mark.parametrize('k', [1, 2])
def test_the_elements_are_always_there(k):
    batch = candidates(elements=ELEMENTS[:k], fcc=2)
    for parent, n in (('fcc', 1), ('bcc', 1), ('hcp', 2)):
        found = [i for i in batch.ids if re.match(rf'{parent}-{n}-\d+:(Al|Ni)$', i)]
        assert len(found) == k
    assert len(batch) == 3 * k + (2 if k == 2 else 0)


def test_cells_are_right_handed_compact_and_filled():
    batch = candidates(elements=['Al', 'Ni'], fcc=6, bcc=4, hcp=4)
    assert np.linalg.det(batch.cells).min() > 0
    angles = np.array([batch.to_ase(i).cell.angles() for i in range(len(batch))])
    assert angles.min() > 59.9
    assert angles.max() < 120.1
    scaled = np.linalg.solve(
        batch.cells[batch.structure_of_atom].swapaxes(1, 2), batch.positions[..., None]
    )
    assert scaled.min() > -1e-8
    assert scaled.max() < 1


def test_one_element_has_no_orderings():
    assert len(candidates(elements=['Al'], fcc=40)) == 3


def test_volumes_add_up():
    batch = candidates(elements=['Ni', 'Al'], fcc=3, atomic_volumes={'Al': 16.5, 'Ni': 10.9})
    assert batch.species == ('Ni', 'Al')
    np.testing.assert_allclose(batch.volumes, batch.compositions @ [10.9, 16.5])
    measured = candidates(elements=['Al'])
    np.testing.assert_allclose(measured.volumes / measured.n_atoms, 4.05**3 / 4)


def test_hcp_has_the_ideal_ratio():
    batch = candidates(elements=['Al'])
    hcp = batch.to_ase(batch.index_of('hcp-2-1:Al'))
    a, b, c = sorted(hcp.cell.lengths())
    assert a == pytest.approx(b)
    assert c / a == pytest.approx((8 / 3) ** 0.5)


def simple_prototypes():
    """CsCl, NaCl, zincblende; copper and tungsten; an fcc derivative; a distorted crystal."""
    atoms = [
        bulk('CsCl', 'cesiumchloride', a=4.1),
        bulk('NaCl', 'rocksalt', a=5.6),
        bulk('ZnS', 'zincblende', a=5.4),
        bulk('Cu', 'fcc', a=3.6),
        bulk('C', 'diamond', a=3.57),
        bulk('CuAu', 'cesiumchloride', a=3.0),
    ]
    atoms[-1].set_cell([3.0, 3.0, 3.4], scale_atoms=True)
    return prototypes_of(StructureBatch.from_ase(atoms, ids=[f'p{i}' for i in range(6)]), 'here')


def test_decorations_are_complete_and_distinct():
    enumerated = {'fcc': 1, 'bcc': 1, 'hcp': 2}
    batch = decorated(simple_prototypes(), ['Al', 'Ni'], enumerated)
    assert batch.ids.tolist() == [
        'p0-ClCs:AlNi',  # bcc elements are enumerated; Al on Cs and Ni on Cl is the same crystal
        'p1-ClNa:AlAl',  # simple cubic
        'p1-ClNa:AlNi',
        'p1-ClNa:NiNi',
        'p2-SZn:AlAl',  # diamond, found again below
        'p2-SZn:AlNi',
        'p2-SZn:NiNi',
        'p5-AuCu:AlAl',  # tetragonal
        'p5-AuCu:AlNi',
        'p5-AuCu:NiNi',
    ]
    assert batch.n_atoms.tolist() == [2, 1, 2, 1, 2, 2, 2, 1, 2, 1]  # primitive cells
    np.testing.assert_allclose(batch.volumes, batch.n_atoms)


def test_derivative_structures_are_not_repeated():
    enumerated = {'fcc': 1, 'bcc': 2, 'hcp': 2}
    ids = decorated(simple_prototypes(), ['Al', 'Ni'], enumerated).ids
    assert not [name for name in ids if name.startswith('p0')]


def test_every_assignment_of_elements_is_there():
    """Three different sites, and no decoration is another one's copy."""
    heusler = bulk('Cu', 'fcc', a=6.0)
    heusler = heusler * (1, 1, 1)
    heusler += bulk('Al', 'fcc', a=6.0)
    heusler += bulk('Mn', 'fcc', a=6.0)
    heusler.set_scaled_positions([[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]])
    heusler = prototypes_of(StructureBatch.from_ase([heusler], ids=['half']), 'here')
    batch = decorated(heusler, list(ELEMENTS), {'fcc': 1, 'bcc': 1, 'hcp': 2})
    # 27 assignments; sites 0 and 2 change places by symmetry: (27 + 9) / 2
    assert len(batch) == 18
    formulas = np.array(batch.formulas)
    for formula in set(formulas):
        values = fingerprints(batch.take(formulas == formula))
        for a, b in itertools.combinations(values, 2):
            assert np.abs(a - b).max() > 0.01


@pytest.fixture(scope='module')
def library():
    return aflow_prototypes(float('inf'))


def test_the_aflow_library(library):
    assert len(library) == 288
    assert len({prototype.name for prototype in library}) == 288
    names = {prototype.name for prototype in library}
    assert {'aflow-AB3_cP4_221_a_c-AuCu3', 'aflow-A3B_cP8_223_c_a-Cr3Si'} <= names
    assert all(re.fullmatch(r'[A-Za-z0-9_.+-]+', name) for name in names)
    assert max(prototype.n_placeholders for prototype in library) == 5
    small = aflow_prototypes(4)
    assert 0 < len(small) < 288
    assert max(len(prototype.sites) for prototype in small) == 4


def test_known_crystals_of_aflow_are_found_among_the_candidates(library):
    wanted = ('AuCu3', 'Cr3Si', 'CsCl', 'ClCs', 'Al3Ni2')
    some = [one for one in library if one.name.rsplit('-', 1)[1] in wanted]
    batch = decorated(some, ['Al', 'Ni'], {'fcc': 4, 'bcc': 4, 'hcp': 4})
    # L1_2 and B2 are derivative structures
    assert not [i for i in batch.ids if 'AuCu3' in i or 'ClCs' in i]
    assert [i.rsplit(':', 1)[1] for i in batch.ids if 'Cr3Si' in i] == [
        *('Al3Al', 'Al3Ni', 'Ni3Al', 'Ni3Ni'),
    ]
    # the order of the placeholders is that of AFLOW's label
    row = next(i for i, name in enumerate(batch.ids) if name.endswith('Cr3Si:Al3Ni'))
    assert dict(zip(batch.species, batch.compositions[row], strict=True)) == {'Al': 6, 'Ni': 2}


def test_candidates_with_aflow():
    batch = candidates(elements=['Al', 'Ni'], fcc=4, aflow=4)
    assert len(set(batch.ids)) == len(batch)
    assert batch.n_atoms.max() == 4
    assert sum(name.startswith('aflow-') for name in batch.ids) > 50
    assert all(re.fullmatch(r'[A-Za-z0-9_.:+-]+', name) for name in batch.ids)
    origin = batch.origins[[name.startswith('aflow-AB_cF8_225') for name in batch.ids]][0]
    assert origin == 'AFLOW AB_cF8_225_a_b, ClNa, B1'
    np.testing.assert_array_equal(batch.status, 'new')


def test_elements_without_their_other_crystals():
    system = {'elements': ['Al', 'Ni'], 'fcc': 2, 'aflow': 3}
    batch, fewer = candidates(**system), candidates(**system, polymorphs=False)
    is_element = np.count_nonzero(batch.compositions, axis=1) == 1
    is_other = is_element & [name.startswith('aflow-') for name in batch.ids]
    assert is_other.sum() > 4
    assert fewer.ids.tolist() == batch.ids[~is_other].tolist()
    left = [name.split('-')[0] for name in batch.ids[is_element & ~is_other]]
    assert sorted(left) == ['bcc', 'bcc', 'fcc', 'fcc', 'hcp', 'hcp']


def test_structures_of_the_user(tmp_path):
    atoms = bulk('NiAl', 'cesiumchloride', a=3.1)
    write(tmp_path / 'my phase.cif', atoms)
    write(tmp_path / 'two.extxyz', [atoms, bulk('Al')])
    batch = candidates(tmp_path, elements=['Al', 'Ni'], structures=['my phase.cif', 'two.extxyz'])
    own = batch.take(batch.origins != '').ids[-3:].tolist()
    assert own == ['my_phase:AlNi', 'two-0:AlNi', 'two-1:Al']
    assert batch.volumes[-3] == pytest.approx(3.1**3)
    assert batch.origins[-1] == 'two.extxyz, two-1'


def test_prototypes_of_the_user(tmp_path):
    write(tmp_path / 'salt.cif', bulk('NaCl', 'rocksalt', a=5.6))
    batch = candidates(tmp_path, elements=['Al', 'Ni'], prototypes=['salt.cif'])
    assert batch.ids[-2].startswith('salt-ClNa:')
    assert batch.volumes[-1] < 2 * 16.7  # no salt


def test_what_cannot_be_a_crystal_is_marked_and_teaches_nothing(tmp_path):
    """One of them among the initial candidates would crowd out all others."""
    overlapping, collapsed = (bulk('NiAl', 'cesiumchloride', a=a) for a in (2.9, 0.3))
    overlapping.positions[1] = overlapping.positions[0]
    strange = bulk('NiAl', 'rocksalt', a=5.0)
    strange.positions[1, 2] = np.nan
    dense = bulk('NiAl', 'cesiumchloride', a=2.3)
    write(tmp_path / 'own.extxyz', [overlapping, dense, collapsed, strange])
    batch = candidates(tmp_path, elements=['Al', 'Ni'], structures=['own.extxyz'])
    assert batch.status[-4:].tolist() == ['min_dist', 'new', 'min_dist', 'not_finite']
    assert set(batch.status[:-4]) == {'new'}
    learnt_from = set(perturbed(batch, PerturbationSettings(), seed=0).origins)
    assert learnt_from == set(batch.ids[batch.status == 'new'])


def test_structures_of_other_elements_are_refused(tmp_path):
    write(tmp_path / 'salt.cif', bulk('NaCl', 'rocksalt', a=5.6))
    with pytest.raises(InputError, match=r'salt.cif: species Cl, Na not among Al, Ni; other'):
        candidates(tmp_path, elements=['Al', 'Ni'], structures=['salt.cif'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'elements': []}, 'elements: none; give chemical symbols'),
        ({'elements': ['Al', 'Xx', 'X']}, 'elements: Xx, X; give chemical symbols'),
        ({'elements': ['Al', 'Al']}, 'elements: Al, Al names one twice'),
        ({'elements': 'AlNi'}, "elements must be a list of names, not 'AlNi'"),
        ({'fcc': -1}, 'fcc must be a number of atoms, 0 for none, not -1'),
        ({'fcc': 2.5}, 'fcc must be a number of atoms, 0 for none, not 2.5'),
        ({'hcp': True}, 'hcp must be a number of atoms, 0 for none, not True'),
        ({'bcc': 40}, 'bcc: cells of 40 atoms of 2 elements are too many to enumerate; .* 22'),
        ({'aflow': 'yes'}, "aflow must be a number of atoms, 0 for none, not 'yes'"),
        ({'polymorphs': 0}, 'polymorphs must be true or false, not 0'),
        ({'sc': 4}, 'unknown prototypes setting sc; known: elements, fcc, bcc'),
        ({'atomic_volumes': {'Al': -3}}, 'atomic_volumes.Al must be a volume in Å³, not -3'),
        ({'atomic_volumes': [3]}, 'atomic_volumes must map chemical symbols'),
    ],
)
def test_a_bad_specification_is_one_clear_line(change, message):
    with pytest.raises(InputError, match=message) as caught:
        PrototypeSpec.from_mapping({'elements': ['Al', 'Ni'], **change})
    assert '\n' not in str(caught.value)


def test_elements_are_required():
    with pytest.raises(InputError, match='elements missing'):
        PrototypeSpec.from_mapping({'fcc': 4})
