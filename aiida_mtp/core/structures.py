"""Many small crystals in a handful of arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_mtp.core._arrays import as_column, or_nan, reduced_formula, stacked, strings
from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ase import Atoms
    from numpy.typing import ArrayLike

    from aiida_mtp.core._typing import Bools, Column, Floats, Ints, Strings, Types

NEW = 'new'  # the status of a structure nothing has been done to


@dataclass(frozen=True)
class StructureBatch:
    """Periodic structures and what is known of them, one row each.

    The atoms of all structures stand one after the other; structure ``s`` owns the rows
    ``first_atom[s]:first_atom[s + 1]`` of the per-atom arrays. Missing labels are NaN.
    The arrays are never changed in place: every method returns a new batch.

    Parameters
    ----------
    species
        Names of the types: chemical symbols, or ``type0``, ``type1`` … for the nameless types of
        an MLIP file.
    types
        shape (n_atoms,): index into `species`.
    positions
        shape (n_atoms, 3), Å.
    cells
        shape (n_structures, 3, 3), lattice vectors as rows, Å.
    first_atom
        shape (n_structures + 1,).
    ids
        shape (n_structures,): a name that stays with a structure from prototype to hull.
    origins
        shape (n_structures,): where the structure came from, in words or as the id of another.
    status
        shape (n_structures,): what became of it.
    energies
        shape (n_structures,), of the whole cell, eV.
    forces
        shape (n_atoms, 3), eV/Å.
    stresses
        shape (n_structures, 6), Voigt order xx yy zz yz xz xy, ASE's sign, eV/Å³.
    columns
        Further values, one per structure, by name: `grade`, `label_process` …
    """

    species: tuple[str, ...]
    types: Types
    positions: Floats
    cells: Floats
    first_atom: Ints
    ids: Strings
    origins: Strings
    status: Strings
    energies: Floats
    forces: Floats
    stresses: Floats
    columns: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        n_structures, n_atoms = len(self.cells), len(self.positions)
        shapes = {
            'types': (n_atoms,),
            'positions': (n_atoms, 3),
            'cells': (n_structures, 3, 3),
            'first_atom': (n_structures + 1,),
            'ids': (n_structures,),
            'origins': (n_structures,),
            'status': (n_structures,),
            'energies': (n_structures,),
            'forces': (n_atoms, 3),
            'stresses': (n_structures, 6),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                msg = f'{name} has shape {getattr(self, name).shape}, not {shape}'
                raise ValueError(msg)
        for name, column in self.columns.items():
            if len(column) != n_structures:
                msg = f'column {name!r} has {len(column)} rows, not {n_structures}'
                raise ValueError(msg)
        if self.first_atom[0] != 0 or self.first_atom[-1] != n_atoms:
            msg = f'first_atom must run from 0 to {n_atoms}'
            raise ValueError(msg)
        if n_atoms and not 0 <= self.types.min() <= self.types.max() < len(self.species):
            msg = f'types must lie in 0 … {len(self.species) - 1}, the species {self.species}'
            raise ValueError(msg)

    @classmethod
    def build(
        cls,
        species: Sequence[str],
        types: Sequence[ArrayLike],
        positions: Sequence[ArrayLike],
        cells: ArrayLike,
        *,
        ids: Sequence[str] | None = None,
        origins: Sequence[str] | None = None,
        status: Sequence[str] | None = None,
        energies: ArrayLike | None = None,
        forces: Sequence[ArrayLike] | None = None,
        stresses: ArrayLike | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> StructureBatch:
        """Make a batch from one array of types and of positions (and of forces) per structure.

        Parameters
        ----------
        ids
            By default ``0``, ``1`` …
        """
        n = len(types)
        counts = [len(np.asarray(t)) for t in types]
        first_atom = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        n_atoms = int(first_atom[-1])
        return cls(
            species=tuple(species),
            types=stacked(types, (n_atoms,), np.int16),
            positions=stacked(positions, (n_atoms, 3), np.float64),
            cells=np.asarray(cells, dtype=np.float64).reshape(n, 3, 3),
            first_atom=first_atom,
            ids=strings([str(i) for i in range(n)] if ids is None else ids),
            origins=strings([''] * n if origins is None else origins),
            status=strings([NEW] * n if status is None else status),
            energies=or_nan(energies, (n,)),
            forces=np.full((n_atoms, 3), np.nan)
            if forces is None
            else stacked(forces, (n_atoms, 3), np.float64),
            stresses=or_nan(stresses, (n, 6)),
            columns={name: as_column(values) for name, values in (columns or {}).items()},
        )

    @classmethod
    def empty(cls, species: Sequence[str] = ()) -> StructureBatch:
        """Return a batch of no structures."""
        return cls.build(species, [], [], np.empty((0, 3, 3)))

    @classmethod
    def concatenate(cls, batches: Sequence[StructureBatch]) -> StructureBatch:
        """Join batches; species are united in order of appearance, absent columns blank."""
        if not batches:
            return cls.empty()
        species = tuple(dict.fromkeys(name for batch in batches for name in batch.species))
        batches = [batch.with_species(species) for batch in batches]
        offsets = np.cumsum([0, *(len(batch.positions) for batch in batches)])
        starts = [b.first_atom[:-1] + offset for b, offset in zip(batches, offsets, strict=False)]
        names = dict.fromkeys(name for batch in batches for name in batch.columns)

        def joined(name: str) -> Any:
            return np.concatenate([getattr(batch, name) for batch in batches])

        return cls(
            species=species,
            first_atom=np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
            columns={name: _joined_column(name, batches) for name in names},
            **{
                name: joined(name)
                for name in (
                    *('types', 'positions', 'cells', 'ids', 'origins', 'status'),
                    *('energies', 'forces', 'stresses'),
                )
            },
        )

    @classmethod
    def from_ase(
        cls, atoms: Sequence[Atoms], species: Sequence[str] | None = None, **rows: Any
    ) -> StructureBatch:
        """Make a batch of ASE structures; `rows` are the per-structure arguments of `build`.

        Parameters
        ----------
        species
            By default the elements in alphabetical order.

        Raises
        ------
        InputError
            If an element is not in `species`, or a structure is not periodic in three directions.
        """
        for index, one in enumerate(atoms):
            if not (one.pbc.all() and abs(one.cell.volume) > 0):
                msg = f'structure {index} ({one.symbols}) is not periodic in all three directions'
                raise InputError(msg)
        if species is None:
            species = sorted({symbol for one in atoms for symbol in one.symbols})
        index_of = {name: index for index, name in enumerate(species)}
        unknown = sorted({str(s) for one in atoms for s in one.symbols} - set(index_of))
        if unknown:
            msg = f'species {", ".join(unknown)} not among {", ".join(species)}'
            raise InputError(msg)
        return cls.build(
            species,
            [[index_of[symbol] for symbol in one.symbols] for one in atoms],
            [one.positions for one in atoms],
            np.array([one.cell.array for one in atoms]).reshape(-1, 3, 3),
            **rows,
        )

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.cells)

    def __iter__(self) -> Iterator[StructureBatch]:
        """Walk over the structures as batches of one."""
        return (self.take([index]) for index in range(len(self)))

    @cached_property
    def n_atoms(self) -> Ints:
        """Number of atoms of each structure, shape (n_structures,)."""
        return np.diff(self.first_atom)

    @cached_property
    def structure_of_atom(self) -> Ints:
        """Index of the structure each atom belongs to, shape (n_atoms,)."""
        return np.repeat(np.arange(len(self)), self.n_atoms)

    @cached_property
    def volumes(self) -> Floats:
        """Volume of each cell, shape (n_structures,), Å³."""
        volumes: Floats = np.abs(np.linalg.det(self.cells))
        return volumes

    @cached_property
    def compositions(self) -> Ints:
        """Number of atoms of each species, shape (n_structures, n_species)."""
        counts = np.zeros((len(self), len(self.species)), dtype=np.int64)
        np.add.at(counts, (self.structure_of_atom, self.types), 1)
        return counts

    @property
    def energies_per_atom(self) -> Floats:
        """Energy per atom, shape (n_structures,), eV."""
        per_atom: Floats = self.energies / self.n_atoms
        return per_atom

    @property
    def formulas(self) -> list[str]:
        """Reduced formula of each structure, the species in alphabetical order."""
        order = np.argsort(self.species)
        distinct, kind = np.unique(self.compositions, axis=0, return_inverse=True)
        names = [reduced_formula(self.species, order, row) for row in distinct]
        return [names[index] for index in kind.ravel()]

    def atoms_of(self, index: int) -> slice:
        """Return the rows of one structure in the per-atom arrays."""
        return slice(int(self.first_atom[index]), int(self.first_atom[index + 1]))

    def column(self, name: str, default: float | str = np.nan) -> Column:
        """Return a column, or one filled with `default` if there is none of that name."""
        if name in self.columns:
            return self.columns[name]
        return as_column([default] * len(self))

    def index_of(self, structure_id: str) -> int:
        """Return the row of the structure with this id.

        Raises
        ------
        KeyError
            If no structure has it.
        """
        found = np.flatnonzero(self.ids == structure_id)
        if not len(found):
            msg = f'no structure with id {structure_id!r}'
            raise KeyError(msg)
        return int(found[0])

    def take(self, rows: Bools | Ints | Sequence[int] | slice) -> StructureBatch:
        """Return the structures of these rows (indices, a mask or a slice), in that order."""
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            rows = rows if rows.dtype == np.bool_ else rows.astype(np.int64)  # an empty list too
        index = np.arange(len(self))[rows]
        counts = self.n_atoms[index]
        first_atom = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        atoms = np.repeat(self.first_atom[index] - first_atom[:-1], counts) + np.arange(
            first_atom[-1]
        )
        return StructureBatch(
            species=self.species,
            types=self.types[atoms],
            positions=self.positions[atoms],
            cells=self.cells[index],
            first_atom=first_atom,
            ids=self.ids[index],
            origins=self.origins[index],
            status=self.status[index],
            energies=self.energies[index],
            forces=self.forces[atoms],
            stresses=self.stresses[index],
            columns={name: column[index] for name, column in self.columns.items()},
        )

    def replaced(self, **arrays: Any) -> StructureBatch:
        """Return a copy with other arrays in place of the ones named."""
        return replace(self, **arrays)

    def with_columns(self, **columns: Any) -> StructureBatch:
        """Return a copy with these columns added or replaced."""
        new = {name: as_column(values) for name, values in columns.items()}
        return replace(self, columns={**self.columns, **new})

    def with_species(self, species: Sequence[str]) -> StructureBatch:
        """Return the same structures with their types counted in another list of species.

        Raises
        ------
        InputError
            If a species that occurs here is not in that list.
        """
        if tuple(species) == self.species:
            return self
        present = {self.species[t] for t in np.unique(self.types)}
        missing = sorted(present - set(species))
        if missing:
            msg = f'species {", ".join(missing)} not among {", ".join(species)}'
            raise InputError(msg)
        lookup = np.array(
            [species.index(s) if s in species else -1 for s in self.species], dtype=np.int16
        )
        types = lookup[self.types] if len(self.species) else self.types
        return replace(self, species=tuple(species), types=types)

    def renamed(self, species: Sequence[str]) -> StructureBatch:
        """Return the same structures under other names for the types, such as for ``type0``.

        Raises
        ------
        InputError
            If there are more types than names.
        """
        if len(species) < len(self.species):
            msg = f'{len(self.species)} types need as many names; given: {", ".join(species)}'
            raise InputError(msg)
        return replace(self, species=tuple(species))

    def without_labels(self) -> StructureBatch:
        """Return the same structures with energies, forces and stresses removed."""
        return replace(
            self,
            energies=np.full_like(self.energies, np.nan),
            forces=np.full_like(self.forces, np.nan),
            stresses=np.full_like(self.stresses, np.nan),
        )

    def to_ase(self, index: int) -> Atoms:
        """Return one structure as ASE Atoms, its labels in a SinglePointCalculator.

        Raises
        ------
        InputError
            If a type has no chemical symbol for its name.
        """
        from ase import Atoms
        from ase.calculators.singlepoint import SinglePointCalculator
        from ase.data import atomic_numbers

        rows = self.atoms_of(index)
        symbols = [self.species[t] for t in self.types[rows]]
        nameless = sorted(set(symbols) - set(atomic_numbers))
        if nameless:
            msg = f'{", ".join(nameless)}: not a chemical symbol; name the species of the file'
            raise InputError(msg)
        atoms = Atoms(symbols, positions=self.positions[rows], cell=self.cells[index], pbc=True)
        atoms.info['id'] = str(self.ids[index])
        labels = {
            'energy': float(self.energies[index]),
            'forces': self.forces[rows],
            'stress': self.stresses[index],
        }
        known = {name: value for name, value in labels.items() if np.all(np.isfinite(value))}
        if known:
            atoms.calc = SinglePointCalculator(atoms, **known)  # type: ignore[no-untyped-call]
        return atoms


def _joined_column(name: str, batches: Sequence[StructureBatch]) -> Column:
    """Join one column of several batches; where it is absent: '' for strings, NaN for numbers."""
    kinds = {batch.columns[name].dtype.kind for batch in batches if name in batch.columns}
    columns = [batch.column(name, '' if 'O' in kinds else np.nan) for batch in batches]
    if 'O' in kinds and len(kinds) > 1:  # text in one batch, as all columns of a .cfg file
        columns = [np.array([str(x) for x in column], dtype=object) for column in columns]
    return np.concatenate(columns)
