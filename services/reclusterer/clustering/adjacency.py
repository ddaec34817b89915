"""The adjacency of the neighbour graph as compressed sparse rows: 5 bytes for each direction of an edge."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.reclusterer.clustering.arrays import Int32Array, Weights
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.pairs import Neighbours

_ROOM = 2  # times the expected number of neighbours, which is an estimate from a sample
_GROWTH = 16  # an array that is full nevertheless grows by this fraction: 1/16


class Adjacency(NamedTuple):
    """A symmetric graph of n nodes without self-loops, as compressed sparse rows.

    The neighbours of node i are `neighbours[starts[i] : starts[i + 1]]`, int32. The `weights` of its edges have the
    same indices, uint8, in 255ths of the inner product. `starts`: shape (n + 1,), int64.
    """

    starts: NDArray[np.int64]
    neighbours: Int32Array
    weights: Weights

    @property
    def edge_count(self) -> int:
        """The number of edges, each counted once."""
        return len(self.neighbours) // 2

    def as_csr(self) -> csr_array:
        """Return the graph as a SciPy matrix, float32, whose values are the weights in 255ths."""
        n = len(self.starts) - 1
        return csr_array((self.weights.astype(np.float32), self.neighbours, self.starts), shape=(n, n))


def assemble_adjacency(parts: Iterable[Neighbours], expected: int) -> Adjacency:
    """Put the neighbours that were found in all tiles together, without a copy.

    The nodes of each part follow those of the part before it. `expected`: about how many neighbours all nodes have
    together.

    Memory beside the result: 9 bytes for each edge that only one of its two nodes has found, and 1/16 of the result
    where far more neighbours come than were expected.
    """
    counts: list[Int32Array] = [np.empty(0, np.int32)]
    reversed_edges: list[tuple[Int32Array, Int32Array, Weights]] = []
    # Unused room costs no memory: the system provides a page when it is first written to.
    neighbours, weights = np.empty(_ROOM * expected, np.int32), np.empty(_ROOM * expected, np.uint8)
    filled = 0
    for part in parts:
        counts.append(part.counts)
        reversed_edges.append((part.reverse_from, part.reverse_to, part.reverse_weights))
        stop = filled + len(part.ranks)
        if stop > len(neighbours):
            neighbours.resize(stop + stop // _GROWTH, refcheck=False)
            weights.resize(len(neighbours), refcheck=False)
        neighbours[filled:stop] = part.ranks
        weights[filled:stop] = part.weights
        filled = stop
    found = np.concatenate(counts)
    degrees = found.astype(np.int64)
    for reverse_from, _, _ in reversed_edges:
        np.add.at(degrees, reverse_from, 1)
    starts = np.concatenate([[0], np.cumsum(degrees)])
    if starts[-1] > len(neighbours):
        neighbours.resize(starts[-1], refcheck=False)
        weights.resize(starts[-1], refcheck=False)
    adjacency = Adjacency(starts, neighbours[: starts[-1]], weights[: starts[-1]])
    _make_room(found, adjacency)
    ends = np.add(starts[:-1], found, dtype=np.int64)
    for reverse_from, reverse_to, reverse_weights in reversed_edges:
        _append(reverse_from, reverse_to, reverse_weights, ends, adjacency)
    return adjacency


@compiled
def _make_room(found: Int32Array, adjacency: Adjacency) -> None:
    """Move the `found` neighbours of each node, which are stored without gaps, to the node's start; last node first."""
    starts, neighbours, weights = adjacency.starts, adjacency.neighbours, adjacency.weights
    stop = found.sum()
    for node in range(len(found) - 1, -1, -1):
        stop -= found[node]
        if stop == starts[node]:
            break
        for index in range(found[node] - 1, -1, -1):
            neighbours[starts[node] + index] = neighbours[stop + index]
            weights[starts[node] + index] = weights[stop + index]


@compiled
def _append(
    nodes: Int32Array, others: Int32Array, edge_weights: Weights, ends: NDArray[np.int64], adjacency: Adjacency
) -> None:
    """Append one neighbour to each of `nodes`. `ends`: shape (n,), the index of the next neighbour of each node."""
    neighbours, weights = adjacency.neighbours, adjacency.weights
    for index in range(len(nodes)):
        end = ends[nodes[index]]
        neighbours[end] = others[index]
        weights[end] = edge_weights[index]
        ends[nodes[index]] += 1
