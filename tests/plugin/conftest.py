"""Nodes that the tests of the plugin share."""

from pathlib import Path

import pytest
from ase.build import bulk

from aiida_mtp.core.structures import StructureBatch

POTENTIAL = Path(__file__).parents[1] / 'data' / 'relax' / 'emt.almtp'
NAMES = ['Ni', 'Al', 'Cu']  # of its species


@pytest.fixture
def batch():
    """Three labelled crystals."""
    nickel, alloy = bulk('Ni'), bulk('NiAl', 'cesiumchloride', a=2.9)
    return StructureBatch.from_ase(
        [nickel, alloy, alloy * (1, 1, 2)],
        species=('Al', 'Ni'),
        energies=[-5.5, -10.5, -21.0],
        ids=['ni', 'b2', 'b2-twice'],
        origins=['fcc', 'bcc', 'bcc'],
        status=['done', 'done', 'failed'],
    ).with_columns(label_settings=['abc', 'abc', ''], message=['', '', 'no convergence'])
