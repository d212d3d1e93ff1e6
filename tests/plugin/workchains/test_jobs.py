"""Jobs of the engine that are cut short: nothing is lost, and nothing else is done again."""

import sys
from collections import Counter

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from aiida.orm import Dict, InstalledCode, Int, Log
from ase.build import bulk
from plugin.conftest import NAMES, POTENTIAL

from aiida_mtp.core.potential.mlip import read_potential
from aiida_mtp.core.relax.batch import relax as relax_batch
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.potential import MtpPotentialData
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.learn import MtpLearnWorkChain

MODEL = read_potential(POTENTIAL, NAMES)
TROUBLE = """#!{python}
import os, signal, sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from aiida_mtp.core.engine import main, relax
from aiida_mtp.core.files import read_structures
from aiida_mtp.core.relax import batch

calls = Path({folder!r}) / read_structures('structures.parquet').ids[0]
with calls.open('a') as file:
    file.write('x')
number = len(calls.read_text())
{trouble}
sys.exit(main.main(sys.argv[1:]))
"""
# each shard meets with another misfortune, and all of them are over at the third attempt
MISFORTUNES = """
if calls.name == 's0' and number <= 2:
    os.kill(os.getpid(), signal.SIGKILL)
if calls.name == 's2' and number == 1:
    sys.exit(main.failed('mtp-engine', OSError(28, 'No space left on device')))
if calls.name == 's4' and number == 1:
    main.main(sys.argv[1:])
    content = Path('output.parquet').read_bytes()
    Path('output.parquet').write_bytes(content[: len(content) // 2])
    sys.exit()
"""
REFUSED = "sys.exit(main.failed('mtp-engine', 'species Zz is missing'))"
# begins one structure a tick, and the time is up after {n}
SLOW = """
ticks = count()
batch.STRUCTURES_PER_CALL = 1
relax.time = SimpleNamespace(monotonic=lambda: next(ticks))
sys.argv += ['--stop-after', '{n}']
"""


def crystals():
    """Five of the potential's species; the second is poisoned."""
    atoms = [bulk('Ni', a=3.4 + 0.1 * i) for i in range(5)]
    atoms[1] = bulk('NiAl', 'cesiumchloride', a=2.9)
    atoms[1].positions[1] = atoms[1].positions[0]
    names = [f's{i}' for i in range(5)]
    return StructureSetData.from_batch(StructureBatch.from_ase(atoms, species=NAMES, ids=names))


@pytest.fixture
def relax(codes, tmp_path):
    """Relax the crystals on an engine in trouble; return the outputs and the node."""

    def relax(trouble, shard_size=5, **engine):
        script = tmp_path / 'mtp-engine'
        script.write_text(
            TROUBLE.format(python=sys.executable, folder=str(tmp_path), trouble=trouble)
        )
        script.chmod(0o755)
        code = InstalledCode(
            label='in-trouble',
            computer=codes['mtp-engine'].computer,
            filepath_executable=str(script),
            default_calc_job_plugin='mtp.relax',
        ).store()
        return run_get_node(
            MtpLearnWorkChain,
            structures=crystals(),
            potential=MtpPotentialData.from_mtp(MODEL),
            training_set=crystals(),
            engine={'code': code, **engine},
            dft={'code': codes['mtp-dft'], 'settings': Dict({'calculator': 'emt'})},
            shard_size=Int(shard_size),
            max_iterations=0,
        )

    return relax


def relaxations(node):
    return [job for job in node.called if job.process_label == 'MtpRelaxCalculation']


def attempts(node):
    """Return how often the shard of each first structure was submitted."""
    return dict(Counter(job.inputs.structures.get_batch().ids[0] for job in relaxations(node)))


def assert_undisturbed(found):
    """Check that the structures are those that one undisturbed relaxation gives."""
    given = crystals().get_batch()
    expected = relax_batch(MODEL, given, n_threads=1).structures
    batch = found['structures'].get_batch()
    assert batch.ids.tolist() == given.ids.tolist()
    assert batch.status.tolist() == ['converged', 'min_dist', *['converged'] * 3]
    assert np.array_equal(batch.energies, expected.energies, equal_nan=True)
    assert np.array_equal(batch.positions, expected.positions)
    assert np.array_equal(batch.cells, expected.cells)


def test_what_was_cut_short_is_done_again_and_nothing_else(relax):
    found, node = relax(MISFORTUNES, shard_size=2)
    assert node.is_finished_ok, node.exit_message
    assert attempts(node) == {'s0': 3, 's2': 2, 's4': 2}
    told = [log.message for log in Log.collection.get_logs_for(node)]
    assert len([text for text in told if 'submitted again, attempt 2 of 3' in text]) == 3
    assert len([text for text in told if 'submitted again, attempt 3 of 3' in text]) == 1
    assert_undisturbed(found)


def test_what_was_refused_is_not_tried_again(relax):
    _, node = relax(REFUSED)
    assert node.exit_status == MtpLearnWorkChain.exit_codes.ERROR_RELAXATION_FAILED.status
    assert node.exit_message.endswith('The input was refused: species Zz is missing')
    assert attempts(node) == {'s0': 1}


def test_the_rest_of_a_job_whose_time_was_up_goes_into_another(relax):
    found, node = relax(SLOW.format(n=1), shard_size=3, max_jobs=1)
    assert node.is_finished_ok, node.exit_message
    assert attempts(node) == dict.fromkeys(['s0', 's1', 's2', 's3', 's4'], 1)
    assert_undisturbed(found)
    (iteration,) = found['report'].get_dict()['iterations']
    assert iteration['relax_0']['status']['unfinished'] == 2
    jobs = node.base.links.get_outgoing(link_type=LinkType.CALL_CALC).all()
    labels = Counter(link.link_label for link in jobs if link.link_label.startswith('relax'))
    assert labels == {'relax_1_0': 3, 'relax_1_1': 2}
    ordered = sorted(relaxations(node), key=lambda job: job.pk)
    ended = [job.outputs.retrieved.ctime for job in ordered]
    assert all(job.ctime > end for job, end in zip(ordered[1:], ended, strict=False))  # max_jobs=1


def test_a_job_that_gets_nowhere_is_given_up(relax):
    _, node = relax(SLOW.format(n=0))
    assert node.exit_status == MtpLearnWorkChain.exit_codes.ERROR_RELAXATION_FAILED.status
    assert node.exit_message.endswith(
        'The time was up: 5 of 5 structures were not begun. (attempt 3 of 3)'
    )
    assert attempts(node) == {'s0': 3}


def test_no_jobs_at_all_is_refused(relax):
    with pytest.raises(ValueError, match='max_jobs is 0, it must be at least 1'):
        relax('', max_jobs=0)
