"""MLIP's text files."""

import numpy as np
import pytest
from reference.batches import random_batch

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files.cfg import parse_cfg, read_cfg, write_cfg
from aiida_mtp.core.structures import StructureBatch

TEXT = """BEGIN_CFG
 Size
    2
 Supercell
    2.0 0.0 0.0
    1.0 3.0 0.0
    0.0 0.0 4.0
 AtomData:  id type direct_x direct_y direct_z site_en fx fy fz
    1 0 0.0 0.0 0.0 -1.5 0.1 0.2 0.3
    2 3 0.5 0.5 0.5 -2.5 -0.1 -0.2 -0.3
 Energy
    -4.0
 Virial:  xx          yy          zz          yz          xz          xy
    2.4 4.8 7.2 9.6 12.0 14.4
 Feature   EFS_by\tsome code 1.0
 Feature   MV_grade\t2.5
END_CFG

BEGIN_CFG
 Size
    1
 SuperCell
    2.0 0.0 0.0
    0.0 2.0 0.0
    0.0 0.0 2.0
 AtomData: type cartes_x cartes_y cartes_z
    1 0.25 0.0 0.0
END_CFG
"""


def parse(text=TEXT, **kwargs):
    return parse_cfg(text.splitlines(keepends=True), 'set.cfg', **kwargs)


def test_columns_units_and_signs():
    batch = parse()
    assert batch.species == ('type0', 'type1', 'type2', 'type3')
    np.testing.assert_array_equal(batch.types, [0, 3, 1])
    np.testing.assert_allclose(batch.positions, [[0, 0, 0], [1.5, 1.5, 2.0], [0.25, 0, 0]])
    np.testing.assert_allclose(batch.forces[:2], [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])
    assert np.isnan(batch.forces[2]).all()
    np.testing.assert_array_equal(batch.energies, [-4.0, np.nan])
    np.testing.assert_allclose(batch.stresses[0], [-0.1, -0.2, -0.3, -0.4, -0.5, -0.6])  # V = 24
    assert np.isnan(batch.stresses[1]).all()
    assert list(batch.columns['EFS_by']) == ['some code 1.0', '']
    np.testing.assert_array_equal(batch.columns['grade'], [2.5, np.nan])


def test_names_of_the_types():
    assert parse(species=('Al', 'Ni', 'Cu', 'Ti', 'H')).formulas == ['AlTi', 'Ni']
    with pytest.raises(InputError, match=r'set.cfg: it has types up to 3, but only 2 species'):
        parse(species=('Al', 'Ni'))


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('Virial:', 'Stress:', r"line 13: 'Stress:' leaves the sign open.*PlusStress"),
        ('    0.0 0.0 4.0\n', '', r'line 7: Supercell has 2 of 3 lattice vectors'),
        ('    0.0 0.0 4.0\n', '    0.0 0.0 0.0\n', 'span no volume'),
        ('    0.0 0.0 4.0\n', '    0.0 0.0 nan\n', 'span no volume'),
        ('    2 3 0.5', '    3 3 0.5', 'ids of AtomData'),
        ('    2 3 0.5', '    2 -3 0.5', 'negative'),
        ('    2 3 0.5 0.5', '    2 3 0.5', 'not 2 rows'),
        ('direct_x', 'fract_x', 'has no positions'),
        ('    -4.0', '    four', "expected 1 number.*the energy, not 'four'"),
        (' Energy', ' Entropy', "'Entropy' is no part"),
        ('xx          yy', 'xx xx', 'the stress is given as'),
        ('END_CFG\n\nBEGIN', 'BEGIN', "'BEGIN_CFG' is no part"),
        ('    1 0.25 0.0 0.0\nEND_CFG', '    1 0.25 0.0 0.0', r'END_CFG .* line 19 is missing'),
        ('BEGIN_CFG\n Size\n    1', 'hello\n Size\n    1', "expected BEGIN_CFG, not 'hello'"),
        (' Size\n    1\n', ' Size\n    0\n', 'positive Size'),
        (TEXT[TEXT.index(' Supercell') : TEXT.index(' AtomData')], '', 'line 1 has no Supercell'),
        (TEXT[TEXT.rindex(' AtomData') : -8], '', 'line 19 has no AtomData'),
    ],
)
def test_malformed(old, new, message):
    assert old in TEXT
    with pytest.raises(InputError, match=message) as caught:
        parse(TEXT.replace(old, new))
    assert str(caught.value).startswith('set.cfg')


def test_round_trip(tmp_path):
    batch = random_batch(9)
    write_cfg(tmp_path / 'a.cfg', batch)
    found = read_cfg(tmp_path / 'a.cfg', batch.species)
    for name in ('types', 'positions', 'cells', 'ids', 'origins', 'status', 'energies', 'forces'):
        np.testing.assert_array_equal(getattr(found, name), getattr(batch, name))
    np.testing.assert_allclose(found.stresses, batch.stresses, rtol=1e-14)
    np.testing.assert_array_equal(found.columns['grade'], batch.columns['grade'])
    assert list(found.columns['message']) == list(batch.columns['message'])


def test_no_structures(tmp_path):
    write_cfg(tmp_path / 'a.cfg', StructureBatch.empty(('Al',)))
    assert len(read_cfg(tmp_path / 'a.cfg')) == 0


def test_features_with_names_of_fields_become_columns():
    batch = parse(TEXT.replace('EFS_by', 'energy'))
    assert batch.columns['energy_'][0] == 'some code 1.0'
    assert batch.energies[0] == -4.0


@pytest.mark.parametrize('name', ['train500', 'relaxed50g', 'ni108x2', 'unrelg'])
def test_files_of_mlip(shared_data, name):
    path = shared_data / 'mlip3' / f'{name}.cfg'
    batch = read_cfg(path)
    text = path.read_text()
    assert len(batch) == text.count('BEGIN_CFG')
    assert np.isfinite(batch.energies).sum() == text.count(' Energy')
    assert np.isfinite(batch.column('grade')).sum() == text.count('MV_grade')


def test_numbers_of_mlip(shared_data):
    """MLIP's own energies and PlusStress of a file of positions."""
    from ase.calculators.emt import EMT

    batch = read_cfg(shared_data / 'mlip3' / 'train500.cfg', ('Ni', 'Al', 'Cu'))
    atoms = batch.to_ase(0)
    known = atoms.calc.results
    atoms.calc = EMT()
    assert atoms.get_potential_energy() == pytest.approx(known['energy'], abs=1e-6)
    np.testing.assert_allclose(atoms.get_forces(), known['forces'], atol=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), known['stress'], atol=1e-7)
