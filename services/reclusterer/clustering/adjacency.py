"""The edges of a graph, 5 bytes for each direction, put together in place."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.pairs import Found, Rows, Weights

_ROOM = 2  # times what is expected, since the estimate comes from a sample
_GROWTH = 16  # an array that is full all the same grows by one part of this many


class Edges(NamedTuple):
    """A symmetric graph of n nodes without self edges: compressed sparse rows.

    The neighbours of node i are `neighbours[starts[i] : starts[i + 1]]`, int32, with `weights` of the same places,
    uint8, in 255ths of the inner product. `starts`: shape (n + 1,), int64.
    """

    starts: NDArray[np.int64]
    neighbours: Rows
    weights: Weights

    @property
    def edge_count(self) -> int:
        """The number of edges, each counted once."""
        return len(self.neighbours) // 2

    def as_csr(self) -> csr_array:
        """Return the same as a matrix of SciPy, float32, its values the weights in 255ths."""
        n = len(self.starts) - 1
        return csr_array((self.weights.astype(np.float32), self.neighbours, self.starts), shape=(n, n))


def assembled(parts: Iterable[Found], expected: int) -> Edges:
    """Return the edges that the parts have found; each part is of the nodes that follow those of the part before.

    `expected`: about how many neighbours all nodes have together.

    Memory beside the result: 9 bytes for each edge that only one of its two ends has found, 0.7 % of them in a
    million synthetic faces; and 1/16 of the result where far more come than were expected.
    """
    counts: list[Rows] = [np.empty(0, np.int32)]
    backs: list[tuple[Rows, Rows, Weights]] = []
    # Room that is not used costs nothing: the system gives memory when it is first written to.
    neighbours, weights = np.empty(_ROOM * expected, np.int32), np.empty(_ROOM * expected, np.uint8)
    filled = 0
    for part in parts:
        counts.append(part.counts)
        backs.append((part.back_from, part.back_to, part.back_weights))
        stop = filled + len(part.ranks)
        if stop > len(neighbours):
            neighbours.resize(stop + stop // _GROWTH, refcheck=False)
            weights.resize(len(neighbours), refcheck=False)
        neighbours[filled:stop] = part.ranks
        weights[filled:stop] = part.weights
        filled = stop
    found = np.concatenate(counts)
    ends = found.astype(np.int64)
    for back_from, _, _ in backs:
        np.add.at(ends, back_from, 1)
    starts = np.concatenate([[0], np.cumsum(ends)])
    if starts[-1] > len(neighbours):
        neighbours.resize(starts[-1], refcheck=False)
        weights.resize(starts[-1], refcheck=False)
    neighbours, weights = neighbours[: starts[-1]], weights[: starts[-1]]
    _make_room(found, starts, neighbours, weights)
    places = np.add(starts[:-1], found, dtype=np.int64)
    for back_from, back_to, back_weights in backs:
        _fill(back_from, back_to, back_weights, places, neighbours, weights)
    return Edges(starts, neighbours, weights)


@compiled
def _make_room(found: Rows, starts: NDArray[np.int64], neighbours: Rows, weights: Weights) -> None:
    """Move what each node has found, which lies side by side, to the start of its place, the last node first."""
    stop = found.sum()
    for node in range(len(found) - 1, -1, -1):
        stop -= found[node]
        if stop == starts[node]:
            break
        for place in range(found[node] - 1, -1, -1):
            neighbours[starts[node] + place] = neighbours[stop + place]
            weights[starts[node] + place] = weights[stop + place]


@compiled
def _fill(  # noqa: PLR0917  compiled code takes plain arrays
    back_from: Rows, back_to: Rows, back: Weights, places: NDArray[np.int64], neighbours: Rows, weights: Weights
) -> None:
    for index in range(len(back_from)):
        place = places[back_from[index]]
        neighbours[place] = back_to[index]
        weights[place] = back[index]
        places[back_from[index]] += 1
