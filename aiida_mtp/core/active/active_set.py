"""The active set of a potential: the configurations that span what it has learnt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aiida_mtp.core._typing import Bools, Floats, Ints
    from aiida_mtp.core.structures import StructureBatch

EMPTY = -1  # a row of the matrix that is still one of the start matrix
UNKNOWN_ATOM = -1  # MLIP-2 does not write which atom a row belongs to


class Mode(StrEnum):
    """What a row of the matrix describes, as MLIP names it.

    CONFIGURATION: ``b = (1/N) dE/dθ`` of a whole structure, the one for small cells.
    NEIGHBORHOOD: ``b = dE_i/dθ`` of one atom, the one for large cells.
    """

    CONFIGURATION = 'configuration'
    NEIGHBORHOOD = 'neighborhood'


@dataclass(frozen=True)
class ActiveSet:
    """The square matrix A of largest volume and the structures its rows belong to.

    Parameters
    ----------
    matrix
        shape (n_parameters, n_parameters): A, one row ``b`` for each parameter.
    inverse
        shape (n_parameters, n_parameters): A⁻¹.
    structure_of_row
        shape (n_parameters,): index into `structures`, `EMPTY` for a row of the start matrix.
    atom_of_row
        shape (n_parameters,): atom within that structure; 0 in configuration mode.
    structures
        The structures that hold a row.
    mode
        What a row describes.
    """

    matrix: Floats
    inverse: Floats
    structure_of_row: Ints
    atom_of_row: Ints
    structures: StructureBatch
    mode: Mode = Mode.CONFIGURATION

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        n = len(self.matrix)
        shapes = {
            'matrix': (n, n),
            'inverse': (n, n),
            'structure_of_row': (n,),
            'atom_of_row': (n,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f'{name} has shape {getattr(self, name).shape}, not {shape}')
        if n and not EMPTY <= self.structure_of_row.min() <= self.structure_of_row.max() < len(
            self.structures
        ):
            raise ValueError(f'structure_of_row must lie in -1 … {len(self.structures) - 1}')
        object.__setattr__(self, 'mode', Mode(self.mode))

    @property
    def n_parameters(self) -> int:
        """Number of rows: of parameters of the potential."""
        return len(self.matrix)

    @property
    def is_empty_row(self) -> Bools:
        """Which rows no structure holds, shape (n_parameters,)."""
        empty: Bools = self.structure_of_row == EMPTY
        return empty

    @property
    def log_volume(self) -> float:
        """Logarithm of |det A|."""
        return float(np.linalg.slogdet(self.matrix)[1])
