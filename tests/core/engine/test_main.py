"""The command line as a whole: answers at once, tells mistakes in one line, leaves no halves."""

import os
import resource
import signal
import subprocess
import sys

import pytest
from reference.batches import random_batch

from aiida_mtp import __version__
from aiida_mtp.core.engine import main as module
from aiida_mtp.core.engine.main import VERBS, main
from aiida_mtp.core.files import write_structures

COMMAND = [sys.executable, '-m', 'aiida_mtp.core.engine.main']


def one_line(capsys, word='error: '):
    """What was told on stderr: one line."""
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith(f'mtp-engine: {word}')
    assert err.count('\n') == 1
    return err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--version'])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f'mtp-engine {__version__}\n'


def test_help_lists_every_verb_and_imports_nothing_slow():
    code = (
        'import sys\nfrom aiida_mtp.core.engine.main import main\n'
        'try: main(["--help"])\n'
        'except SystemExit: print(sorted({"numba", "scipy", "ase", "pyarrow"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith('\n[]\n')
    assert all(f'\n    {name}' in done.stdout for name in VERBS)


@pytest.mark.parametrize('verb', ['init', 'convert', 'evaluate'])
def test_help_of_a_verb(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, '--help'])
    assert caught.value.code == 0
    assert '--threads N' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'the following arguments are required: VERB; see mtp-engine --help'),
        (['fly'], "invalid choice: 'fly'"),
        (['convert', 'a.cfg'], 'required: -o/--output; see mtp-engine convert --help'),
        (
            ['convert', 'a.cfg', '-o', 'b.cfg', '--threads', '0'],
            "must be a positive integer, not '0'",
        ),
        (
            ['convert', 'a.cfg', '-o', 'b.cfg', '--threads', 'x'],
            "must be a positive integer, not 'x'",
        ),
        (['convert', 'nowhere.cfg', '-o', 'b.cfg'], 'nowhere.cfg: No such file or directory'),
        (['convert', 'a.txt', '-o', 'b.cfg'], 'a.txt: the name tells no format'),
    ],
)
def test_mistakes_in_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in one_line(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('error', 'code', 'message'),
    [
        (MemoryError(), 2, 'failure: out of memory'),
        (KeyboardInterrupt(), 130, 'interrupted'),
        (OSError(28, 'No space left on device'), 2, 'failure: No space left on device'),
        (OSError('odd\nlines'), 2, 'failure: odd lines'),
        (FileNotFoundError(2, 'No such file', 'x'), 2, 'error: x: No such file'),
    ],
)
def test_what_the_system_says(error, code, message, capsys, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(module, '_run', fail)
    assert main([]) == code
    one_line(capsys, message)


def test_a_bug_is_not_hidden(monkeypatch):
    def fail(_):
        raise KeyError('bug')

    monkeypatch.setattr(module, '_run', fail)
    with pytest.raises(KeyError):
        main([])


def limit_files():
    """Let no file grow beyond 20 kB, which is what a full disk looks like."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize('suffix', ['parquet', 'cfg', 'xyz'])
def test_full_disk(tmp_path, suffix):
    write_structures(tmp_path / 'in.parquet', random_batch(1500))
    output = tmp_path / f'out.{suffix}'
    output.write_text('what was there')
    done = subprocess.run(
        [*COMMAND, 'convert', str(tmp_path / 'in.parquet'), '-o', str(output)],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=limit_files,
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
    )
    assert done.returncode == 2
    assert done.stderr.startswith('mtp-engine: failure: ')
    assert f'{output}: File too large' in done.stderr
    assert done.stderr.count('\n') == 1
    assert output.read_text() == 'what was there'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['in.parquet', output.name]


def test_number_of_threads(tmp_path, monkeypatch):
    """`--threads` reaches the kernels."""
    from aiida_mtp.core import _numba

    seen = []
    monkeypatch.setattr(_numba, 'use_threads', seen.append)
    write_structures(tmp_path / 'a.cfg', random_batch(2))
    potential = str(tmp_path / 'p.mtp')
    main(['init', '--level', '2', '--species', 'Al', '--cutoff', '4', '-o', potential])
    assert (
        main(['evaluate', potential, str(tmp_path / 'a.cfg'), '-o', 'x.cfg', '--threads', '3']) == 2
    )
    assert seen == [3]


def test_progress_is_for_terminals(capsys, monkeypatch):
    from aiida_mtp.core.engine.progress import progress

    with progress('counting', 3) as advance:
        advance(3)
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    with progress('counting', 3) as advance:
        advance(3)
    assert 'counting' in capsys.readouterr().err
