"""K-means centres of a set of vectors, and the rows that are nearest to each vector."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import Int32Array, Vectors
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.parallel import ParallelMap, map_in_threads

_BLOCK = 1024  # vectors in one product: with 3,000 centres 12 MiB, which stays in the third-level cache
_LANES = 32  # products that are compared together


def spherical_kmeans(vectors: Vectors, k: int, iterations: int) -> Vectors:
    """Return k centres, shape (k, d), float32, unit length, of vectors of shape (n, d), n >= k, unit length.

    K-means by inner product: Dhillon and Modha, "Concept decompositions for large sparse text data using clustering"
    (2001). The first k vectors are the first centres, so the vectors should be in random order. FAISS has it too, but
    there the last digits depend on the number of threads.
    """
    centres = vectors[:k].copy()
    for _ in range(iterations):
        nearest = nearest_rows(centres, vectors, 1)[1][:, 0]
        sums = _sums(vectors, nearest, k)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-30), centres).astype(np.float32)
    return centres


def nearest_rows(
    rows: Vectors, vectors: Vectors, count: int, parallel_map: ParallelMap = map_in_threads
) -> tuple[NDArray[np.float32], Int32Array]:
    """Return the inner products and the indices of the `count` rows that are nearest to each vector, nearest first.

    Both of shape (n, count). Of rows with equal products the lower index comes first.
    """
    starts = range(0, len(vectors), _BLOCK)
    parts = list(parallel_map(partial(_nearest_in_block, rows, vectors, count), starts))
    if not parts:
        return np.empty((0, count), np.float32), np.empty((0, count), np.int32)
    products, numbers = zip(*parts, strict=True)
    return np.concatenate(products), np.concatenate(numbers)


def _nearest_in_block(
    rows: Vectors, vectors: Vectors, count: int, start: int
) -> tuple[NDArray[np.float32], Int32Array]:
    return largest(vectors[start : start + _BLOCK] @ rows.T, count)


@compiled
def largest(products: Vectors, count: int) -> tuple[NDArray[np.float32], Int32Array]:
    """Return the largest values of each row and their columns, largest first, both of shape (n, count).

    Where a row has fewer values, the rest is minus infinity and -1. Of equal values, the one in the first column comes
    first. `numpy.argpartition` is slower and keeps no such order (docs/decisions/010).
    """
    n, width = products.shape
    best = np.full((n, count), -np.inf, np.float32)
    numbers = np.full((n, count), -1, np.int32)
    for row in range(n):
        worst = best[row, count - 1]
        for start in range(0, width, _LANES):
            if start + _LANES <= width:
                above = np.int32(0)
                for lane in range(_LANES):  # without a branch, so that it uses vector instructions
                    above += np.int32(products[row, start + lane] > worst)
                if above == 0:
                    continue
            for column in range(start, min(start + _LANES, width)):
                product = products[row, column]
                if product > worst:
                    rank = count - 1
                    while rank > 0 and best[row, rank - 1] < product:
                        best[row, rank] = best[row, rank - 1]
                        numbers[row, rank] = numbers[row, rank - 1]
                        rank -= 1
                    best[row, rank] = product
                    numbers[row, rank] = column
                    worst = best[row, count - 1]
    return best, numbers


@compiled
def _sums(vectors: Vectors, nearest: Int32Array, k: int) -> Vectors:
    """Return the sum of the vectors of each centre, shape (k, d). `nearest`: shape (n,), the centre of each vector."""
    sums = np.zeros((k, vectors.shape[1]), np.float32)
    for row in range(len(vectors)):
        for axis in range(vectors.shape[1]):
            sums[nearest[row], axis] += vectors[row, axis]
    return sums
