"""The neighbour graph: an edge between any two faces that are similar enough.

Small sets are searched exactly. Large ones are searched through inverted lists, which miss a few edges; a sample
estimates how many.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.adjacency import Adjacency, assemble_adjacency
from services.reclusterer.clustering.arrays import Int32Array, Keys, Vectors
from services.reclusterer.clustering.inverted_lists import InvertedLists, make_lists
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.pairs import Neighbours, Tile, tile_neighbours
from services.reclusterer.clustering.parallel import ParallelMap, map_in_threads
from services.reclusterer.clustering.random_orders import shuffled

EXACT_LIMIT = 20_000
"""Faces; up to here the exact search is fast enough (docs/decisions/010)."""

_BLOCK = 512  # faces that the exact search compares with all faces at a time
_SAMPLE = 500  # faces whose edges are counted exactly, for the edge recall and the expected number of edges
_SAMPLE_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class NeighbourSearch:
    """How neighbours are searched. `exact_limit`: the number of faces up to which the search is exact."""

    exact_limit: int = EXACT_LIMIT
    parallel_map: ParallelMap = map_in_threads


DEFAULT_SEARCH = NeighbourSearch()


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourGraph:
    """An undirected graph of n faces.

    `adjacency`: of nodes. `faces`: shape (n,), int32, the face of each node; nodes with near numbers are near in
    memory. `lists`: the inverted lists that found the edges, None for the exact search. `edge_recall`: the share of
    all edges that was found: 1 for the exact search, else an estimate from a sample.
    """

    adjacency: Adjacency
    faces: Int32Array
    lists: InvertedLists | None
    edge_recall: float


def neighbour_graph(
    vectors: Vectors,
    photos: Int32Array,
    threshold: float,
    *,
    keys: Keys,
    seed: int = 0,
    search: NeighbourSearch = DEFAULT_SEARCH,
) -> NeighbourGraph:
    """Connect all pairs of faces on different photos whose inner product is above the threshold.

    `vectors`: shape (n, d), float32, unit length. `photos`: shape (n,), int32, the photo of each face. Random choices,
    as that of the samples, depend on `keys`, shape (n,), uint64, and `seed`.

    Memory beside the vectors: 13 bytes for each edge, for inverted lists 250 bytes for each face, and 32 MiB for each
    core.
    """
    n = len(vectors)
    vectors = np.ascontiguousarray(vectors, np.float32)
    order = shuffled(keys, seed)
    sample = order[-_SAMPLE:]
    exact = _degrees(vectors, photos, threshold, sample)
    expected = int(exact.mean() * n) if n else 0
    if n <= search.exact_limit:
        found = search.parallel_map(partial(_neighbours_of_block, vectors, photos, threshold), range(0, n, _BLOCK))
        return NeighbourGraph(assemble_adjacency(found, expected), np.arange(n, dtype=np.int32), None, 1.0)
    lists = make_lists(vectors, order, search.parallel_map)
    found = search.parallel_map(partial(_neighbours_of_list, vectors, photos, threshold, lists), range(lists.count))
    adjacency = assemble_adjacency(found, expected)
    degrees = np.diff(adjacency.starts)[lists.ranks[sample]]
    recall = float(degrees.sum() / exact.sum()) if exact.any() else 1.0
    return NeighbourGraph(adjacency, lists.residents_in_order(), lists, recall)


def _neighbours_of_block(vectors: Vectors, photos: Int32Array, threshold: float, start: int) -> Neighbours:
    """Return all neighbours of the faces of one block."""
    faces = np.roll(np.arange(len(vectors), dtype=np.int32), -start)
    rows = min(_BLOCK, len(vectors) - start)
    one_list = np.zeros(len(vectors), np.int32)
    tile = Tile(rows=rows, faces=faces, ranks=faces, home_lists=one_list, near_lists=one_list[:rows, None])
    return tile_neighbours(vectors, photos, threshold, tile)


def _neighbours_of_list(
    vectors: Vectors, photos: Int32Array, threshold: float, lists: InvertedLists, number: int
) -> Neighbours:
    """Return those neighbours of the residents of one list that are in the list too."""
    return tile_neighbours(vectors, photos, threshold, lists.tile(number))


def _degrees(vectors: Vectors, photos: Int32Array, threshold: float, sample: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of neighbours of each face of a sample among all faces, by an exact search."""

    def in_block(start: int) -> NDArray[np.int64]:
        block = slice(start, start + _SAMPLE_BLOCK)
        return _counts_above(vectors[sample] @ vectors[block].T, photos[sample], photos[block], np.float32(threshold))

    return sum(map_in_threads(in_block, range(0, len(vectors), _SAMPLE_BLOCK)), np.zeros(len(sample), np.int64))


@compiled
def _counts_above(
    products: Vectors, row_photos: Int32Array, column_photos: Int32Array, threshold: np.float32
) -> NDArray[np.int64]:
    """Return for each row the number of columns of another photo with a product above the threshold."""
    counts = np.zeros(len(row_photos), np.int64)
    for i in range(len(row_photos)):
        for j in range(len(column_photos)):
            counts[i] += (products[i, j] > threshold) & (column_photos[j] != row_photos[i])
    return counts
