"""What the pages in `docs` tell a user to type, and to write into files."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
DOCS = sorted(p.relative_to(ROOT) for p in (ROOT / 'docs').rglob('*.md'))
PAGES = ['README.md', *(str(p) for p in DOCS if '_build' not in p.parts)]
BLOCK = re.compile(
    r'^(?:<!-- needs: (?P<needs>[^\n]+?) -->\n)?```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of a page in a language; `needs`: what it cannot be run without, by the page."""

    language: str
    text: str
    needs: str = ''

    @property
    def lines(self):
        """What is typed at each prompt, the host it stands for left out; no output."""
        typed = self.text.replace('\\\n', ' ').splitlines()
        return [line.partition('$ ')[2] for line in typed if re.match(r'\w*\$ ', line)]


def all_blocks(page):
    """Return the blocks of a page, such as ``docs/howto/vasp.md``; no directives of Sphinx."""
    text = (ROOT / page).read_text(encoding='utf-8')
    found = [
        Block(one['language'], one['text'], one['needs'] or '') for one in BLOCK.finditer(text)
    ]
    return [block for block in found if not block.language.startswith('{')]


def blocks(page, language):
    """Return the texts of the blocks of a page in a language."""
    return [block.text for block in all_blocks(page) if block.language == language]


def commands(page):
    """Return the commands of a page, each as its words; what they print is left out."""
    consoles = [block for block in all_blocks(page) if block.language == 'console']
    typed = [line for block in consoles for line in block.lines]
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
