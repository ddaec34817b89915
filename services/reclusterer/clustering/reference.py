"""Chinese Whispers in its plain form, on a networkx graph: the compiled form must give the same labels."""

from collections import defaultdict
from collections.abc import Iterable

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.adjacency import Adjacency
from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Keys, Labels
from services.reclusterer.clustering.chinese_whispers import first_labels
from services.reclusterer.clustering.random_orders import visiting_orders


def chinese_whispers(
    adjacency: Adjacency,
    iterations: int,
    seed: int,
    *,
    keys: Keys,
    photos: Int32Array,
    previous: Int32Array | None = None,
) -> Labels:
    """Return the labels that `services.reclusterer.clustering.chinese_whispers` returns, some hundred times slower."""
    graph: nx.Graph[int] = nx.from_scipy_sparse_array(adjacency.as_csr())
    return whisper(graph, visiting_orders(keys, iterations, seed), photos, first_labels(adjacency, photos, previous))


def whisper(graph: "nx.Graph[int]", orders: Iterable[NDArray[np.int64]], photos: Int32Array, first: Labels) -> Labels:
    """Return the label of each of the nodes 0 to n - 1, shape (n,), int32; `UNKNOWN` for a node without neighbours.

    The edges have the attribute `weight`. Every order visits all nodes once. `photos`: shape (n,), int32. `first`:
    shape (n,), int32, the label of each node before the first round.
    """
    label_of = {node: int(first[node]) for node in graph if graph.degree[node]}
    for order in orders:
        changed = False
        for node in order.tolist():
            if node not in label_of:
                continue
            same_photo = np.flatnonzero(photos == photos[node]).tolist()
            excluded = {label_of.get(other) for other in same_photo if other != node}
            totals: defaultdict[int, float] = defaultdict(float)
            for neighbour, edge in graph[node].items():
                if label_of[neighbour] not in excluded:
                    totals[label_of[neighbour]] += edge["weight"]
            largest = max(totals.values(), default=0)
            best = {label for label, total in totals.items() if total == largest}
            if best and label_of[node] not in best:
                label_of[node] = min(best)
                changed = True
        if not changed:
            break
    return np.array([label_of.get(node, UNKNOWN) for node in range(len(graph))], np.int32)
