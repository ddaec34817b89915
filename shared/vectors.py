"""Vectors of unit length, whose inner products are cosines."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unit_length(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return vectors, shape (n, d), as float64 of unit length; a vector of zeros stays one.

    Each is first scaled by a power of two, so that no square overflows or vanishes; that changes no bit of the result.
    """
    exact = vectors.astype(np.float64)
    _, exponents = np.frexp(np.abs(exact).max(axis=1, keepdims=True, initial=0))
    exact = np.ldexp(exact, -exponents)
    lengths = np.sqrt(np.square(exact).sum(axis=1, keepdims=True))
    unit: NDArray[np.float64] = exact / np.where(lengths == 0, 1, lengths)
    return unit
