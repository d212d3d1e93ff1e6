"""mtp-engine init."""

import pytest

from aiida_mtp.core.engine.main import main
from aiida_mtp.core.potential.mlip import read_potential


def init(path, **options):
    options = {'level': 8, 'species': ['Al', 'Ni'], 'cutoff': 5.0, **options}
    arguments = ['init', '-o', str(path)]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        arguments += [f'--{name.replace("_", "-")}', *map(str, values)]
    return main(arguments)


def test_potential_is_as_asked(tmp_path):
    assert init(tmp_path / 'a.mtp', min_dist=1.8, radial_basis_size=6) == 0
    model = read_potential(tmp_path / 'a.mtp')
    assert model.species == ('Al', 'Ni')
    assert (model.min_dist, model.max_dist) == (1.8, 5.0)
    assert model.radial_coeffs.shape == (2, 2, 2, 6)
    assert len(model.moment_coeffs) == 9


def test_seed(tmp_path):
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        assert init(tmp_path / f'{name}.mtp', seed=seed) == 0
    texts = [(tmp_path / f'{name}.mtp').read_text() for name in 'abc']
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ('options', 'word'),
    [
        ({'level': 7}, '7'),
        ({'level': 30}, '30'),
        ({'cutoff': -1.0}, '-1'),
        ({'cutoff': 1.0}, '1.0'),
        ({'species': ['Al', 'Al']}, 'Al'),
        ({'radial_basis_size': 0}, '0'),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, capsys, options, word):
    assert init(tmp_path / 'a.mtp', **options) == 2
    message = capsys.readouterr().err
    assert word in message
    assert message.count('\n') == 1
    assert not list(tmp_path.iterdir())
