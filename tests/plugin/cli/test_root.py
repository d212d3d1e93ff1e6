"""The command as a whole: help at once, mistakes in one line."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pages import understand

from aiida_mtp.cli.root import COMMANDS, cmd_root

LEAVES = [
    (name, *rest)
    for name in COMMANDS
    for command in [cmd_root.get_command(click.Context(cmd_root), name)]
    for rest in ([(sub,) for sub in getattr(command, 'commands', {})] or [()])
]


def run(folder, *words, executable='aiida-mtp'):
    """Call the installed command where AiiDA has never been used."""
    path = Path(sys.executable).parent / executable
    return subprocess.run(
        [str(path), *words],
        env={**os.environ, 'AIIDA_PATH': str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_command_is_listed(invoke):
    assert len(LEAVES) >= 15
    text = invoke('--help').output
    for name, purpose in COMMANDS.items():
        assert name in text
        assert purpose in text


@pytest.mark.parametrize('words', LEAVES, ids=' '.join)
def test_every_command_has_help(invoke, words):
    result = invoke(*words, '--help')
    assert result.exit_code == 0
    assert 'Usage:' in result.output


def of(words):
    command = cmd_root
    for word in words:
        command = command.get_command(click.Context(command), word)
    return command


@pytest.mark.parametrize('words', [(), *LEAVES], ids=' '.join)
def test_every_help_has_examples_that_are_understood(words):
    text = of(words).epilog
    assert text.startswith('\b\nExamples:\n')
    lines = [re.sub(r'["()$]|> .*', ' ', line) for line in text.splitlines()[2:]]
    examples = [shlex.split(line, comments=True) for line in lines]
    assert examples
    for example in examples:
        given = example[example.index('aiida-mtp') + 1 :]
        assert tuple(given[: len(words)]) == words
        understand(cmd_root, given)


def complete(text, *, shell='bash'):
    """Return what a shell is told that asks what may follow."""
    given = text.split()
    environment = {
        '_AIIDA_MTP_COMPLETE': f'{shell}_complete',
        'COMP_WORDS': text,
        'COMP_CWORD': str(len(given) - (not text.endswith(' '))),
    }
    result = CliRunner().invoke(cmd_root, prog_name='aiida-mtp', env=environment)
    return [line.partition(',')[2] for line in result.output.split()]


def test_a_shell_completes_screens_codes_and_protocols(screen, graph):
    assert complete('aiida-mtp screen st') == ['status']
    assert complete('aiida-mtp screen status ')[:2] == [str(graph.screen.pk), str(screen.pk)]
    assert complete('aiida-mtp screen launch Al --protocol b') == ['balanced']
    assert complete('aiida-mtp screen launch Al --dft ') == ['mtp-dft@localhost']
    assert complete('aiida-mtp screen launch Al --engine ') == []  # there is none
    potentials = [str(screen.outputs[f'stage_{n}'].potential.pk) for n in (2, 1)]
    assert complete('aiida-mtp potential show ') == potentials


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'fish'])
def test_scripts_for_shells(invoke, shell):
    text = invoke('completion', shell).output
    assert f'_AIIDA_MTP_COMPLETE={shell}_complete' in text
    assert 'not one of' in invoke('completion', 'tcsh').output


def test_help_needs_no_profile_and_a_command_says_how_to_make_one(tmp_path):
    assert 'ELEMENTS' in run(tmp_path, 'screen', 'launch', '--help').stdout
    for words in (['screen', 'status'], ['trace', 'AlNi'], ['potential', 'show', '1']):
        answer = run(tmp_path, *words)
        assert answer.returncode == 1
        assert answer.stderr == (
            'Error: no AiiDA profile; make one with aiida-mtp quickstart or verdi presto\n'
        )


def test_the_same_command_under_verdi(tmp_path):
    answer = run(tmp_path, 'data', 'mtp', '--help', executable='verdi')
    assert answer.returncode == 0, answer.stderr
    assert all(name in answer.stdout for name in COMMANDS)


def test_no_kernel_is_loaded():
    words = 'import sys; from importlib import import_module'
    for name in COMMANDS:
        words += f'; import_module("aiida_mtp.cli.cmd_{name}")'
    words += '; import aiida_mtp.workchains.screen, aiida_mtp.cli.report, aiida_mtp.cli.trace'
    words += '; print([m for m in ("numba", "icet") if m in sys.modules])'
    answer = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', words], capture_output=True, text=True, check=True
    )
    assert answer.stdout == '[]\n'


def test_mistakes(complaint, tmp_path):
    assert complaint('-p', 'nowhere', 'set', 'list').endswith('profile `nowhere` does not exist')
    assert 'no MtpPotentialData found with ID<999>' in complaint('potential', 'show', 999)
    assert 'no StructureSetData found' in complaint('set', 'show', 999)
    assert 'no ProcessNode found' in complaint('screen', 'status', 999)
    missing = tmp_path / 'nothing.cif'
    assert f"File '{missing}' does not exist" in complaint('set', 'import', missing)
