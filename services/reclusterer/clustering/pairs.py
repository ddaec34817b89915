"""Pairs of similar faces: what a matrix product holds above the threshold, decided by one sum per pair."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.jit import compiled

Vectors = NDArray[np.float32]
Rows = NDArray[np.int32]
Weights = NDArray[np.uint8]

NOWHERE = -1
"""The number of no list."""

UNIT = 255
"""The weight of an edge between equal faces. One byte is enough: with four the clusters are no better."""

# A matrix product adds in an order that depends on where in the block a pair lies, so the same pair may differ by
# 1e-6. Where that could decide whether a pair is an edge, or what it weighs, one fixed sum per pair decides.
_SLACK = 1e-5
_PRODUCT = 4 << 20  # inner products at a time: 16 MiB, which stays in the third-level cache


class Tile(NamedTuple):
    """Faces to compare: each of the first `rows` of `faces` with all of them.

    `faces`: shape (m,), numbers of faces. `ranks`: shape (m,), the number of each in the graph. `homes`: shape (m,),
    the list in which each lives. `near`: shape (rows, p), the lists that each of the first ones is in, or
    `NOWHERE`.
    """

    rows: int
    faces: Rows
    ranks: Rows
    homes: Rows
    near: Rows


class Found(NamedTuple):
    """Neighbours: `counts` of each row of a tile, and their `ranks` and `weights`, row after row.

    `back_*` are pairs (from, to, weight) in the other direction, which no other tile finds.
    """

    counts: Rows
    ranks: Rows
    weights: Weights
    back_from: Rows
    back_to: Rows
    back_weights: Weights


def neighbours_in(vectors: Vectors, photos: Rows, threshold: float, tile: Tile) -> Found:
    """Return the neighbours of the first faces of a tile: other photos, inner product above the threshold.

    `vectors`: shape (n, d), contiguous. `photos`: shape (n,). The work needs 4 d bytes for each face of the tile and
    at most 32 MiB more, apart from what it returns.
    """
    columns = vectors[tile.faces]
    photos = photos[tile.faces]
    step = max(1, _PRODUCT // max(1, len(columns)))
    parts = []
    for start in range(0, tile.rows, step):
        rows = columns[start : min(start + step, tile.rows)]
        parts.append(_found(rows @ columns.T, columns, photos, threshold, start, *tile[2:]))
    return Found(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _NONE


_NONE = Found(*(np.empty(0, dtype) for dtype in (*[np.int32] * 2, np.uint8, *[np.int32] * 2, np.uint8)))


@compiled
def inner_product(vectors: Vectors, first: int, second: int) -> np.float32:
    """Return the inner product of two rows, the same one for (a, b) and (b, a)."""
    total = np.float32(0)
    for axis in range(vectors.shape[1]):
        total += vectors[first, axis] * vectors[second, axis]
    return total


@compiled
def _above(products: Vectors, low: np.float32) -> int:
    rows, width = products.shape
    total = 0
    for i in range(rows):
        count = 0
        for j in range(width):
            count += products[i, j] > low
        total += count
    return total


@compiled
def _weight(product: np.float32, vectors: Vectors, first: int, second: int, threshold: float) -> int:
    """Return what a pair of faces weighs, 0 where it is no edge. `product`: about their inner product."""
    scaled = product * UNIT + np.float32(0.5)
    if product <= threshold + _SLACK or abs(scaled - round(scaled)) < _SLACK * UNIT:
        product = inner_product(vectors, first, second)
        if product <= threshold:
            return 0
        scaled = product * UNIT + np.float32(0.5)
    return min(max(int(scaled), 1), UNIT)


@compiled
def _found(  # noqa: PLR0917  compiled code takes plain arrays
    products: Vectors,
    columns: Vectors,
    photos: Rows,
    threshold: float,
    start: int,
    ranks: Rows,
    homes: Rows,
    near: Rows,
) -> tuple[Rows, Rows, Weights, Rows, Rows, Weights]:
    rows, width = products.shape
    low = np.float32(threshold - _SLACK)
    most = _above(products, low)
    counts = np.zeros(rows, np.int32)
    found, weights = np.empty(most, np.int32), np.empty(most, np.uint8)
    back_from, back_to, back_weights = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.uint8)
    places = np.empty(width + 1, np.int32)
    listed = np.zeros(max(homes.max(), near.max()) + 2, np.bool_)  # the last place is that of `NOWHERE`
    total = back = 0
    for i in range(rows):
        hits = 0
        for j in range(width):  # without a branch, which no processor could foresee
            places[hits] = j
            hits += products[i, j] > low
        row = start + i
        for probe in range(near.shape[1]):
            listed[near[row, probe]] = True
        before = total
        for hit in range(hits):
            j = places[hit]
            if photos[j] == photos[row]:
                continue
            weight = _weight(products[i, j], columns, row, j, threshold)
            if weight == 0:
                continue
            found[total] = ranks[j]
            weights[total] = weight
            total += 1
            if not listed[homes[j]]:
                back_from[back] = ranks[j]
                back_to[back] = ranks[row]
                back_weights[back] = weight
                back += 1
        counts[i] = total - before
        for probe in range(near.shape[1]):
            listed[near[row, probe]] = False
    return (
        counts,
        found[:total].copy(),
        weights[:total].copy(),
        back_from[:back].copy(),
        back_to[:back].copy(),
        back_weights[:back].copy(),
    )
