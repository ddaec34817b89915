"""Medoids: the medoid of a cluster is the member with the least sum of distances to all members.

Kaufman and Rousseeuw, "Clustering by means of medoids" (1987).
"""

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import Vectors
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.parallel import map_in_threads

_BLOCK = 2048  # members on each side of one product, so that a cluster of any size needs 50 MiB
_PAIRS = 1 << 20  # pairs of members in one piece of work on small clusters: some 10 ms


def medoids(vectors: Vectors, members: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the medoid of each of k clusters, shape (k,), int64: the row that `medoid` chooses of its members.

    The members of cluster c are `members[starts[c] : starts[c + 1]]`, rows of the vectors. `starts`: shape (k + 1,).
    """
    sizes = np.diff(starts)
    small = np.flatnonzero(sizes <= _BLOCK)
    found = members[starts[:-1]]
    pieces = np.split(small, np.flatnonzero(np.diff(np.cumsum(sizes[small] ** 2) // _PAIRS)) + 1)

    def of_small(piece: NDArray[np.int64]) -> NDArray[np.int64]:
        return _medoids(vectors, members, starts, piece)

    def of_large(cluster: int) -> int:
        own = members[starts[cluster] : starts[cluster + 1]]
        return int(own[medoid(vectors[own])])

    for piece, of_piece in zip(pieces, map_in_threads(of_small, pieces), strict=True):
        found[piece] = of_piece
    large = np.flatnonzero(sizes > _BLOCK).tolist()
    for cluster, of_cluster in zip(large, map_in_threads(of_large, large), strict=True):
        found[cluster] = of_cluster
    return found


def medoid(vectors: Vectors) -> int:
    """Return the row with the least sum of Euclidean distances to all rows; of equal sums the first row.

    `vectors`: shape (n, d), n >= 1, float32, unit length.
    """
    n = len(vectors)
    if n <= _BLOCK:
        return int(_medoids(vectors, np.arange(n), np.array([0, n]), np.zeros(1, np.int64))[0])
    total = np.zeros(n)
    for start in range(0, n, _BLOCK):
        rows = vectors[start : start + _BLOCK]
        for other in range(start, n, _BLOCK):
            columns = vectors[other : other + _BLOCK]
            # |a - b|^2 = 2 - 2ab for vectors of unit length
            distances = np.sqrt(np.maximum(2 - 2 * (rows @ columns.T), 0))
            total[start : start + _BLOCK] += distances.sum(axis=1)
            if other != start:
                total[other : other + _BLOCK] += distances.sum(axis=0)
    return int(np.argmin(total))


@compiled
def _medoids(
    vectors: Vectors, members: NDArray[np.int64], starts: NDArray[np.int64], clusters: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the medoids of these clusters, shape (len(clusters),)."""
    found = np.empty(len(clusters), np.int64)
    for index in range(len(clusters)):
        own = members[starts[clusters[index]] : starts[clusters[index] + 1]]
        total = np.zeros(len(own))
        for i in range(len(own)):
            for j in range(i):
                square = np.float32(0)
                for axis in range(vectors.shape[1]):
                    difference = vectors[own[i], axis] - vectors[own[j], axis]
                    square += difference * difference
                distance = np.sqrt(square)
                total[i] += distance
                total[j] += distance
        found[index] = own[np.argmin(total)]
    return found
