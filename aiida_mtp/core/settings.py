"""What all settings have in common: they come as plain values, from a file or from a node."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


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

    def check_number(self, name: str, *, is_integer: bool, is_optional: bool = False) -> None:
        """Refuse a setting that is no number; an optional one may be absent."""
        value = getattr(self, name)
        if not (value is None and is_optional):
            check_number(f'{self.kind} setting {name}', value, is_integer=is_integer)


def check_number(name: str, value: object, *, is_integer: bool) -> None:
    """Refuse what is no number."""
    wanted = int if is_integer else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or math.isnan(value):
        noun = 'an integer' if is_integer else 'a number'
        raise InputError(f'{name}={value!r}: not {noun}')
