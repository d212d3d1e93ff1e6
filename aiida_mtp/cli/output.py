"""Where the commands print."""

from __future__ import annotations

from rich.console import Console

WIDTH = 120  # columns of a table that goes into a file or a pipe


def console() -> Console:
    """Return the terminal, or a wide page where there is none."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH)
