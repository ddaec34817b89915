"""The neighbour graph: which faces are similar enough to speak for each other.

Small sets are searched exactly; large ones through inverted lists, which miss a few edges, and a sample says how
many.
"""

from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from scipy.sparse import coo_array, csr_array

from services.reclusterer.inverted_lists import list_pairs, make_lists
from services.reclusterer.pairs import Pairs, Rows, Vectors, joined, similar_pairs
from services.reclusterer.parallel import in_threads

EXACT_LIMIT = 20_000
"""Faces; up to here the exact search takes less than a second on two cores."""

_BLOCK = 2048  # faces on each side of one product: 16 MiB, which stays in the third-level cache
_SAMPLE = 500  # faces whose edges are counted exactly, for the edge recall


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourGraph:
    """An undirected graph of n faces.

    `edges`: symmetric, shape (n, n), float32, its values the inner products; nothing on the diagonal.
    `edge_recall`: the part of all edges that it has: 1 for the exact method, else estimated from a sample.
    """

    edges: csr_array
    method: Literal["exact", "inverted lists"]
    edge_recall: float


def neighbour_graph(
    vectors: Vectors, threshold: float, photos: Rows | None = None, *, seed: int = 0, exact_limit: int = EXACT_LIMIT
) -> NeighbourGraph:
    """Connect all pairs of faces whose inner product is above the threshold.

    `vectors`: shape (n, d), float32, unit length. `photos`: shape (n,), int32, the photo of each face; two faces of
    one photo get no edge. Above `exact_limit` faces the search is approximate; `seed` is that of its lists and of
    the sample.
    """
    n = len(vectors)
    vectors = np.ascontiguousarray(vectors, np.float32)
    photos = np.arange(n, dtype=np.int32) if photos is None else photos
    if n <= exact_limit:
        blocks = [np.arange(start, min(start + _BLOCK, n), dtype=np.int32) for start in range(0, n, _BLOCK)]
        block_pairs = partial(_block_pairs, vectors, photos, threshold)
        pairs = joined(in_threads(block_pairs, combinations_with_replacement(blocks, 2)))
        return NeighbourGraph(_symmetric(pairs, n), "exact", 1.0)
    lists = make_lists(vectors, seed)
    pairs = joined(in_threads(partial(list_pairs, vectors, photos, threshold, lists), range(lists.count)))
    edges = _symmetric(pairs, n)
    return NeighbourGraph(edges, "inverted lists", _edge_recall(edges, vectors, photos, threshold, seed))


def _block_pairs(vectors: Vectors, photos: Rows, threshold: float, blocks: tuple[Rows, Rows]) -> Pairs:
    rows, columns = blocks
    pairs = similar_pairs(vectors, photos, threshold, rows, columns)
    if rows is not columns:
        return pairs
    upper = pairs.first < pairs.second
    return Pairs(pairs.first[upper], pairs.second[upper], pairs.weight[upper])


def _symmetric(pairs: Pairs, n: int) -> csr_array:
    half = coo_array((pairs.weight, (pairs.first, pairs.second)), shape=(n, n)).tocsr()
    return csr_array(half + half.T)


def _edge_recall(edges: csr_array, vectors: Vectors, photos: Rows, threshold: float, seed: int) -> float:
    """Return the part of the edges of some random faces that the graph has, compared with an exact search."""
    n = len(vectors)
    sample = np.random.default_rng(seed).choice(n, min(_SAMPLE, n), replace=False).astype(np.int32)
    blocks = ((sample, np.arange(start, min(start + _BLOCK, n), dtype=np.int32)) for start in range(0, n, _BLOCK))
    exact = sum(in_threads(lambda block: len(similar_pairs(vectors, photos, threshold, *block).first), blocks))
    found = int(np.diff(edges.indptr)[sample].sum())
    return found / exact if exact else 1.0
