"""The medoid: the member that lies nearest to all others, a real face that stands for its cluster.

Kaufman and Rousseeuw, "Clustering by means of medoids" (1987).
"""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2048  # members on each side of one product, so that a cluster of any size needs 50 MiB


def medoid(vectors: NDArray[np.float32]) -> int:
    """Return the row with the least sum of Euclidean distances to all rows; of equal ones the first.

    `vectors`: shape (n, d), n >= 1, float32, unit length.
    """
    n = len(vectors)
    exact = vectors.astype(np.float64) if n <= _BLOCK else vectors
    total = np.zeros(n)
    for start in range(0, n, _BLOCK):
        rows = exact[start : start + _BLOCK]
        for other in range(start, n, _BLOCK):
            columns = exact[other : other + _BLOCK]
            # |a - b|^2 = 2 - 2ab for vectors of unit length
            distances = np.sqrt(np.maximum(2 - 2 * (rows @ columns.T), 0))
            total[start : start + _BLOCK] += distances.sum(axis=1)
            if other != start:
                total[other : other + _BLOCK] += distances.sum(axis=0)
    return int(np.argmin(total))
