"""From faces to people: neighbour graph, Chinese Whispers, refinement, medoids."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.chinese_whispers import UNKNOWN, Labels, chinese_whispers
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.medoids import medoids
from services.reclusterer.clustering.neighbour_graph import EXACT_LIMIT, neighbour_graph
from services.reclusterer.clustering.pairs import Rows, Vectors
from services.reclusterer.clustering.parallel import Spread, in_threads
from services.reclusterer.clustering.random_orders import Keys
from services.reclusterer.clustering.refine import refined
from services.reclusterer.settings import ReclustererSettings


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """n faces in k clusters, numbered by their first face.

    `labels`: shape (n,), int32, the cluster of each face or `UNKNOWN`. `medoids`: shape (k,), the face that stands
    for each cluster. `means`: shape (k, d), float32, unit length, the direction of the mean of its members.
    `similarities`: shape (n,), float64, six decimals, the inner product of each face with the medoid of its cluster,
    NaN for unknown ones. `edges`: how many. `edge_recall`: the part of all that they are, 1 for the exact search,
    else estimated from a sample. `timings` in seconds.
    """

    labels: Rows
    medoids: NDArray[np.int64]
    means: Vectors
    similarities: NDArray[np.float64]
    edges: int
    edge_recall: float
    method: str
    timings: Mapping[str, float]


def memory_bound(faces: int, edges: int, *, dimensions: int = 128, cores: int = 2) -> int:
    """Return how many bytes of memory a process that clusters needs at the most, the vectors included.

    350 MiB for the program and 32 MiB for each core; the vectors, and 250 bytes for each face; 13 for each edge, of
    which 10 are the graph and the rest what waits to be put into it. Photographs of one person make edges: a face
    has as many as its person has other photographs, and each edge is one of two faces. Among a million synthetic
    faces, 113 to 159 million edges, the peak was 93 to 95 % of this.
    """
    return (350 + 32 * cores) * 2**20 + faces * (4 * dimensions + 250) + 13 * edges


def cluster_faces(
    vectors: Vectors,
    photos: Rows,
    settings: ReclustererSettings,
    *,
    keys: Keys | None = None,
    previous: Rows | None = None,
    exact_limit: int = EXACT_LIMIT,
    spread: Spread = in_threads,
) -> Clustering:
    """Group faces into people; no two faces of one photo into one.

    `vectors`: shape (n, d), float32, unit length. `photos`: shape (n,), int32, the photo of each face, numbered from
    0 without large gaps. `keys`: shape (n,), uint64, one for each face that stays the same for ever (`keys_of` its
    identifiers): random choices follow from them and the seed, so that a few more faces leave those of all others
    as they were; without it the place of a face is its key. `previous`: shape (n,), int32, the number of the cluster
    of each face in the active generation, or `UNKNOWN`: the labels to begin with. Up to `exact_limit` faces the search
    for neighbours is exact. `spread`: who does it.

    The same arguments give the same bytes, whatever the number of threads.

    Memory in bytes, at the most: `memory_bound` of the number of faces and of edges.
    """
    n = len(vectors)
    clock = [time.perf_counter()]
    vectors = np.ascontiguousarray(vectors, np.float32)
    keys = np.arange(n, dtype=np.uint64) if keys is None else keys
    graph = neighbour_graph(
        vectors,
        settings.edge_threshold,
        photos,
        keys=keys,
        seed=settings.seed,
        exact_limit=exact_limit,
        spread=spread,
    )
    clock.append(time.perf_counter())
    faces = graph.faces
    labels = np.empty(n, np.int32)
    labels[faces] = chinese_whispers(
        graph.edges,
        settings.iterations,
        settings.seed,
        keys=keys[faces],
        photos=photos[faces],
        previous=None if previous is None else previous[faces],
    )
    clock.append(time.perf_counter())
    labels = refined(labels, vectors, photos, settings, graph.lists)
    clock.append(time.perf_counter())
    labels, members, starts = _people(labels, settings.min_cluster_size, previous)
    middles = medoids(vectors, members, starts)
    means, similarities = _described(vectors, members, starts, middles)
    clock.append(time.perf_counter())
    return Clustering(
        labels,
        middles,
        means,
        np.round(similarities, 6),
        graph.edges.edge_count,
        graph.edge_recall,
        graph.method,
        dict(zip(("graph", "whispers", "refine", "medoids"), np.diff(clock).tolist(), strict=True)),
    )


def _people(
    labels: Labels, min_size: int, previous: Rows | None
) -> tuple[Labels, NDArray[np.int64], NDArray[np.int64]]:
    """Return the clusters that are large enough, numbered by their first face: labels, members, starts.

    Cluster c is `members[starts[c] : starts[c + 1]]`, ascending. Who is known already stays so with half as many faces,
    if these are most of theirs: else a person of just enough faces would be gone, name and all, when one of them goes
    to somebody else.
    """
    known = np.flatnonzero(labels != UNKNOWN)
    _, first, cluster, sizes = np.unique(labels[known], return_index=True, return_inverse=True, return_counts=True)
    is_large = sizes >= min_size
    if previous is not None:
        is_large |= (
            (2 * sizes >= min_size) & (sizes > 1) & _holds_most_of_a_person(cluster, previous[known], len(sizes))
        )
    large = np.flatnonzero(is_large)
    large = large[np.argsort(first[large])]
    numbers = np.full(len(sizes), UNKNOWN, np.int32)
    numbers[large] = np.arange(len(large))
    people = np.full(len(labels), UNKNOWN, np.int32)
    people[known] = numbers[cluster]
    by_cluster = np.argsort(people, kind="stable")
    members = by_cluster[np.count_nonzero(people == UNKNOWN) :]
    return people, members, np.concatenate([[0], np.cumsum(sizes[large])])


def _holds_most_of_a_person(cluster: NDArray[np.int64], previous: Rows, count: int) -> NDArray[np.bool_]:
    """Say of each of `count` clusters whether more than half of the faces of an earlier one are in it."""
    there = previous != UNKNOWN
    pairs, shared = np.unique(np.stack([cluster[there], previous[there]]), axis=1, return_counts=True)
    holds = np.zeros(count, np.bool_)
    if len(shared):
        holds[pairs[0, 2 * shared > np.bincount(previous[there])[pairs[1]]]] = True
    return holds


@compiled
def _described(
    vectors: Vectors, members: NDArray[np.int64], starts: NDArray[np.int64], middles: NDArray[np.int64]
) -> tuple[Vectors, NDArray[np.float64]]:
    """Return the direction of the mean of each cluster, and the inner product of each face with its medoid."""
    d = vectors.shape[1]
    means = np.empty((len(middles), d), np.float32)
    similarities = np.full(len(vectors), np.nan)
    total = np.empty(d)
    for cluster in range(len(middles)):
        total[:] = 0
        for place in range(starts[cluster], starts[cluster + 1]):
            product = 0.0
            for axis in range(d):
                value = np.float64(vectors[members[place], axis])
                total[axis] += value
                product += value * vectors[middles[cluster], axis]
            similarities[members[place]] = product
        means[cluster] = total / np.sqrt((total * total).sum())
    return means, similarities
