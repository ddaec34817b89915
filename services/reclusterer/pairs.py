"""Pairs of similar faces: what a matrix product holds above the threshold, decided by one sum per pair."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.compiled import compiled

Vectors = NDArray[np.float32]
Rows = NDArray[np.int32]

# A matrix product adds in an order that depends on where in the block a pair lies, so the same pair may differ by
# 1e-6. The product only proposes, from a little below the threshold on, and one fixed sum per pair decides.
_SLACK = 1e-5


class Pairs(NamedTuple):
    """Pairs of faces with their inner product: `first`, `second` of int32 and `weight` of float32, shape (m,)."""

    first: Rows
    second: Rows
    weight: NDArray[np.float32]


def joined(parts: list[Pairs]) -> Pairs:
    """Return all pairs as one."""
    if not parts:
        return Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def similar_pairs(vectors: Vectors, photos: Rows, threshold: float, rows: Rows, columns: Rows) -> Pairs:
    """Return the pairs (row, column) of different photos whose inner product is above the threshold.

    `vectors`: shape (n, d), contiguous. `photos`: shape (n,). `rows` and `columns`: faces, by their place in these.
    """
    product = vectors[rows] @ vectors[columns].T
    first, second = _places(product, rows, columns, np.float32(threshold - _SLACK))
    return Pairs(*_decided(vectors, photos, first, second, threshold))


@compiled
def inner_product(vectors: Vectors, first: int, second: int) -> np.float32:
    """Return the inner product of two rows, the same one for (a, b) and (b, a)."""
    total = np.float32(0)
    for axis in range(vectors.shape[1]):
        total += vectors[first, axis] * vectors[second, axis]
    return total


@compiled
def _places(product: Vectors, rows: Rows, columns: Rows, above: np.float32) -> tuple[Rows, Rows]:
    counts = np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        count = 0
        for j in range(len(columns)):
            count += product[i, j] > above
        counts[i] = count
    first = np.empty(counts.sum(), np.int32)
    second = np.empty(len(first), np.int32)
    found = 0
    for i in range(len(rows)):
        if counts[i]:
            for j in range(len(columns)):
                if product[i, j] > above:
                    first[found] = rows[i]
                    second[found] = columns[j]
                    found += 1
    return first, second


@compiled
def _decided(
    vectors: Vectors, photos: Rows, first: Rows, second: Rows, threshold: float
) -> tuple[Rows, Rows, NDArray[np.float32]]:
    weight = np.empty(len(first), np.float32)
    kept = 0
    for index in range(len(first)):
        a = first[index]
        b = second[index]
        if photos[a] != photos[b]:
            similarity = inner_product(vectors, a, b)
            if similarity > threshold:
                first[kept] = a
                second[kept] = b
                weight[kept] = similarity
                kept += 1
    return first[:kept].copy(), second[:kept].copy(), weight[:kept].copy()
