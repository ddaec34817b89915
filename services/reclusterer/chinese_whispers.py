"""Chinese Whispers: faces take over the label that their neighbours speak loudest, until nothing changes.

Chris Biemann, "Chinese Whispers: an efficient graph clustering algorithm and its application to natural language
processing problems" (TextGraphs 2006). Every node begins with a label of its own. In each round the nodes are
visited in a shuffled order, and each takes the label whose weights, summed over its neighbours, are largest. Of
equal ones it keeps its own label if that is among them, else it takes the lowest. `reference.py` is the plain form.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.reclusterer.compiled import compiled

UNKNOWN = -1
"""The label of a face without a neighbour."""

Labels = NDArray[np.int32]


def visiting_orders(n: int, rounds: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield for each round an order in which to visit n nodes, the same ones for a seed."""
    for number in range(rounds):
        yield np.random.default_rng((seed, number)).permutation(n)


def chinese_whispers(edges: csr_array, iterations: int, seed: int) -> Labels:
    """Return a label for each node, shape (n,), int32: the number of one node for all of a cluster, or `UNKNOWN`.

    `edges`: symmetric, shape (n, n), float32, positive values, nothing on the diagonal. At most `iterations` rounds.
    """
    n = edges.shape[0]
    indptr = edges.indptr.astype(np.int64, copy=False)
    labels = np.arange(n, dtype=np.int32)
    labels[np.diff(indptr) == 0] = UNKNOWN
    # A label follows from those of the neighbours and, in a tie, the node's own. So a node none of whose neighbours
    # changed since its last visit would keep its label, and need not be visited.
    waiting = labels != UNKNOWN
    spoken = np.zeros(n, np.float64)
    for order in visiting_orders(n, iterations, seed):
        if not _round(indptr, edges.indices, edges.data, order, labels, waiting, spoken):
            break
    return labels


@compiled
def _round(  # noqa: PLR0917  compiled code takes plain arrays
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.float32],
    order: NDArray[np.int64],
    labels: Labels,
    waiting: NDArray[np.bool_],
    spoken: NDArray[np.float64],
) -> bool:
    """Visit all waiting nodes once; say whether a label changed. `spoken` is zero before and after, for each label.

    Its sums are exact, whatever their order: a float32 from 0.5 to 1 is a multiple of 2^-24, and 2^29 of those fit
    into a float64.
    """
    changed = False
    for node in order:
        if not waiting[node]:
            continue
        waiting[node] = False
        start, stop = indptr[node], indptr[node + 1]
        for place in range(start, stop):
            spoken[labels[indices[place]]] += weights[place]
        best = labels[node]
        for place in range(start, stop):
            label = labels[indices[place]]
            louder = spoken[label] > spoken[best]
            if louder or (spoken[label] == spoken[best] and best != labels[node] and label < best):
                best = label
        for place in range(start, stop):
            spoken[labels[indices[place]]] = 0.0
        if best != labels[node]:
            labels[node] = best
            changed = True
            for place in range(start, stop):
                waiting[indices[place]] = True
    return changed
