"""The types of the arrays that clustering works on. Each function states the shapes of its own."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Vectors as rows, shape (n, d); those of faces have unit length."""

Int32Array = NDArray[np.int32]
"""Numbers of faces, nodes, photos or lists."""

Weights = NDArray[np.uint8]
"""Weights of edges, in 255ths of the inner product."""

Labels = NDArray[np.int32]
"""The number of the cluster of each face, shape (n,), or `UNKNOWN`."""

Keys = NDArray[np.uint64]
"""One number for each face that never changes, shape (n,): random orders are derived from it."""

UNKNOWN = -1
"""The label of a face that is in no cluster."""
