"""mtp-dft: runs that end well, badly and half-way."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.calculators.emt import EMT

from aiida_mtp import __version__
from aiida_mtp.core.dft.main import main
from aiida_mtp.core.dft.results import collect_results
from aiida_mtp.core.files import read_structures, write_structures
from aiida_mtp.core.structures import StructureBatch


@pytest.fixture
def files(tmp_path, alloys, emt_json):
    """Names of input and output."""
    write_structures(tmp_path / 'in.parquet', alloys)
    return [str(tmp_path / 'in.parquet'), str(emt_json), '-o', str(tmp_path / 'out.parquet')]


def computed(out):
    """Ids of the structures that were computed, from what was printed."""
    return [line.split()[1] for line in out.splitlines() if re.match(r'\d+/\d+ ', line)]


def test_static(files, alloys, capsys):
    assert main(['static', *files, '--processes', '2']) == 0
    found = read_structures(files[-1])
    for index in range(len(alloys)):
        atoms = alloys.to_ase(index)
        atoms.calc = EMT()
        rows = alloys.atoms_of(index)
        assert found.energies[index] == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
        np.testing.assert_allclose(found.forces[rows], atoms.get_forces(), atol=1e-10)
        np.testing.assert_allclose(found.stresses[index], atoms.get_stress(), atol=1e-12)
    np.testing.assert_array_equal(found.positions, alloys.positions)
    assert list(found.ids) == list(alloys.ids)
    assert set(found.status) == {'done'}
    assert len(set(found.columns['label_settings'])) == 1
    out = capsys.readouterr().out
    assert sorted(computed(out)) == sorted(alloys.ids)
    assert out.endswith('12 structures: 12 done\n')


def test_long_ones_come_first(files, alloys, capsys):
    assert main(['static', *files]) == 0
    sizes = [alloys.n_atoms[alloys.index_of(key)] for key in computed(capsys.readouterr().out)]
    assert sizes == sorted(sizes, reverse=True)


def test_relax(files, alloys):
    alloys = alloys.take(range(4))
    write_structures(files[0], alloys)
    assert main(['relax', *files]) == 0
    found = read_structures(files[-1])
    assert set(found.status) == {'done'}
    assert np.linalg.norm(found.forces, axis=1).max() <= 0.01
    assert np.abs(found.stresses).max() <= 1e-3
    assert (found.columns['n_steps'][alloys.n_atoms > 1] > 0).all()
    assert found.formulas == alloys.formulas


def test_second_run_repeats_nothing(files, capsys, tmp_path):
    assert main(['static', *files, '--results', str(tmp_path / 'r')]) == 0
    first = read_structures(files[-1])
    capsys.readouterr()
    assert main(['static', *files, '--results', str(tmp_path / 'r')]) == 0
    assert computed(capsys.readouterr().out) == []
    np.testing.assert_array_equal(read_structures(files[-1]).energies, first.energies)
    # the same bytes, seconds included: they are those of the calculation
    assert (
        read_structures(files[-1]).columns['seconds'].tolist() == first.columns['seconds'].tolist()
    )


def test_changed_input_or_settings_are_computed_anew(files, alloys, emt_json, capsys):
    assert main(['static', *files]) == 0
    capsys.readouterr()
    positions = alloys.positions.copy()
    positions[alloys.atoms_of(4)] += np.array([0.0, 0.0, 0.01])
    write_structures(files[0], alloys.replaced(positions=positions))
    assert main(['static', *files]) == 0
    assert computed(capsys.readouterr().out) == ['alloy-4']
    emt_json.write_text(json.dumps({'calculator': 'emt', 'parameters': {'asap_cutoff': True}}))
    assert main(['static', *files]) == 0
    assert len(computed(capsys.readouterr().out)) == 12


def test_equal_structures_are_computed_once(files, alloys, capsys):
    twice = StructureBatch.concatenate([alloys, alloys.replaced(ids=alloys.ids + '-again')])
    write_structures(files[0], twice)
    assert main(['static', *files]) == 0
    assert len(computed(capsys.readouterr().out)) == 12
    found = read_structures(files[-1])
    np.testing.assert_array_equal(found.energies[:12], found.energies[12:])


FAULTS = {
    'exception': ('raise RuntimeError("no\\nway")', 'RuntimeError: no way'),
    'not converged': (
        'raise type("KohnShamConvergenceError", (Exception,), {})("tired")',
        'KohnShamConvergenceError: tired',
    ),
    'segfault': ('os.kill(os.getpid(), 11)', 'the process was killed by SIGSEGV'),
    'out of memory': ('os.kill(os.getpid(), 9)', 'killed by SIGKILL (out of memory?)'),
    'exit': ('print("last words", file=sys.stderr), os._exit(3)', 'exit code 3: last words'),
    'noise on stdout': ('print("{}"), os.write(1, b"noise"), 1/0', 'ZeroDivisionError'),
}


@pytest.mark.parametrize(
    ('fault', 'processes'),
    [*((fault, '1') for fault in FAULTS), ('segfault', '2'), ('exception', '2')],
)
def test_one_failing_structure_is_isolated(files, alloys, misbehave, fault, processes):
    code, message = FAULTS[fault]
    mark = float(alloys.positions[alloys.atoms_of(8)].sum())
    misbehave(f'if abs(atoms.positions.sum() - {mark}) < 1e-9: {code}')
    assert main(['static', *files, '--processes', processes]) == 0
    found = read_structures(files[-1])
    assert list(np.flatnonzero(found.status != 'done')) == [8]
    assert found.status[8] == ('not_converged' if fault == 'not converged' else 'failed')
    assert message in found.columns['message'][8]
    assert np.isnan(found.energies[8])
    assert np.isfinite(np.delete(found.energies, 8)).all()


def test_failures_are_tried_again(files, misbehave, capsys):
    misbehave('if len(atoms) == 3: raise RuntimeError("no disk")')
    assert main(['static', *files]) == 0
    assert '10 done, 2 failed' in capsys.readouterr().out
    misbehave('pass')
    assert main(['static', *files]) == 0
    out = capsys.readouterr().out
    assert sorted(computed(out)) == ['alloy-2', 'alloy-8']
    assert '12 done' in out


@pytest.mark.parametrize('end', ['raise RuntimeError("bad luck")', 'os._exit(1)'])
def test_bad_luck_costs_nothing(files, misbehave, capsys, tmp_path, end):
    """Two of three runs of a structure fail; with one process more than it has at the end."""
    tries = tmp_path / 'tries'
    body = f"""if len(atoms) == 3:
            with open({str(tries)!r} + str(sorted(atoms.numbers.tolist())), 'a') as file:
                file.write('.')
                n_tries = file.tell()
            if n_tries < 3:
                {end}"""
    misbehave(body)
    assert main(['static', *files, '--processes', '3']) == 0
    out = capsys.readouterr().out
    assert '12 structures: 12 done' in out
    assert sorted(computed(out)) == sorted(f'alloy-{i}' for i in range(12))
    assert {len(path.read_text()) > 2 for path in tmp_path.glob('tries*')} == {True}


def started(command, files, results, *more):
    """Start a run and wait until some results are there."""
    process = subprocess.Popen(
        [*command, 'static', *files, '--results', str(results), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(list(results.glob('*.json'))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    return process


def test_nothing_is_repeated_after_kill_9(command, files, alloys, misbehave, tmp_path, capsys):
    results, pids = tmp_path / 'r', tmp_path / 'pids'
    misbehave(f'time.sleep(0.3); open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")')
    with started(command, files, results, '--processes', '2') as process:
        process.kill()
        # The processes that compute end by themselves.
        workers = set(map(int, pids.read_text().split()))
        deadline = time.monotonic() + 20
        while any(map(is_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_alive, workers))
    known = {path.name: path.stat().st_mtime_ns for path in results.glob('*.json')}
    n_done = len(known)
    assert 3 <= n_done < 12
    partial = collect_results(alloys, results, 'static')
    assert (partial.status == 'done').sum() == n_done
    assert (partial.status == 'unfinished').sum() == 12 - n_done
    misbehave('pass')
    assert main(['static', *files, '--results', str(results)]) == 0
    again = computed(capsys.readouterr().out)
    assert len(again) == 12 - n_done
    assert set(again) == set(partial.ids[partial.status == 'unfinished'])
    assert {name: (results / name).stat().st_mtime_ns for name in known} == known
    assert set(read_structures(files[-1]).status) == {'done'}


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat') as file:  # noqa: PTH123
        return file.read().rsplit(')', 1)[1].split()[0] != 'Z'


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_is_finished_is_kept_when_stopped(command, files, misbehave, tmp_path, number, code):
    misbehave('time.sleep(0.3)')
    with started(command, files, tmp_path / 'r') as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == ''
    found = read_structures(files[-1])
    n_done = (found.status == 'done').sum()
    assert n_done >= 3
    assert (found.status == 'unfinished').sum() == 12 - n_done > 0
    assert f'{n_done} done' in out


def test_full_disk(command, files, tmp_path):
    """Results that cannot be kept end the run with one line."""
    done = subprocess.run(
        [*command, 'static', *files],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400)),
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
    )
    assert done.returncode == 2
    assert done.stderr.startswith('mtp-dft: failure: ')
    assert 'out.parquet.results: File too large' in done.stderr
    assert done.stderr.count('\n') == 1
    assert not list((tmp_path / 'out.parquet.results').iterdir())


def test_calculator_that_cannot_start(files, misbehave, capsys, tmp_path):
    misbehave('pass')
    site = tmp_path / 'site' / 'sitecustomize.py'
    site.write_text('import sys\nif "-m" in sys.orig_argv: sys.exit("no such library")')
    assert main(['static', *files]) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1
    assert 'the calculator cannot be started' in err


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ('{"calculator": "emt"', 'emt.json: not a JSON file'),
        ('[]', 'emt.json: not a mapping'),
        ('{"calculator": "magic"}', "emt.json: DFT setting calculator='magic'"),
        ('{"calculator": "emt", "ecut": 3}', 'emt.json: unknown DFT setting ecut'),
    ],
)
def test_bad_settings(files, emt_json, capsys, settings, message):
    emt_json.write_text(settings)
    assert main(['static', *files]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count('\n') == 1


def test_unknown_elements_are_refused_before_anything_runs(files, alloys, capsys, tmp_path):
    write_structures(files[0], alloys.renamed(['Cu', 'Ti', 'Au']))
    assert main(['static', *files]) == 2
    assert 'emt does not know Ti; known: Al Cu' in capsys.readouterr().err
    assert not list(tmp_path.glob('out*'))


def test_no_structures(files):
    write_structures(files[0], StructureBatch.empty(['Al']))
    assert main(['static', *files]) == 0
    assert len(read_structures(files[-1])) == 0


def test_check(emt_json, capsys):
    assert main(['check', str(emt_json)]) == 0
    assert re.match(r'ase \S+: works \(fcc Al: .* eV/atom', capsys.readouterr().out)
    emt_json.write_text('{}')
    sys.modules['gpaw'] = None
    try:
        assert main(['check', str(emt_json)]) == 2
    finally:
        del sys.modules['gpaw']
    assert 'pip install gpaw gpaw-data' in capsys.readouterr().err


def test_command_line(capsys):
    with pytest.raises(SystemExit):
        main(['--version'])
    assert capsys.readouterr().out == f'mtp-dft {__version__}\n'
    assert main(['static', 'a', 'b', '-o', 'c', '--processes', '0']) == 2
    assert main(['fly']) == 2
    assert capsys.readouterr().err.count('\n') == 2
