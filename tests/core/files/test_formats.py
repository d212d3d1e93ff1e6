"""Formats of others: extended XYZ, CIF, POSCAR; and the choice by suffix."""

import subprocess
import sys

import numpy as np
import pytest
from ase.build import bulk
from reference.batches import assert_same, random_batch

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch

CIF = """data_site
_cell_length_a 3
_cell_length_b 3
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Al1 Al 0 0 0 1
Ni1 Ni 0.5 0.5 0.25 {occupancy}
{more}
"""


@pytest.mark.parametrize('name', ['a.parquet', 'a.PARQUET', 'a.cfg', 'a.xyz', 'a.extxyz', 'a.cif'])
def test_every_suffix(tmp_path, name):
    batch = random_batch().without_labels()
    write_structures(tmp_path / name, batch)
    found = read_structures(tmp_path / name, batch.species)
    assert found.formulas == batch.formulas
    assert found.species == batch.species
    np.testing.assert_allclose(found.volumes, batch.volumes, rtol=1e-6)


@pytest.mark.parametrize('name', ['POSCAR', 'CONTCAR_2', 'x.vasp'])
def test_poscar(tmp_path, name):
    one = random_batch().take([4])
    write_structures(tmp_path / name, one)
    found = read_structures(tmp_path / name, one.species)
    np.testing.assert_allclose(found.cells, one.cells, atol=1e-12)
    np.testing.assert_allclose(found.positions, one.positions, atol=1e-10)
    np.testing.assert_array_equal(found.types, one.types)


def test_poscar_holds_one(tmp_path):
    with pytest.raises(InputError, match='holds one structure, not 7'):
        write_structures(tmp_path / 'POSCAR', random_batch())


def test_unknown_suffix(tmp_path):
    for act in (read_structures, lambda path: write_structures(path, random_batch())):
        with pytest.raises(InputError, match=r'a.yaml: the name tells no format.*\.parquet'):
            act(tmp_path / 'a.yaml')


def test_extxyz_keeps_labels_and_columns(tmp_path):
    batch = random_batch()
    batch = batch.replaced(positions=np.round(batch.positions, 8), forces=np.round(batch.forces, 8))
    write_structures(tmp_path / 'a.xyz', batch)
    found = read_structures(tmp_path / 'a.xyz', batch.species)
    for name in ('types', 'positions', 'ids', 'origins', 'status', 'energies', 'forces'):
        np.testing.assert_array_equal(getattr(found, name), getattr(batch, name))
    np.testing.assert_allclose(found.cells, batch.cells, rtol=1e-14)
    np.testing.assert_allclose(found.stresses, batch.stresses, rtol=1e-14)
    np.testing.assert_array_equal(found.columns['grade'], batch.columns['grade'])
    assert list(found.columns['message']) == list(batch.columns['message'])


def test_extxyz_virial_is_minus_the_stress_times_the_volume(tmp_path):
    path = tmp_path / 'a.xyz'
    lattice = 'Lattice="2 0 0 0 3 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"'
    path.write_text(f'1\n{lattice} virial="24 0 2.4 0 48 0 2.4 0 72"\nAl 0 0 0\n')
    np.testing.assert_allclose(read_structures(path).stresses, [[-1, -2, -3, 0, -0.1, 0]])


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.xyz', 'hello\n', 'not extended XYZ'),
        ('a.xyz', '2\n\nAl 0 0 0\n', 'not extended XYZ'),
        ('a.xyz', '1\n\nAl 0 0 0\n', r'structure 0 \(Al\) is not periodic'),
        ('a.cif', 'hello\n', 'no crystal found in this CIF'),
        ('POSCAR', 'hello\n', 'not a POSCAR'),
        ('POSCAR', '', 'not a POSCAR'),
    ],
)
def test_malformed(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f'{name}: {message}') as caught:
        read_structures(tmp_path / name)
    assert '\n' not in str(caught.value)


def test_cif(tmp_path):
    (tmp_path / 'site.cif').write_text(CIF.format(occupancy=1, more=''))
    batch = read_structures(tmp_path / 'site.cif')
    assert batch.species == ('Al', 'Ni')
    assert list(batch.ids) == ['site']
    order = np.argsort(batch.types)  # pymatgen sorts
    np.testing.assert_allclose(batch.positions[order], [[0, 0, 0], [1.5, 1.5, 1.0]], atol=1e-12)


@pytest.mark.parametrize(
    ('occupancy', 'more', 'site'),
    [(0.7, '', 'Ni:0.7'), (1, 'Cu1 Cu 0.5 0.5 0.25 1', 'Cu'), (0.5, 'Cu1 Cu .5 .5 .25 .5', 'Cu')],
)
def test_cif_with_disorder_names_the_site(tmp_path, occupancy, more, site):
    (tmp_path / 'a.cif').write_text(CIF.format(occupancy=occupancy, more=more))
    with pytest.raises(InputError, match=rf'a.cif: the site at \(0.5, 0.5, 0.25\) .*{site}'):
        read_structures(tmp_path / 'a.cif')


def test_cif_with_symmetry_and_several_blocks(tmp_path):
    cubic = CIF.replace("'P 1'", "'P m -3 m'").replace('length_c 4', 'length_c 3')
    b2 = cubic.replace('0.5 0.5 0.25', '0.5 0.5 0.5').format(occupancy=1, more='')
    l12 = cubic.replace('0.5 0.5 0.25', '0.5 0.5 0').format(occupancy=1, more='')
    (tmp_path / 'two.cif').write_text(b2 + l12.replace('data_site', 'data_other'))
    batch = read_structures(tmp_path / 'two.cif')
    assert batch.formulas == ['AlNi', 'AlNi3']
    assert list(batch.ids) == ['two-0', 'two-1']


def test_nameless_types_need_names(tmp_path):
    nameless = random_batch(species=('type0', 'type1'))
    for name in ('a.xyz', 'a.cif'):
        with pytest.raises(InputError, match=f'{name}: type0.*not a chemical symbol'):
            write_structures(tmp_path / name, nameless)
    assert not list(tmp_path.iterdir())


def test_same_bytes_twice(tmp_path):
    batch = random_batch()
    for suffix in ('parquet', 'cfg', 'xyz', 'cif'):
        for name in ('a', 'b'):
            write_structures(tmp_path / f'{name}.{suffix}', batch)
        assert (tmp_path / f'a.{suffix}').read_bytes() == (tmp_path / f'b.{suffix}').read_bytes()


def test_species_that_a_file_has_beyond_those_asked_for(tmp_path):
    write_structures(tmp_path / 'a.parquet', StructureBatch.from_ase([bulk('Al')]))
    with pytest.raises(InputError, match=r'a.parquet: species Al not among Ni'):
        read_structures(tmp_path / 'a.parquet', ('Ni',))


def test_reading_parquet_loads_neither_numba_nor_pymatgen(tmp_path):
    """The daemon reads sets of structures."""
    batch = random_batch()
    write_structures(tmp_path / 'a.parquet', batch)
    code = (
        'import sys; from aiida_mtp.core.files import read_structures; '
        f'read_structures({str(tmp_path / "a.parquet")!r}); '
        'assert not {"numba", "pymatgen", "ase"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
    assert_same(read_structures(tmp_path / 'a.parquet'), batch)
