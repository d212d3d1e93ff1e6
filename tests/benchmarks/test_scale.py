"""The table of large screens; a small one on a cluster, whose daemon is killed on the way."""

import time

import numpy as np
import pytest
from aiida.orm import QueryBuilder

from aiida_mtp.core.screening.lattices import derivative_structures

SPECIES = ('Cu', 'Pt')
EMT = {'calculator': 'emt', 'fmax': 0.02, 'smax': 0.002}


def test_time_covered_by_jobs():
    from scale import covered

    assert covered([]) == 0
    assert covered([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 2.0)]) == pytest.approx(4.0)


def part(**changes):
    values = {
        'n_structures': 400, 'relaxed': 410, 'relaxed_atoms': 4000, 'wall': 100.0, 'busy': 90.0,
        'relaxing': 40.0, 'jobs': 4, 'nodes': 40,
    }  # fmt: skip
    return {**values, **changes}


def test_page():
    from scale_page import PARTS, page

    row = {
        'parts': dict.fromkeys(PARTS, part()), 'wall': 400.0, 'error': 0.02, 'relaxations': 30,
        'error_near': 0.011, 'memory': {'engine': 1e9, 'worker': 5e8, 'all': 2e9},
        'stable': ['Al', 'AlNi', 'Ni'],
        'bytes': {'nodes': 100, 'database': 2e7, 'repository': 1e8}, 'expected_missed': 0.04,
    }  # fmt: skip
    larger = {**row, 'parts': dict.fromkeys(PARTS, part(n_structures=4000))}
    text = page({'≤ 8': larger, '≤ 7': row})
    assert text.index('≤ 7') < text.index('≤ 8')
    assert (
        '| ≤ 7 | 400 | 6.7 | 10.0% | 100 | 20 | 100 | 1.00 | 0.50 | 2.00 | 20 | 11 | 30 | 3 '
        '| 0.04 |' in text
    )
    assert '| ≤ 7 | Screen-1 | 400 | 410 | 4000 | 100 | 90 | 10.0% | 10000 | 4 | 40 |' in text
    assert '10,000 jobs for a pass of Screen-1' in text


def rattled():
    """Alloys to learn from."""
    batch = derivative_structures('fcc', 4, SPECIES).with_species(SPECIES)
    random = np.random.default_rng(0)
    batch = batch.take(np.repeat(np.arange(len(batch)), 3))
    strain = np.eye(3) + 0.03 * random.normal(size=(len(batch), 3, 3))
    scale = np.cbrt(13.0 * batch.n_atoms / batch.volumes * random.uniform(0.9, 1.1, len(batch)))
    change = scale[:, None, None] * strain
    positions = np.einsum('ai,aij->aj', batch.positions, change[batch.structure_of_atom])
    return batch.replaced(
        cells=batch.cells @ change,
        positions=positions + 0.05 * random.normal(size=positions.shape),
        ids=np.array([f'{name}~{row}' for row, name in enumerate(batch.ids)], dtype=object),
    )


@pytest.mark.slow
@pytest.mark.needs_cluster
def test_a_small_screen_resumes_where_its_daemon_was_killed(cluster, aiida_profile, monkeypatch):  # noqa: ARG001 - to come back to
    import scale
    from aiida.orm import CalcJobNode

    case = scale.Case(
        SPECIES, {'fcc': 4, 'bcc': 4, 'hcp': 2, 'aflow': 0}, rattled(), EMT, shard_size=20,
        levels=(6, 8), train={'n_starts': 1}, final={'max_rounds': 3},
    )  # fmt: skip
    struck = []

    class Killer(scale.Watch):
        """Ends the daemon by SIGKILL once a few shards are done."""

        def look(self):
            super().look()
            query = QueryBuilder().append(
                CalcJobNode,
                filters={
                    'attributes.process_label': 'MtpRelaxCalculation',
                    'attributes.process_state': 'finished',
                },
            )
            if not struck and query.count() >= 2:
                struck.append(time.monotonic())
                self.site.kill_daemon()
                self.site.start_daemon()

    monkeypatch.setattr(scale, 'Watch', Killer)
    row = scale.measure(cluster, case)
    assert struck
    assert row['parts']['stage_1']['n_structures'] > 50
    assert row['runs'] == row['jobs']  # no shard was relaxed twice
    assert {'CuPt'} < set(row['stable'])
    assert row['memory']['engine'] > 1e7
    assert scale.page({'tiny': row})
