"""Which prototypes a screen starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from aiida_mtp.core.errors import InputError
from aiida_mtp.core.screening.elements import PARENTS
from aiida_mtp.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_LABELINGS = 5_000_000  # decorations of one cell that the enumeration holds in memory


@dataclass(frozen=True)
class PrototypeSpec(Settings):
    """Which prototypes a screen starts from.

    The elements in fcc, bcc and hcp are always among them.

    Parameters
    ----------
    elements
        Chemical symbols.
    fcc, bcc, hcp
        Atoms in the largest cells of the derivative structures of each lattice; 0 for none. The
        primitive cell of hcp holds two atoms.
    aflow
        Atoms in the largest primitive cells taken from the AFLOW library; 0 or false for none,
        true for all (up to 105 atoms).
    prototypes
        Files with crystals of any elements that are decorated in all ways, as those of AFLOW are.
    polymorphs
        Whether decorations of known crystals with one element alone are among them. Without, each
        element is there in fcc, bcc and hcp: enough where the ground states are known.
    structures
        Files with structures of these elements that are taken as they are.
    atomic_volumes
        Volume per atom of elements, Å³, that volumes of compounds are estimated from; by default
        the volume at room temperature.
    closest
        Generated structures with two atoms closer than this part of the distance at which the
        atoms of the elements touch are left out: molecular crystals and other extremes of AFLOW.
    """

    kind: ClassVar[str] = 'prototypes'

    elements: tuple[str, ...]
    fcc: int = 0
    bcc: int = 0
    hcp: int = 0
    aflow: int | bool = 0
    prototypes: tuple[str, ...] = ()
    polymorphs: bool = True
    structures: tuple[str, ...] = ()
    atomic_volumes: Mapping[str, float] = field(default_factory=dict)
    closest: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense, or more than a computer can hold."""
        _check_elements(self.elements)
        for parent in PARENTS:
            largest = getattr(self, parent)
            _check_atoms(parent, largest)
            if len(self.elements) ** largest > MOST_LABELINGS:
                limit = _largest_cell(len(self.elements))
                raise InputError(
                    f'{parent}: cells of {largest} atoms of {len(self.elements)} elements are too '
                    f'many to enumerate; choose at most {limit}'
                )
        if not isinstance(self.aflow, bool):
            _check_atoms('aflow', self.aflow)
        if not isinstance(self.polymorphs, bool):
            raise InputError(f'polymorphs must be true or false, not {self.polymorphs!r}')
        if not 0 <= self.closest < 1:
            raise InputError(f'closest must lie between 0 and 1, not {self.closest!r}')
        for name, volume in self.atomic_volumes.items():
            _check_volume(name, volume)

    @classmethod
    def parsed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values with lists as tuples."""
        if 'elements' not in values:
            raise InputError('prototypes: elements missing; give chemical symbols')
        for key in ('elements', 'prototypes', 'structures'):
            if key in values:
                values[key] = _names(key, values[key])
        if not hasattr(values.get('atomic_volumes', {}), 'items'):
            raise InputError('atomic_volumes must map chemical symbols to volumes in Å³')
        return values

    def largest(self, parent: str) -> int:
        """Return the number of atoms in the largest derivative structures of a lattice."""
        largest: int = getattr(self, parent)
        return largest

    @property
    def largest_aflow(self) -> float:
        """Number of atoms in the largest cell taken from AFLOW."""
        return float('inf') if self.aflow is True else int(self.aflow)


def _check_elements(elements: Sequence[str]) -> None:
    from ase.data import atomic_numbers

    wrong = [str(symbol) for symbol in elements if not atomic_numbers.get(symbol)]
    if wrong or not elements:
        raise InputError(f'elements: {", ".join(wrong) or "none"}; give chemical symbols')
    if len(set(elements)) < len(elements):
        raise InputError(f'elements: {", ".join(elements)} names one twice')


def _check_atoms(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f'{name} must be a number of atoms, 0 for none, not {value!r}')


def _check_volume(symbol: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1000:
        raise InputError(f'atomic_volumes.{symbol} must be a volume in Å³, not {value!r}')


def _largest_cell(n_elements: int) -> int:
    largest = 1
    while n_elements ** (largest + 1) <= MOST_LABELINGS:
        largest += 1
    return largest


def _names(key: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise InputError(f'{key} must be a list of names, not {values!r}')
    return tuple(values)
