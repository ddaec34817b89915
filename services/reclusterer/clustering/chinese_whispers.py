"""Chinese Whispers: faces take over the label that their neighbours speak loudest, until nothing changes.

Chris Biemann, "Chinese Whispers: an efficient graph clustering algorithm and its application to natural language
processing problems" (TextGraphs 2006). Every node begins with a label of its own. In each round the nodes are
visited in a shuffled order, and each takes the label whose weights, summed over its neighbours, are largest. Of
equal ones it keeps its own label if that is among them, else it takes the lowest. `reference.py` is the plain form.

Two things are added. A node never takes a label that another node of the same photo has: nobody is on a photo twice.
And the nodes may begin with the labels of an earlier time, so that what did not change keeps its company.
"""

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.adjacency import Edges
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.pairs import Rows, Weights
from services.reclusterer.clustering.random_orders import Keys, visiting_orders

UNKNOWN = -1
"""The label of a face without a neighbour."""

Labels = NDArray[np.int32]


def first_labels(edges: Edges, photos: Rows, previous: Rows) -> Labels:
    """Return the label of each node before the first round, shape (n,), int32.

    A node without a neighbour is `UNKNOWN`. Of the nodes with the same number in `previous`, shape (n,), those that
    edges among them connect get that of their first one, but only one of each photo. All others, and those with
    `UNKNOWN` there, get their own.
    """
    nodes = np.arange(len(photos), dtype=np.int32)
    labels = nodes.copy()
    known = np.flatnonzero(previous != UNKNOWN)
    pairs = previous[known].astype(np.int64) * (int(photos.max(initial=0)) + 1) + photos[known]
    known = np.sort(known[np.unique(pairs, return_index=True)[1]])
    _, first, group = np.unique(previous[known], return_index=True, return_inverse=True)
    labels[known] = nodes[known][first][group]
    labels[np.diff(edges.starts) == 0] = UNKNOWN
    if len(known):
        _part_pieces(edges.starts, edges.neighbours, labels)
    return labels


def chinese_whispers(
    edges: Edges, iterations: int, seed: int, *, keys: Keys, photos: Rows, previous: Rows | None = None
) -> Labels:
    """Return a label for each node, shape (n,), int32: the number of one node for all of a cluster, or `UNKNOWN`.

    At most `iterations` rounds. The order of visits follows from `keys`, shape (n,), uint64, and `seed`. `photos`:
    shape (n,), int32, not negative. `previous`: shape (n,), int32, clusters of an earlier time or `UNKNOWN`.
    """
    n = len(photos)
    labels = first_labels(edges, photos, np.full(n, UNKNOWN, np.int32) if previous is None else previous)
    # A label follows from those of the neighbours, those on the same photo and, in a tie, the node's own. So a node
    # around which nothing changed since its last visit would keep its label, and need not be visited.
    waiting = labels != UNKNOWN
    spoken, heard = np.zeros(n, np.int64), np.empty(n, np.int32)
    by_photo = np.argsort(photos, kind="stable").astype(np.int32)
    photo_starts = np.concatenate([[0], np.cumsum(np.bincount(photos))])
    for order in visiting_orders(keys, iterations, seed):
        if not _round(*edges, order, photos, photo_starts, by_photo, labels, waiting, spoken, heard):
            break
    return labels


@compiled
def _part_pieces(starts: NDArray[np.int64], neighbours: Rows, labels: Labels) -> None:
    """Give the nodes of one label that no path within it connects labels of their own, the first node of each piece.

    Labels travel along edges: pieces that have lost what held them together would keep one label for ever.
    """
    parted = np.zeros(len(labels), np.bool_)
    reached = np.empty(len(labels), np.int32)
    for first in range(len(labels)):
        if parted[first] or labels[first] == UNKNOWN:
            continue
        label = labels[first]
        parted[first] = True
        reached[0], count, done = first, 1, 0
        while done < count:
            node = reached[done]
            done += 1
            labels[node] = first
            for other in neighbours[starts[node] : starts[node + 1]]:
                if labels[other] == label and not parted[other]:
                    parted[other] = True
                    reached[count] = other
                    count += 1


@compiled
def _round(  # noqa: PLR0917  compiled code takes plain arrays
    starts: NDArray[np.int64],
    neighbours: Rows,
    weights: Weights,
    order: NDArray[np.int64],
    photos: Rows,
    photo_starts: NDArray[np.int64],
    by_photo: Rows,
    labels: Labels,
    waiting: NDArray[np.bool_],
    spoken: NDArray[np.int64],
    heard: Labels,
) -> bool:
    """Visit all waiting nodes once; say whether a label changed.

    `spoken`, for each label, is zero before and after; `heard` is room for the labels around a node.
    """
    changed = False
    for node in order:
        if not waiting[node]:
            continue
        waiting[node] = False
        near = neighbours[starts[node] : starts[node + 1]]
        together = by_photo[photo_starts[photos[node]] : photo_starts[photos[node] + 1]]
        best = _loudest(node, near, weights[starts[node] : starts[node + 1]], together, labels, spoken, heard)
        if best != labels[node]:
            labels[node] = best
            changed = True
            for other in near:
                waiting[other] = True
            for other in together:
                waiting[other] = labels[other] != UNKNOWN and other != node
    return changed


@compiled
def _loudest(  # noqa: PLR0917
    node: int,
    near: Rows,
    weights: Weights,
    together: Rows,
    labels: Labels,
    spoken: NDArray[np.int64],
    heard: Labels,
) -> int:
    """Return the label that is loudest around a node, of those that no other node of its photo has."""
    count = 0
    for place in range(len(near)):
        label = labels[near[place]]
        if spoken[label] == 0:
            heard[count] = label
            count += 1
        spoken[label] += weights[place]
    for other in together:
        if other != node and labels[other] != UNKNOWN:
            spoken[labels[other]] = -1
    own = labels[node]
    best: int = own
    for label in heard[:count]:
        louder = spoken[label] > spoken[best]
        if louder or (spoken[label] == spoken[best] and best != own and label < best):
            best = label
    spoken[heard[:count]] = 0
    spoken[labels[together]] = 0
    return best
