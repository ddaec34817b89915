"""Vectors from files, in the form that the services compute with."""

import numpy as np
from numpy.typing import NDArray


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return vectors of shape (n, d), none of them zero, as float32 of unit length: inner products are cosines."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors / largest  # first, so that no square overflows
    rows: NDArray[np.float32] = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    return rows
