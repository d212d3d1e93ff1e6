"""Names of what a batch holds, as files spell them."""

import re

FIELDS = ('id', 'origin', 'status', 'types', 'positions', 'cell', 'energy', 'forces', 'stress')
"""What every structure has; no column can bear one of these names."""

NUMBERS = frozenset(
    {
        'grade',
        'n_steps',
        'magnetic_moment',
        'absolute_moment',
        'formation_energy',
        'e_above_hull',
        'seconds',
    }
)
"""Columns of numbers, also where a format writes everything as text."""

MAGNETIC_STATES = ('ferromagnetic', 'antiferromagnetic', 'none')
"""Values of the column `magnetic_state`: what a label was begun from."""


def column_name(name: str) -> str:
    """Return the name of the column for a value a foreign file calls `name`."""
    return f'{name}_' if name in FIELDS else name


def type_number(species: str) -> int | None:
    """Return the number of a nameless species, such as ``type2``; None if it has a name."""
    match = re.fullmatch(r'type(\d+)', species)
    return int(match[1]) if match else None
