"""Published potentials on published data: our numbers are theirs."""

import json

import pytest

ENERGIES_AND_FORCES = {  # Zuo et al. 2020, test sets: meV/atom, eV/Å
    'Ni': (0.75, 0.027),
    'Cu': (0.52, 0.014),
    'Li': (0.66, 0.013),
    'Mo': (3.98, 0.151),
    'Si': (3.03, 0.088),
    'Ge': (3.68, 0.070),
}


@pytest.fixture
def accuracy(shared_data):  # noqa: ARG001 - skipped without it
    import accuracy

    return accuracy


@pytest.mark.parametrize('element', ENERGIES_AND_FORCES)
def test_potentials_of_zuo(accuracy, element):
    found = accuracy.published_element(element).test
    energy, force = ENERGIES_AND_FORCES[element]
    assert found.energy == pytest.approx(energy, abs=0.005)
    assert found.force == pytest.approx(force, abs=0.0005)


def test_potential_of_rosenbrock(accuracy):
    row = accuracy.published_silver_palladium()
    assert row.train.energy == pytest.approx(6.07, abs=0.01)
    assert row.train.force == pytest.approx(0.0128, abs=0.0001)
    assert row.test.force == pytest.approx(0.0194, abs=0.0001)


def test_potential_of_the_praps_tutorial(accuracy):
    assert accuracy.published_hafnium_molybdenum().train.energy == pytest.approx(86.7, abs=0.1)


def test_ours_on_silver_palladium(accuracy):
    """The one training of the table that takes seconds."""
    row = accuracy.trained_silver_palladium()
    assert row.train.energy < 6.07
    assert row.train.force < 0.0128
    assert row.test.energy < 4.21  # theirs, about the mean


def test_page(accuracy, own_results, monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['accuracy.py', 'published-Ni', '--threads', '1'])
    accuracy.main()
    assert '| Ni, Zuo 2020 |' in capsys.readouterr().out
    kept = json.loads((own_results / 'accuracy.json').read_text())
    assert set(kept['published-Ni']) >= {'machine', 'commit', 'test'}
    page = (own_results / 'accuracy.md').read_text()
    assert '| Ni, Zuo 2020 | theirs, evaluated here | – | 0.75, 0.027 (31) |' in page


def test_a_row_that_is_none_is_named(accuracy, monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['accuracy.py', 'Unobtainium'])
    with pytest.raises(SystemExit):
        accuracy.main()
    assert "'Unobtainium': none of published-Ni" in capsys.readouterr().err
