import argparse
import json

import pytest

from aiida_mtp.core.engine import prototypes
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures


def run(*arguments):
    parser = argparse.ArgumentParser()
    prototypes.add_arguments(parser)
    prototypes.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / 'spec.json'
    path.write_text(json.dumps({'elements': ['Al', 'Ni'], 'fcc': 3}), encoding='utf-8')
    return path


def test_the_same_spec_gives_the_same_bytes(spec, tmp_path):
    for name in ('first.parquet', 'second.parquet'):
        run(spec, '-o', tmp_path / name)
    first, second = ((tmp_path / f'{n}.parquet').read_bytes() for n in ('first', 'second'))
    assert first == second
    batch = read_structures(tmp_path / 'first.parquet')
    assert batch.species == ('Al', 'Ni')
    assert len(batch) == 2 + 2 + 6 + 2 + 2  # fcc up to three atoms, elements in bcc and hcp


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{', r'spec.json: not a JSON file'),
        ('[]', r'spec.json: a mapping is needed, not list'),
        ('{"elements": ["Xx"]}', r'spec.json: elements: Xx; give chemical symbols'),
    ],
)
def test_mistakes_are_one_line(spec, tmp_path, text, message):
    spec.write_text(text, encoding='utf-8')
    with pytest.raises(InputError, match=message) as caught:
        run(spec, '-o', tmp_path / 'out.parquet')
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'out.parquet').exists()


def test_partial_occupation_is_refused(spec, tmp_path):
    (tmp_path / 'alloy.cif').write_text(PARTIAL, encoding='utf-8')
    spec.write_text('{"elements": ["Cu", "Au"], "structures": ["alloy.cif"]}', encoding='utf-8')
    with pytest.raises(InputError, match=r'alloy.cif: .*ordered structures') as caught:
        run(spec, '-o', tmp_path / 'out.parquet')
    assert '\n' not in str(caught.value)


PARTIAL = """data_CuAu
_cell_length_a 3.8
_cell_length_b 3.8
_cell_length_c 3.8
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.5
Au1 Au 0 0 0 0.5
"""
