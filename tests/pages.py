"""What the pages in `docs` tell a user to type, and to write into files."""

import re
import shlex
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r'^```(\S+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """Return the blocks of a page, such as ``docs/howto/vasp.md``, in a language."""
    text = (ROOT / page).read_text(encoding='utf-8')
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def commands(page):
    """Return the commands of a page, each as its words; what they print is left out."""
    lines = '\n'.join(blocks(page, 'console')).replace('\\\n', ' ').splitlines()
    typed = [line.partition('$ ')[2] for line in lines if re.match(r'\w*\$ ', line)]
    return [shlex.split(line, comments=True) for line in typed]


def files(page):
    """Return the YAML files of a page by their names, which stand in their first lines."""
    found = {}
    for block in blocks(page, 'yaml'):
        name = re.match(r'# (\S+\.yaml)\n', block)
        if name:
            found[name[1]] = block
    return found


def understand(command, words):
    """Refuse words that a command does not know, and the lack of some that it needs."""
    context = command.context_class(command, info_name=command.name)
    while True:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
        if not isinstance(command, click.Group):
            break
        command, words = command.get_command(context, rest[0]), rest[1:]
        assert command, rest
        context = command.context_class(command, parent=context, info_name=command.name)
    assert not rest
    missing = [
        p.name
        for p in command.params
        if isinstance(p, click.Argument) and p.required and not values.get(p.name)
    ]
    assert not missing or '--help' in words
