"""MLIP's files of potentials."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.models import random_model

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.potential.evaluate import evaluate
from aiida_mtp.core.potential.mlip import (
    format_potential,
    parse_potential,
    read_potential,
    write_potential,
)
from aiida_mtp.core.potential.model import MtpModel

EXCERPT = Path(__file__).parents[2] / 'data' / 'mlip3'
TEXT = (EXCERPT / 'p08_3.mtp').read_text()


def assert_same(a, b):
    assert a.species == b.species
    assert (a.min_dist, a.max_dist, a.scaling) == (b.min_dist, b.max_dist, b.scaling)
    for name in ('radial_coeffs', 'species_coeffs', 'moment_coeffs'):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for field in fields(a.tables):
        np.testing.assert_array_equal(getattr(a.tables, field.name), getattr(b.tables, field.name))


def rounded(model):
    """A potential whose numbers have the 16 digits that are written."""
    return replace(
        model.with_coefficients(np.array([float(f'{x:.15e}') for x in model.coefficients])),
        scaling=float(f'{model.scaling:.15e}'),
    )


@pytest.mark.parametrize('name', ['p08_3', 'p10_3'])
def test_round_trip_of_a_file_of_mlip(tmp_path, name):
    model = read_potential(EXCERPT / f'{name}.mtp')
    assert model.level == int(name[1:3])
    assert model.species == ('type0', 'type1', 'type2')
    write_potential(tmp_path / 'copy.mtp', model)
    assert_same(read_potential(tmp_path / 'copy.mtp'), model)


@settings(max_examples=20, deadline=None)
@given(
    level=st.sampled_from([2, 8, 12]),
    species=st.lists(
        st.sampled_from(['Al', 'Ni', 'Ti', 'Cu']), min_size=1, max_size=4, unique=True
    ),
    seed=st.integers(0, 1000),
)
def test_round_trip_of_ours(level, species, seed):
    model = rounded(random_model(level, species, seed=seed))
    text = format_potential(model)
    again = parse_potential(text)
    assert_same(again, model)
    assert format_potential(again) == text


def test_evaluation_survives_the_round_trip(tmp_path):
    model = read_potential(EXCERPT / 'p10_3.mtp')
    write_potential(tmp_path / 'copy.mtp', model.renamed(['Ni', 'Al', 'Cu']))
    copy = read_potential(tmp_path / 'copy.mtp')
    assert copy.species == ('Ni', 'Al', 'Cu')
    batch = read_structures(EXCERPT / 'small3.cfg')
    expected = evaluate(model, batch).energies
    named = evaluate(copy, batch.renamed(['Ni', 'Al', 'Cu'])).energies
    np.testing.assert_array_equal(named, expected)


def test_every_published_potential_is_read(shared_data):
    paths = [
        *sorted((shared_data / 'mlip3').glob('*.mtp')),
        *sorted((shared_data / 'mlip3').glob('*.almtp')),
        *sorted((shared_data / 'mtp_zuo2020').glob('*.mtp')),
        shared_data / 'agpd' / 'final.mtp',
        shared_data / 'mlip2' / 'm2_state.als',
    ]
    for path in paths:
        model = read_potential(path)
        assert_same(parse_potential(format_potential(model)), rounded(model))


def test_labels_give_the_order_of_the_species():
    """Pairs of types 2 and 0, in this order, are the species type2 and type0."""
    text = format_potential(random_model(2, ['A', 'B']))
    relabelled = text.replace('potential_tag = species:A,B', 'potential_tag = ')
    for old, new in (('0-0', '2-2'), ('0-1', '2-0'), ('1-0', '0-2'), ('1-1', '0-0')):
        relabelled = relabelled.replace(f'\t\t{old}\n', f'\t\t*{new}\n')
    model = parse_potential(relabelled.replace('*', ''))
    assert model.species == ('type2', 'type0')
    np.testing.assert_array_equal(model.radial_coeffs, parse_potential(text).radial_coeffs)
    assert parse_potential(format_potential(model)).species == ('type2', 'type0')


def test_two_scalings_multiply_and_old_keys_are_known():
    changed = TEXT.replace('min_dist', 'min_val').replace('max_dist', 'max_val')
    changed = changed.replace('radial_basis_size', 'basis_function_count')
    changed = changed.replace('\tmin_val', '\tscaling = 3.0\n\tmin_val')
    model = parse_potential(changed)
    assert model.scaling == pytest.approx(3 * parse_potential(TEXT).scaling, rel=1e-15)
    assert model.max_dist == parse_potential(TEXT).max_dist


def test_windows_line_ends():
    assert_same(parse_potential(TEXT.replace('\n', '\r\n')), parse_potential(TEXT))


def test_names_can_be_given():
    assert read_potential(EXCERPT / 'p08_3.mtp', species=['Ni', 'Al', 'Cu']).species[2] == 'Cu'
    with pytest.raises(InputError, match='has 3 species'):
        read_potential(EXCERPT / 'p08_3.mtp', species=['Ni'])


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r'absent.mtp: no such file'):
        read_potential(tmp_path / 'absent.mtp')


def test_cut_files_are_refused(tmp_path):
    """Wherever it is cut: every 37th byte and each of the last 60, but for the line end."""
    path, content = tmp_path / 'cut.mtp', TEXT.rstrip().encode()
    for length in [*range(0, len(content), 37), *range(len(content) - 60, len(content))]:
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r'cut\.mtp') as caught:
            read_potential(path)
        assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('MTP\n', 'XYZ\n', 'does not begin'),
        ('version = 1.1.0', 'version = 9', 'version 9'),
        ('RBChebyshev', 'RBShapeev', 'RBShapeev'),
        ('species_count = 3', 'species_count = 2', '9 pairs for 2 species'),
        ('species_count = 3', 'species_count = three', 'three'),
        ('0-0', '0-7', '`radial_coeffs`'),
        ('max_dist = ', 'max_dist = -', 'must lie between'),
        ('max_dist = ', 'max_dist = abc ', 'could not convert'),
        ('scaling = ', 'scaling = 1e999 #', 'scaling'),
        ('radial_basis_size = 8', 'radial_basis_size = 7', 'coefficients, not'),
        ('alpha_index_basic = {{0', 'alpha_index_basic = {{-1', 'outside'),
        ('alpha_index_basic = {{0', 'alpha_index_basic = {{0.5', 'not whole'),
        ('alpha_index_basic = {{0', 'alpha_index_basic = {{x', 'x'),
        ('alpha_index_times = {{0, 0, 1, 11', 'alpha_index_times = {{0, 0, 1, 99', 'not exist'),
        ('moment_coeffs = {', 'moment_coeffs = {nan, ', 'not finite'),
        ('moment_coeffs = {', 'moment_coeffs = {1.0, ', 'has 10 numbers, not 9'),
        ('species_coeffs = {', 'species_co = {', '`species_coeffs` is missing'),
    ],
)
def test_damaged_files_are_refused(tmp_path, old, new, message):
    assert old in TEXT
    (tmp_path / 'damaged.mtp').write_text(TEXT.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_potential(tmp_path / 'damaged.mtp')


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_refused_or_harmless(tmp_path_factory, data):
    """Bytes changed at random: an `InputError` that names the file, or a valid potential."""
    content = bytearray(TEXT.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from(b'0123456789-.e{},\n =x\xff\x00'))
    path = tmp_path_factory.getbasetemp() / 'fuzzed.mtp'
    path.write_bytes(bytes(content))
    try:
        model = read_potential(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert isinstance(model, MtpModel)
        assert np.isfinite(model.coefficients).all()
        assert model.tables.alpha_index_basic.min() >= 0


def test_nothing_is_left_of_a_failed_write(tmp_path):
    folder = tmp_path / 'absent'
    with pytest.raises(OSError, match='absent'):
        write_potential(folder / 'p.mtp', random_model(2))
    assert not folder.exists()
