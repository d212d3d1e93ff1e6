from collections import Counter

import numpy as np
import pytest
from ase.data import chemical_symbols
from ase.formula import Formula

from aiida_mtp.core.screening.published import OQMD, published_energies


def test_compounds_of_a_system():
    found = published_energies(['Ni', 'Al'])
    assert found['AlNi'] == (-0.66, 'Materials Project: −0.66 to −0.70')
    assert found['AlNi3'][0] == -0.43
    assert len(found) == 6
    assert set(found) < set(published_energies(['Al', 'Ni', 'Ti']))
    assert published_energies(['Ni']) == {}


def test_formulas_are_written_as_batches_write_them():
    for formula in published_energies(chemical_symbols):
        symbols = list(Formula(formula).count())
        assert symbols == sorted(symbols)
        assert np.gcd.reduce(list(Formula(formula).count().values())) == 1


def test_values_of_oqmd(shared_data):
    """They are the lowest of each composition in the published set."""
    from pyarrow.parquet import read_table

    table = read_table(shared_data / 'prototypes' / 'oqmd_icsd_intermetallics.parquet')
    lowest = {}
    for numbers, energy in zip(
        table['numbers'].to_pylist(), table['delta_e'].to_pylist(), strict=True
    ):
        counts = Counter(sorted(chemical_symbols[number] for number in numbers))
        divisor = np.gcd.reduce(list(counts.values()))
        shares = {symbol: count // divisor for symbol, count in counts.items()}
        formula = ''.join(f'{symbol}{n if n > 1 else ""}' for symbol, n in shares.items())
        lowest[formula] = min(energy, lowest.get(formula, 0.0))
    for formula, (energy, source) in published_energies(chemical_symbols).items():
        if source == OQMD:
            assert energy == pytest.approx(lowest[formula], abs=6e-4), formula
