"""Chinese Whispers: nodes take over the label with the largest weight around them, until no label changes.

Chris Biemann, "Chinese Whispers: an efficient graph clustering algorithm and its application to natural language
processing problems" (TextGraphs 2006). Every node starts with a label of its own. In each round the nodes are
visited in random order, and each takes the label whose weights, summed over its neighbours, are largest. Of several
such labels it keeps its own if that is among them, else it takes the lowest. `reference.py` is the plain form.

Two rules are added. A node never takes a label that another node of the same photo has, since nobody is on a photo
twice. And the nodes may start with the labels of an earlier clustering, so that what did not change stays together.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.adjacency import Adjacency
from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Keys, Labels, Weights
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.random_orders import visiting_orders


class ChineseWhispers(Protocol):
    """An implementation of Chinese Whispers: `chinese_whispers` here, or the one in `reference`."""

    def __call__(
        self,
        adjacency: Adjacency,
        iterations: int,
        seed: int,
        *,
        keys: Keys,
        photos: Int32Array,
        previous: Int32Array | None = None,
    ) -> Labels:
        """Return a label for each node, as `chinese_whispers` does."""
        ...


class _PhotoNodes(NamedTuple):
    """The photo of each node, `photo_of`; the nodes of photo p are `nodes[starts[p] : starts[p + 1]]`."""

    photo_of: Int32Array
    nodes: Int32Array
    starts: NDArray[np.int64]


class _Scratch(NamedTuple):
    """Memory that visits share. `totals`: shape (n,), zero between visits. `heard`: shape (n,), of any content."""

    totals: NDArray[np.int64]
    heard: Labels


def chinese_whispers(
    adjacency: Adjacency,
    iterations: int,
    seed: int,
    *,
    keys: Keys,
    photos: Int32Array,
    previous: Int32Array | None = None,
) -> Labels:
    """Return a label for each node, shape (n,), int32: the number of one of its cluster's nodes, or `UNKNOWN`.

    There are at most `iterations` rounds. The order of visits depends on `keys`, shape (n,), uint64, and `seed`.
    `photos`: shape (n,), int32, not negative. `previous`: shape (n,), int32, earlier clusters or `UNKNOWN`.
    """
    n = len(photos)
    labels = first_labels(adjacency, photos, previous)
    # A label depends on those of the neighbours, those of the same photo and, in a tie, the node's own. So a node
    # around which nothing changed since its last visit would keep its label, and need not be visited.
    waiting = labels != UNKNOWN
    scratch = _Scratch(totals=np.zeros(n, np.int64), heard=np.empty(n, np.int32))
    photo_nodes = _PhotoNodes(
        photo_of=photos,
        nodes=np.argsort(photos, kind="stable").astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(np.bincount(photos))]),
    )
    for order in visiting_orders(keys, iterations, seed):
        if not _visit_all(order, adjacency, photo_nodes, labels, waiting, scratch):
            break
    return labels


def first_labels(adjacency: Adjacency, photos: Int32Array, previous: Int32Array | None = None) -> Labels:
    """Return the label of each node before the first round, shape (n,), int32.

    A node without neighbours is `UNKNOWN`. Of the nodes with the same number in `previous`, shape (n,), those that
    are connected by edges among them get the number of their first node, but only one node of each photo. All other
    nodes, and those with `UNKNOWN` in `previous`, get their own number.
    """
    nodes = np.arange(len(photos), dtype=np.int32)
    labels = nodes.copy()
    previous = np.full(len(photos), UNKNOWN, np.int32) if previous is None else previous
    known = np.flatnonzero(previous != UNKNOWN)
    pairs = previous[known].astype(np.int64) * (int(photos.max(initial=0)) + 1) + photos[known]
    known = np.sort(known[np.unique(pairs, return_index=True)[1]])
    _, first, cluster = np.unique(previous[known], return_index=True, return_inverse=True)
    labels[known] = nodes[known][first][cluster]
    labels[np.diff(adjacency.starts) == 0] = UNKNOWN
    if len(known):
        _split_into_components(adjacency, labels)
    return labels


@compiled
def _split_into_components(adjacency: Adjacency, labels: Labels) -> None:
    """Give each connected component of the nodes of one label a label of its own, the number of its first node.

    Labels travel along edges: components that no edge connects any more would keep one label for ever.
    """
    starts, neighbours = adjacency.starts, adjacency.neighbours
    seen = np.zeros(len(labels), np.bool_)
    reached = np.empty(len(labels), np.int32)
    for first in range(len(labels)):
        if seen[first] or labels[first] == UNKNOWN:
            continue
        label = labels[first]
        seen[first] = True
        reached[0], count, done = first, 1, 0
        while done < count:
            node = reached[done]
            done += 1
            labels[node] = first
            for other in neighbours[starts[node] : starts[node + 1]]:
                if labels[other] == label and not seen[other]:
                    seen[other] = True
                    reached[count] = other
                    count += 1


@compiled
def _visit_all(
    order: NDArray[np.int64],
    adjacency: Adjacency,
    photo_nodes: _PhotoNodes,
    labels: Labels,
    waiting: NDArray[np.bool_],
    scratch: _Scratch,
) -> bool:
    """Visit all waiting nodes once, in this order; return whether a label changed."""
    starts, neighbours, weights = adjacency.starts, adjacency.neighbours, adjacency.weights
    changed = False
    for node in order:
        if not waiting[node]:
            continue
        waiting[node] = False
        near = neighbours[starts[node] : starts[node + 1]]
        photo = photo_nodes.photo_of[node]
        same_photo = photo_nodes.nodes[photo_nodes.starts[photo] : photo_nodes.starts[photo + 1]]
        best = _best_label(node, near, weights[starts[node] : starts[node + 1]], same_photo, labels, scratch)
        if best != labels[node]:
            labels[node] = best
            changed = True
            for other in near:
                waiting[other] = True
            for other in same_photo:
                waiting[other] = labels[other] != UNKNOWN and other != node
    return changed


@compiled
def _best_label(
    node: int, near: Int32Array, weights: Weights, same_photo: Int32Array, labels: Labels, scratch: _Scratch
) -> int:
    """Return the label with the largest sum of weights around a node that no other node of its photo has."""
    totals, heard = scratch.totals, scratch.heard
    count = 0
    for index in range(len(near)):
        label = labels[near[index]]
        if totals[label] == 0:
            heard[count] = label
            count += 1
        totals[label] += weights[index]
    for other in same_photo:
        if other != node and labels[other] != UNKNOWN:
            totals[labels[other]] = -1
    own = labels[node]
    best: int = own
    for label in heard[:count]:
        larger = totals[label] > totals[best]
        if larger or (totals[label] == totals[best] and best != own and label < best):
            best = label
    totals[heard[:count]] = 0
    totals[labels[same_photo]] = 0
    return best
