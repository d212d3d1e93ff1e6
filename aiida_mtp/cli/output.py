"""Where the commands print."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import numpy as np
from rich.console import Console

WIDTH = 120  # columns of a table that goes into a file or a pipe


def console() -> Console:
    """Return the terminal, or a wide page where there is none; brackets in names are no markup."""
    terminal = Console(markup=False)
    return terminal if terminal.is_terminal else Console(width=WIDTH, markup=False)


def as_json(values: Any) -> str:
    """Return plain values for scripts; what is not a number is null, other things are words."""
    return json.dumps(_known(values), indent=1, ensure_ascii=False)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
