"""``aiida-mtp completion``."""

from __future__ import annotations

import click

from aiida_mtp.cli.parameters import examples

VARIABLE = '_AIIDA_MTP_COMPLETE'  # in which a shell asks, as click names it
SHELLS = ('bash', 'zsh', 'fish')


@click.command(
    'completion',
    epilog=examples(
        'eval "$(aiida-mtp completion bash)"  # in ~/.bashrc; zsh: in ~/.zshrc',
        'aiida-mtp completion fish > ~/.config/fish/completions/aiida-mtp.fish',
    ),
)
@click.argument('shell', type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes SHELL complete commands, options, screens, codes and protocols."""
    from click.shell_completion import get_completion_class

    from aiida_mtp.cli.root import cmd_root

    kind = get_completion_class(shell)
    if kind is None:  # click knows all of them
        raise click.UsageError(f'no completion for {shell}')
    completion = kind(cmd_root, {}, 'aiida-mtp', VARIABLE)
    # not source(), which first asks the bash there is for its version
    click.echo(completion.source_template % completion.source_vars())
