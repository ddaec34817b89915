"""The neighbour graph: which faces are similar enough to speak for each other.

Small sets are searched exactly; large ones through inverted lists, which miss a few edges, and a sample says how
many.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.adjacency import Edges, assembled
from services.reclusterer.clustering.inverted_lists import InvertedLists, make_lists
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.pairs import Found, Rows, Tile, Vectors, neighbours_in
from services.reclusterer.clustering.parallel import Spread, in_threads
from services.reclusterer.clustering.random_orders import Keys, shuffled

EXACT_LIMIT = 20_000
"""Faces; up to here the exact search takes less than a second on two cores."""

_BLOCK = 512  # faces of the exact search that are compared with all at a time
_SAMPLE = 500  # faces whose edges are counted exactly, for the edge recall and to know how much room all need
_SAMPLE_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourGraph:
    """An undirected graph of n faces.

    `edges`: between nodes. `faces`: shape (n,), int32, which face each node is; nodes that are near in number are
    near in memory. `lists`: by which the edges were found, None for the exact search. `edge_recall`: the part of all
    edges that it has: 1 for the exact search, else estimated from a sample.
    """

    edges: Edges
    faces: Rows
    lists: InvertedLists | None
    edge_recall: float

    @property
    def method(self) -> Literal["exact", "inverted_lists"]:
        """How the edges were found."""
        return "inverted_lists" if self.lists else "exact"


def neighbour_graph(
    vectors: Vectors,
    threshold: float,
    photos: Rows,
    *,
    keys: Keys,
    seed: int = 0,
    exact_limit: int = EXACT_LIMIT,
    spread: Spread = in_threads,
) -> NeighbourGraph:
    """Connect all pairs of faces whose inner product is above the threshold.

    `vectors`: shape (n, d), float32, unit length. `photos`: shape (n,), int32, the photo of each face; two faces of
    one photo get no edge. Above `exact_limit` faces the search is approximate; its sample and that of the edge recall
    follow from `keys`, shape (n,), uint64, one for each face, and `seed`. `spread` says who does the work.

    Memory beside the vectors: 13 bytes for each edge, and for inverted lists 250 bytes for each face; and 32 MiB for
    each core.
    """
    n = len(vectors)
    vectors = np.ascontiguousarray(vectors, np.float32)
    order = shuffled(keys, seed)
    sample = order[-_SAMPLE:]
    exact = _degrees(vectors, photos, threshold, sample)
    expected = int(exact.mean() * n) if n else 0
    if n <= exact_limit:
        found = spread(partial(_exact, vectors, photos, threshold), range(0, n, _BLOCK))
        return NeighbourGraph(assembled(found, expected), np.arange(n, dtype=np.int32), None, 1.0)
    lists = make_lists(vectors, order, spread)
    found = spread(partial(_listed, vectors, photos, threshold, lists), range(lists.count))
    edges = assembled(found, expected)
    degrees = np.diff(edges.starts)[lists.ranks[sample]]
    recall = float(degrees.sum() / exact.sum()) if exact.any() else 1.0
    return NeighbourGraph(edges, lists.residents_in_order(), lists, recall)


def _exact(vectors: Vectors, photos: Rows, threshold: float, start: int) -> Found:
    """Return all neighbours of one block of faces."""
    faces = np.roll(np.arange(len(vectors), dtype=np.int32), -start)
    rows = min(_BLOCK, len(vectors) - start)
    one_list = np.zeros(len(vectors), np.int32)
    return neighbours_in(vectors, photos, threshold, Tile(rows, faces, faces, one_list, one_list[:rows, None]))


def _listed(vectors: Vectors, photos: Rows, threshold: float, lists: InvertedLists, number: int) -> Found:
    return neighbours_in(vectors, photos, threshold, lists.tile(number))


def _degrees(vectors: Vectors, photos: Rows, threshold: float, sample: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many neighbours each face of a sample has among all, by an exact search."""

    def in_block(start: int) -> NDArray[np.int64]:
        block = slice(start, start + _SAMPLE_BLOCK)
        return _alike(vectors[sample] @ vectors[block].T, photos[sample], photos[block], np.float32(threshold))

    return sum(in_threads(in_block, range(0, len(vectors), _SAMPLE_BLOCK)), np.zeros(len(sample), np.int64))


@compiled
def _alike(products: Vectors, rows: Rows, columns: Rows, threshold: np.float32) -> NDArray[np.int64]:
    """Return for each row how many columns of another photo have a product above the threshold."""
    counts = np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        for j in range(len(columns)):
            counts[i] += (products[i, j] > threshold) & (columns[j] != rows[i])
    return counts
