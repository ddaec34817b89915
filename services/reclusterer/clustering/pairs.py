"""Pairs of similar faces: a matrix product finds the candidates, one sum for each pair decides.

A matrix product adds in an order that depends on the position of a pair in the block, so the product of one pair may
differ by 1e-6 from block to block. Where that could decide whether a pair is an edge, or the weight of the edge, the
inner product is computed again in an order that is always the same.
"""

from typing import NamedTuple

import numpy as np

from services.reclusterer.clustering.arrays import Int32Array, Vectors, Weights
from services.reclusterer.clustering.jit import compiled

NO_LIST = -1
"""Fills up the rows of arrays of list numbers: no further list."""

FULL_WEIGHT = 255
"""The weight of an edge between equal faces. One byte is enough: four bytes give no better clusters."""

_SLACK = 1e-5
_PRODUCT = 4 << 20  # inner products in one matrix: 16 MiB, which stays in the third-level cache


class Tile(NamedTuple):
    """Faces to compare: each of the first `rows` of `faces` with all of them.

    `faces`: shape (m,), numbers of faces. `ranks`: shape (m,), the node of each face in the graph. `home_lists`: shape
    (m,), the list in which each face lives. `near_lists`: shape (rows, p), the lists that each of the first faces is
    in, filled up with `NO_LIST`.
    """

    rows: int
    faces: Int32Array
    ranks: Int32Array
    home_lists: Int32Array
    near_lists: Int32Array


class Neighbours(NamedTuple):
    """What was found in a tile, all arrays one-dimensional.

    `counts`: the number of neighbours of each row. `ranks` and `weights`: the nodes of the neighbours and the weights
    of the edges, row after row. `reverse_from`, `reverse_to`, `reverse_weights`: those edges in the other direction
    that no other tile finds.
    """

    counts: Int32Array
    ranks: Int32Array
    weights: Weights
    reverse_from: Int32Array
    reverse_to: Int32Array
    reverse_weights: Weights


def tile_neighbours(vectors: Vectors, photos: Int32Array, threshold: float, tile: Tile) -> Neighbours:
    """Return the neighbours of the first faces of a tile: those on other photos with a product above the threshold.

    `vectors`: shape (n, d), contiguous. `photos`: shape (n,). The memory is 4 d bytes for each face of the tile and
    at most 32 MiB, beside the result.
    """
    columns = vectors[tile.faces]
    photos = photos[tile.faces]
    step = max(1, _PRODUCT // max(1, len(columns)))
    parts = []
    for start in range(0, tile.rows, step):
        rows = columns[start : min(start + step, tile.rows)]
        parts.append(_neighbours(rows @ columns.T, columns, photos, threshold, start, tile))
    return Neighbours(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _NONE


_NONE = Neighbours(
    counts=np.empty(0, np.int32),
    ranks=np.empty(0, np.int32),
    weights=np.empty(0, np.uint8),
    reverse_from=np.empty(0, np.int32),
    reverse_to=np.empty(0, np.int32),
    reverse_weights=np.empty(0, np.uint8),
)


@compiled
def inner_product(vectors: Vectors, first: int, second: int) -> np.float32:
    """Return the inner product of two rows; (a, b) and (b, a) give the same bits."""
    total = np.float32(0)
    for axis in range(vectors.shape[1]):
        total += vectors[first, axis] * vectors[second, axis]
    return total


@compiled
def _count_above(products: Vectors, low: np.float32) -> int:
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
    """Return the weight of the edge between two faces, 0 for no edge. `product`: about their inner product."""
    scaled = product * FULL_WEIGHT + np.float32(0.5)
    if product <= threshold + _SLACK or abs(scaled - round(scaled)) < _SLACK * FULL_WEIGHT:
        product = inner_product(vectors, first, second)
        if product <= threshold:
            return 0
        scaled = product * FULL_WEIGHT + np.float32(0.5)
    return min(max(int(scaled), 1), FULL_WEIGHT)


@compiled
def _neighbours(
    products: Vectors, columns: Vectors, photos: Int32Array, threshold: float, start: int, tile: Tile
) -> tuple[Int32Array, Int32Array, Weights, Int32Array, Int32Array, Weights]:
    """Return the fields of `Neighbours` for some rows of a tile, from `start` on. `products`: of these rows."""
    rows, width = products.shape
    low = np.float32(threshold - _SLACK)
    ranks, home_lists, near_lists = tile.ranks, tile.home_lists, tile.near_lists
    most = _count_above(products, low)
    counts = np.zeros(rows, np.int32)
    found, weights = np.empty(most, np.int32), np.empty(most, np.uint8)
    reverse_from, reverse_to = np.empty(most, np.int32), np.empty(most, np.int32)
    reverse_weights = np.empty(most, np.uint8)
    candidates = np.empty(width + 1, np.int32)
    is_near = np.zeros(max(home_lists.max(), near_lists.max()) + 2, np.bool_)  # the last element is that of `NO_LIST`
    total = reverse = 0
    for i in range(rows):
        hits = 0
        for j in range(width):  # without a branch, which no processor could predict
            candidates[hits] = j
            hits += products[i, j] > low
        row = start + i
        for probe in range(near_lists.shape[1]):
            is_near[near_lists[row, probe]] = True
        before = total
        for hit in range(hits):
            j = candidates[hit]
            if photos[j] == photos[row]:
                continue
            weight = _weight(products[i, j], columns, row, j, threshold)
            if weight == 0:
                continue
            found[total] = ranks[j]
            weights[total] = weight
            total += 1
            if not is_near[home_lists[j]]:
                reverse_from[reverse] = ranks[j]
                reverse_to[reverse] = ranks[row]
                reverse_weights[reverse] = weight
                reverse += 1
        counts[i] = total - before
        for probe in range(near_lists.shape[1]):
            is_near[near_lists[row, probe]] = False
    return (
        counts,
        found[:total].copy(),
        weights[:total].copy(),
        reverse_from[:reverse].copy(),
        reverse_to[:reverse].copy(),
        reverse_weights[:reverse].copy(),
    )
