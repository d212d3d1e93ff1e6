"""What all settings have in common: they come as plain values, from a file or from a node."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self


class Range(NamedTuple):
    """What a number must lie in, both ends included, and how a message says so."""

    low: float
    high: float
    requirement: str


@dataclass(frozen=True)
class Settings:
    """Values by name, all of which have a default or are asked for; `kind` says what they set."""

    kind: ClassVar[str]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make settings of a mapping such as a JSON file holds.

        Raises
        ------
        InputError
            If a name is unknown or a value makes no sense.
        """
        names = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise InputError(
                f'unknown {cls.kind} setting {", ".join(unknown)}; known: {", ".join(names)}'
            )
        return cls(**cls.parsed(dict(values)))

    @classmethod
    def parsed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values as the fields hold them; here as they are."""
        return values

    def to_mapping(self) -> dict[str, Any]:
        """Return the settings by name, defaults included."""
        return asdict(self)

    def check_types(self) -> None:
        """Refuse what is not of the type its field is annotated with."""
        for field in fields(self):
            value = getattr(self, field.name)
            kind, *others = str(field.type).split(' | ')
            if value is None and 'None' in others:
                continue
            if kind in {'int', 'float'}:
                check_number(self.name_of(field.name), value, is_integer=kind == 'int')
            elif kind == 'bool' and not isinstance(value, bool):
                raise InputError(f'{self.name_of(field.name)}={value!r}: true or false?')
            elif kind == 'str' and not isinstance(value, str):
                raise InputError(f'{self.name_of(field.name)}={value!r}: not a name')
            elif kind.startswith('Mapping') and not hasattr(value, 'keys'):
                raise InputError(f'{self.name_of(field.name)}={value!r}: not a mapping')
            elif kind == 'Mapping[str, float]':
                for key, number in value.items():
                    check_number(f'{self.name_of(field.name)} of {key}', number, is_integer=False)

    def check_choice(self, name: str, known: Iterable[str]) -> None:
        """Refuse a word that is none of these."""
        value = getattr(self, name)
        if value not in known:
            raise InputError(f'{self.name_of(name)}={value!r}: one of {", ".join(known)}')

    def check_ranges(self, ranges: Mapping[str, Range]) -> None:
        """Refuse numbers that are out of range; those that are absent are not."""
        for name, (low, high, requirement) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f'{self.name_of(name)}={value}: it must be {requirement}')

    def name_of(self, name: str) -> str:
        """Return how messages call a setting."""
        return f'{self.kind} setting {name}'


def check_number(name: str, value: object, *, is_integer: bool) -> None:
    """Refuse what is no number."""
    wanted = int if is_integer else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or math.isnan(value):
        noun = 'an integer' if is_integer else 'a number'
        raise InputError(f'{name}={value!r}: not {noun}')
