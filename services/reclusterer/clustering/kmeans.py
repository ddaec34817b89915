"""Centres of a set of vectors, and for each vector the centres nearest to it."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.pairs import Rows, Vectors
from services.reclusterer.clustering.parallel import Spread, in_threads

_BLOCK = 1024  # vectors in one product: with 3,000 centres 12 MiB, which stays in the third-level cache
_LANES = 32  # products looked at together


def spherical_kmeans(vectors: Vectors, k: int, iterations: int) -> Vectors:
    """Return k centres, float32, unit length, for vectors of shape (n, d), n >= k, unit length.

    K-means by inner product: Dhillon and Modha, "Concept decompositions for large sparse text data using clustering"
    (2001). It begins with the first k vectors, so they should be in random order. FAISS has it too, but there its
    last digits depend on the number of threads.
    """
    centres = vectors[:k].copy()
    for _ in range(iterations):
        nearest = nearest_rows(centres, vectors, 1)[1][:, 0]
        sums = _sums(vectors, nearest, k)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-30), centres).astype(np.float32)
    return centres


def nearest_rows(
    rows: Vectors, vectors: Vectors, count: int, spread: Spread = in_threads
) -> tuple[NDArray[np.float32], Rows]:
    """Return the inner products and numbers of the `count` rows nearest to each vector, shape (n, count), best first.

    Of equal ones the first comes first.
    """
    starts = range(0, len(vectors), _BLOCK)
    parts = list(spread(partial(_nearest_in_block, rows, vectors, count), starts))
    if not parts:
        return np.empty((0, count), np.float32), np.empty((0, count), np.int32)
    products, numbers = zip(*parts, strict=True)
    return np.concatenate(products), np.concatenate(numbers)


def _nearest_in_block(rows: Vectors, vectors: Vectors, count: int, start: int) -> tuple[NDArray[np.float32], Rows]:
    return largest(vectors[start : start + _BLOCK] @ rows.T, count)


@compiled
def largest(products: Vectors, count: int) -> tuple[NDArray[np.float32], Rows]:
    """Return the largest numbers of each row and their columns, best first; minus infinity and -1 where is none.

    Of equal numbers the first comes first. `numpy.argpartition`, which keeps no such order, is slower: on one core and
    1,024 rows of 950 columns, as 100,000 faces have them, the 24 largest take 4 ms here and 9 ms there (11 ms with
    the order), the 2 largest 0.8 ms and 9 ms, the largest 0.6 ms and 9 ms.
    """
    n, width = products.shape
    best = np.full((n, count), -np.inf, np.float32)
    numbers = np.full((n, count), -1, np.int32)
    for row in range(n):
        worst = best[row, count - 1]
        for start in range(0, width, _LANES):
            if start + _LANES <= width:
                above = np.int32(0)
                for lane in range(_LANES):  # without a branch, so that the vector unit does it
                    above += np.int32(products[row, start + lane] > worst)
                if above == 0:
                    continue
            for column in range(start, min(start + _LANES, width)):
                product = products[row, column]
                if product > worst:
                    place = count - 1
                    while place > 0 and best[row, place - 1] < product:
                        best[row, place] = best[row, place - 1]
                        numbers[row, place] = numbers[row, place - 1]
                        place -= 1
                    best[row, place] = product
                    numbers[row, place] = column
                    worst = best[row, count - 1]
    return best, numbers


@compiled
def _sums(vectors: Vectors, groups: Rows, k: int) -> Vectors:
    sums = np.zeros((k, vectors.shape[1]), np.float32)
    for row in range(len(vectors)):
        for axis in range(vectors.shape[1]):
            sums[groups[row], axis] += vectors[row, axis]
    return sums
