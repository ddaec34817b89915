"""From faces to clusters: neighbour graph, Chinese Whispers, refinement, medoids."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Keys, Labels, Vectors
from services.reclusterer.clustering.chinese_whispers import ChineseWhispers, chinese_whispers
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.medoids import medoids
from services.reclusterer.clustering.neighbour_graph import DEFAULT_SEARCH, NeighbourSearch, neighbour_graph
from services.reclusterer.clustering.refine import refine_labels
from services.reclusterer.settings import ReclustererSettings


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Clustering:
    """n faces in k clusters, numbered by their first face.

    `labels`: shape (n,), int32, the cluster of each face or `UNKNOWN`. `medoids`: shape (k,), the face that is the
    medoid of each cluster. `means`: shape (k, d), float32, unit length, the direction of the mean of its members.
    `similarities`: shape (n,), float64, six decimals, the inner product of each face with the medoid of its cluster,
    NaN for unknown faces. `edges`: the number of edges of the neighbour graph. `edge_recall`: the share of all edges
    that was found, 1 for the exact search, else an estimate from a sample. `timings`: seconds of each phase.
    """

    labels: Labels
    medoids: NDArray[np.int64]
    means: Vectors
    similarities: NDArray[np.float64]
    edges: int
    edge_recall: float
    timings: Mapping[str, float]


class _Clusters(NamedTuple):
    """n faces in k clusters.

    `labels`: shape (n,), int32. The members of cluster c are `members[starts[c] : starts[c + 1]]`, ascending.
    """

    labels: Labels
    members: NDArray[np.int64]
    starts: NDArray[np.int64]


def cluster_faces(
    vectors: Vectors,
    photos: Int32Array,
    settings: ReclustererSettings,
    *,
    keys: Keys | None = None,
    previous: Int32Array | None = None,
    search: NeighbourSearch = DEFAULT_SEARCH,
    whispers: ChineseWhispers = chinese_whispers,
) -> Clustering:
    """Group faces into clusters; no cluster has two faces of one photo.

    `vectors`: shape (n, d), float32, unit length. `photos`: shape (n,), int32, the photo of each face, numbered from
    0 without large gaps. `keys`: shape (n,), uint64, a number for each face that never changes (`keys_of` of its
    identifier): random choices depend on the keys and the seed, so that a few new faces do not change those of the
    others; without `keys` the index of a face is its key. `previous`: shape (n,), int32, the number of the cluster of
    each face in the active generation, or `UNKNOWN`: the labels to start with. `search`: how neighbours are found.
    `whispers`: the implementation of Chinese Whispers.

    The same arguments give the same bytes, whatever the number of threads.

    Memory: up to 350 MiB for the program and 32 MiB for each core; the vectors, and 250 bytes for each face; 13 bytes
    for each edge (docs/decisions/010).
    """
    n = len(vectors)
    clock = [time.perf_counter()]
    vectors = np.ascontiguousarray(vectors, np.float32)
    keys = np.arange(n, dtype=np.uint64) if keys is None else keys
    graph = neighbour_graph(vectors, photos, settings.edge_threshold, keys=keys, seed=settings.seed, search=search)
    clock.append(time.perf_counter())
    faces = graph.faces
    labels = np.empty(n, np.int32)
    labels[faces] = whispers(
        graph.adjacency,
        settings.iterations,
        settings.seed,
        keys=keys[faces],
        photos=photos[faces],
        previous=None if previous is None else previous[faces],
    )
    clock.append(time.perf_counter())
    labels = refine_labels(labels, vectors, photos, settings, graph.lists)
    clock.append(time.perf_counter())
    clusters = _large_clusters(labels, settings.min_cluster_size, previous)
    found = medoids(vectors, clusters.members, clusters.starts)
    means, similarities = _means_and_similarities(vectors, clusters, found)
    clock.append(time.perf_counter())
    return Clustering(
        labels=clusters.labels,
        medoids=found,
        means=means,
        similarities=np.round(similarities, 6),
        edges=graph.adjacency.edge_count,
        edge_recall=graph.edge_recall,
        timings=dict(zip(("graph", "whispers", "refine", "medoids"), np.diff(clock).tolist(), strict=True)),
    )


def _large_clusters(labels: Labels, min_size: int, previous: Int32Array | None) -> _Clusters:
    """Return the clusters that are large enough, numbered by their first face.

    A cluster that has most faces of a cluster of `previous` needs only half of `min_size`: else a cluster of exactly
    `min_size` faces would vanish, with its identifier, when one of its faces moves to another cluster.
    """
    known = np.flatnonzero(labels != UNKNOWN)
    _, first, cluster, sizes = np.unique(labels[known], return_index=True, return_inverse=True, return_counts=True)
    is_large = sizes >= min_size
    if previous is not None:
        is_successor = _has_most_of_a_cluster(cluster, previous[known], len(sizes))
        is_large |= (2 * sizes >= min_size) & (sizes > 1) & is_successor
    large = np.flatnonzero(is_large)
    large = large[np.argsort(first[large])]
    numbers = np.full(len(sizes), UNKNOWN, np.int32)
    numbers[large] = np.arange(len(large))
    kept = np.full(len(labels), UNKNOWN, np.int32)
    kept[known] = numbers[cluster]
    by_cluster = np.argsort(kept, kind="stable")
    members = by_cluster[np.count_nonzero(kept == UNKNOWN) :]
    return _Clusters(kept, members, np.concatenate([[0], np.cumsum(sizes[large])]))


def _has_most_of_a_cluster(cluster: NDArray[np.int64], previous: Int32Array, count: int) -> NDArray[np.bool_]:
    """Return for each of `count` clusters whether it has more than half of the faces of a previous cluster."""
    there = previous != UNKNOWN
    pairs, shared = np.unique(np.stack([cluster[there], previous[there]]), axis=1, return_counts=True)
    has_most = np.zeros(count, np.bool_)
    if len(shared):
        has_most[pairs[0, 2 * shared > np.bincount(previous[there])[pairs[1]]]] = True
    return has_most


@compiled
def _means_and_similarities(
    vectors: Vectors, clusters: _Clusters, medoid_of: NDArray[np.int64]
) -> tuple[Vectors, NDArray[np.float64]]:
    """Return the direction of the mean of each cluster, and the inner product of each face with its medoid."""
    members, starts = clusters.members, clusters.starts
    d = vectors.shape[1]
    means = np.empty((len(medoid_of), d), np.float32)
    similarities = np.full(len(vectors), np.nan)
    total = np.empty(d)
    for cluster in range(len(medoid_of)):
        total[:] = 0
        for index in range(starts[cluster], starts[cluster + 1]):
            product = 0.0
            for axis in range(d):
                value = np.float64(vectors[members[index], axis])
                total[axis] += value
                product += value * vectors[medoid_of[cluster], axis]
            similarities[members[index]] = product
        means[cluster] = total / np.sqrt((total * total).sum())
    return means, similarities
