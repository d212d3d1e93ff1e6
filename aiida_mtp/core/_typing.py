"""Array aliases."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Types = NDArray[np.int16]
Bools = NDArray[np.bool_]
Strings = NDArray[np.object_]
Column = NDArray[Any]
