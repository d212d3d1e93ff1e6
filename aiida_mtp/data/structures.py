"""Many structures in one node."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.orm import SinglefileData

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiida.orm import StructureData
    from ase import Atoms
    from pymatgen.core.structure import Structure

    from aiida_mtp.core.structures import StructureBatch

MAX_FORMULAS = 2000  # formulas kept as attributes; beyond, only their number


class StructureSetData(SinglefileData):
    """A set of structures and what is known of them: one Parquet file.

    Equal sets have equal files, and so equal hashes. As attributes, for queries: `n_structures`,
    `n_atoms`, `species`, `formulas` (with their counts), `status` (with counts), `n_labelled`,
    `lowest_energy_per_atom` (eV) and `label_settings`.
    """

    FILENAME = 'structures.parquet'

    @classmethod
    def from_batch(cls, batch: StructureBatch) -> StructureSetData:
        """Return a new node, not stored, of a batch."""
        from aiida_mtp.core.files.parquet import write_parquet

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / cls.FILENAME
            write_parquet(path, batch)
            node = cls(file=path, filename=cls.FILENAME)
        node.base.attributes.set_many(_attributes(batch))
        return node

    @classmethod
    def from_file(cls, path: str | Path, species: list[str] | None = None) -> StructureSetData:
        """Return a new node, not stored, of a file in any format with structures.

        Raises
        ------
        InputError
            If the file cannot be read.
        """
        from aiida_mtp.core.files import read_structures

        return cls.from_batch(read_structures(path, species))

    def _validate(self) -> bool:
        super()._validate()
        if 'n_structures' not in self.base.attributes.all:
            raise InputError('make a StructureSetData with from_batch or from_file')
        return True

    def get_batch(self) -> StructureBatch:
        """Return all structures."""
        from aiida_mtp.core.files.parquet import read_parquet

        with self.as_path() as path:
            return read_parquet(path)

    def __len__(self) -> int:
        """Return the number of structures."""
        return int(self.base.attributes.get('n_structures'))

    def __bool__(self) -> bool:
        """Be true also when empty: a node is there."""
        return True

    def __iter__(self) -> Iterator[StructureBatch]:
        """Walk over the structures as batches of one."""
        return iter(self.get_batch())

    def __getitem__(self, rows: slice) -> StructureBatch:
        """Return some of the structures."""
        return self.get_batch().take(rows)

    @property
    def species(self) -> list[str]:
        """Names of the species."""
        return list(self.base.attributes.get('species'))

    @property
    def formulas(self) -> dict[str, int]:
        """Number of structures of each reduced formula; empty if there are very many."""
        return dict(self.base.attributes.get('formulas'))

    @property
    def status_counts(self) -> dict[str, int]:
        """Number of structures of each status."""
        return dict(self.base.attributes.get('status'))

    def get_ase(self, structure_id: str) -> Atoms:
        """Return one structure as ASE Atoms, with its labels."""
        batch = self.get_batch()
        return batch.to_ase(batch.index_of(structure_id))

    def get_pymatgen(self, structure_id: str) -> Structure:
        """Return one structure as pymatgen Structure."""
        from pymatgen.io.ase import AseAtomsAdaptor

        structure: Structure = AseAtomsAdaptor.get_structure(self.get_ase(structure_id))
        return structure

    def get_structuredata(self, structure_id: str) -> StructureData:
        """Return one structure as a new StructureData, not stored."""
        from aiida.orm import StructureData

        return StructureData(ase=self.get_ase(structure_id))


def _attributes(batch: StructureBatch) -> dict[str, Any]:
    labelled = np.isfinite(batch.energies)
    formulas = Counter(batch.formulas)
    settings = sorted({str(s) for s in batch.column('label_settings', '') if s})
    lowest = batch.energies_per_atom[labelled].min() if labelled.any() else None
    return {
        'n_structures': len(batch),
        'n_atoms': len(batch.positions),
        'species': list(batch.species),
        'n_formulas': len(formulas),
        'formulas': dict(sorted(formulas.items())) if len(formulas) <= MAX_FORMULAS else {},
        'status': dict(sorted(Counter(batch.status).items())),
        'n_labelled': int(labelled.sum()),
        'lowest_energy_per_atom': None if lowest is None else float(lowest),
        'label_settings': settings,
    }
