"""Universal potentials whose packages bring their weights along, as calculators.

They know most elements, take a hundredth of a second for an atom, and err by some ten meV/atom: a
stand-in for DFT where many answers are needed to try things out.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(NamedTuple):
    """Where a calculator is found, and the packages that its numbers depend on."""

    module: str
    name: str
    packages: tuple[str, ...]


UNIVERSAL = {
    'chgnet': Origin('chgnet.model.dynamics', 'CHGNetCalculator', ('chgnet', 'torch')),
    'sevennet': Origin('sevenn.calculator', 'SevenNetCalculator', ('sevenn', 'torch')),
}


def universal_calculator(name: str, parameters: Mapping[str, Any]) -> Any:
    """Return a calculator of `UNIVERSAL`; the same one for the same parameters.

    Its weights are read once: it keeps nothing of one structure that matters for the next.

    Raises
    ------
    InputError
        If its package is not installed.
    TypeError
        If it refuses its parameters.
    """
    return _calculator(name, json.dumps(dict(parameters), sort_keys=True))


@lru_cache(maxsize=1)
def _calculator(name: str, parameters: str) -> Any:
    return universal_class(name)(**json.loads(parameters))


def universal_class(name: str) -> Any:
    """Return the class of a calculator of `UNIVERSAL`.

    Raises
    ------
    InputError
        If its package is not installed.
    """
    origin = UNIVERSAL[name]
    try:
        return getattr(import_module(origin.module), origin.name)
    except ImportError as error:
        package = origin.packages[0]
        raise InputError(
            f'calculator {name} is not installed: {error}; where mtp-dft runs: '
            f'pip install {package}'
        ) from None
