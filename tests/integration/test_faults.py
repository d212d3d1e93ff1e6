"""The short form of `make faults`: a screen that meets one fault after the other."""

import pytest
from cluster_screen import difference
from fault_list import FAULTS
from faults import TOLERANCE, meet

KEYS = (
    'kill -9 of a daemon worker, first labels',
    'kill -9 of slurmctld, relaxation',
    'kill -9 of the broker, labels',
    'a node disappears, final DFT',
)


@pytest.mark.slow
@pytest.mark.needs_daemon
@pytest.mark.needs_cluster
def test_nothing_is_lost_or_repeated(cluster, undisturbed_hull):
    known = {fault.key: fault for fault in FAULTS}
    found = meet(cluster, *(known[key] for key in KEYS))
    assert not found.missed, f'these did not happen: {found.missed}'
    assert difference(found.hull, undisturbed_hull) < TOLERANCE, found.remarks
    assert found.repeated == 0
