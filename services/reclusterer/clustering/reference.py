"""Chinese Whispers in its plain form, over networkx: what the compiled one must agree with, visit for visit."""

from collections import defaultdict

import networkx as nx
import numpy as np
from scipy.sparse import csr_array

from services.reclusterer.clustering.chinese_whispers import UNKNOWN, Labels
from services.reclusterer.clustering.pairs import Rows
from services.reclusterer.clustering.random_orders import Keys, visiting_orders


def chinese_whispers(
    edges: csr_array, iterations: int, seed: int, *, keys: Keys, photos: Rows, first: Labels
) -> Labels:
    """Return what `services.reclusterer.clustering.chinese_whispers` returns, some hundred times slower.

    It visits all nodes in every round, and begins with the labels `first`.
    """
    graph: nx.Graph[int] = nx.from_scipy_sparse_array(edges)
    label_of = {node: int(first[node]) for node in graph if graph.degree[node]}
    for order in visiting_orders(keys, iterations, seed):
        changed = False
        for node in order.tolist():
            if node not in label_of:
                continue
            others = np.flatnonzero(photos == photos[node]).tolist()
            taken = {label_of.get(other) for other in others if other != node}
            spoken: defaultdict[int, float] = defaultdict(float)
            for neighbour, edge in graph[node].items():
                if label_of[neighbour] not in taken:
                    spoken[label_of[neighbour]] += edge["weight"]
            loudest = max(spoken.values(), default=0)
            best = {label for label, weight in spoken.items() if weight == loudest}
            if best and label_of[node] not in best:
                label_of[node] = min(best)
                changed = True
        if not changed:
            break
    return np.array([label_of.get(node, UNKNOWN) for node in range(len(graph))], np.int32)
