"""The table of faults; what happens to a screen is in `tests/integration/test_faults.py`."""

import pytest
from cluster_screen import difference
from fault_list import FAULTS, STAGES, Fault
from faults import Outcome, page, row

HULL = {'Cu': 0.0, 'CuPt': -0.118, 'Pt': 0.0}


def outcome(hull, **changes):
    values = {'seconds': 90.0, 'recovered': 12.3, 'relaunches': 0, 'repeated': 0, 'computed': 49}
    return Outcome(hull, **{**values, **changes})


def test_every_fault_has_its_own_row():
    assert len({fault.key for fault in FAULTS}) == len(FAULTS)
    assert {fault.stage for fault in FAULTS} == {*STAGES, ''}


def test_difference_of_hulls():
    assert difference(HULL, {**HULL, 'CuPt': -0.1175}) == pytest.approx(5e-4)
    assert difference({'Cu': 0.0, 'Pt': 0.0}, HULL) is None


def test_page():
    fault = Fault('kill -9 of the broker', 'labels')
    rows = {
        'a': row(outcome({**HULL, 'CuPt': -0.1185}), HULL, fault),
        'b': row(outcome({**HULL, 'CuPt': -0.12}, repeated=3, relaunches=1), HULL, fault),
        'c': row(outcome({}, recovered=None), HULL, Fault('poisoned structures')),
    }
    lines = page(rows).splitlines()[-3:]
    assert lines == [
        '| kill -9 of the broker | labels | 12 s | no | 0 of 49 | yes |',
        '| kill -9 of the broker | labels | 12 s | 1 | 3 of 49 | no |',
        '| poisoned structures | throughout | – | no | 0 of 49 | no |',
    ]
