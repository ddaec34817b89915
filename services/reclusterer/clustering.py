"""From faces to people: neighbour graph, Chinese Whispers, refinement, one face of a photo per person, medoids."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.chinese_whispers import UNKNOWN, chinese_whispers
from services.reclusterer.graph import neighbour_graph
from services.reclusterer.medoids import medoid
from services.reclusterer.pairs import Rows, Vectors
from services.reclusterer.parallel import in_threads
from services.reclusterer.refine import refined
from services.reclusterer.settings import ReclustererSettings


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """n faces in k clusters, numbered by their first face.

    `labels`: shape (n,), int32, the cluster of each face or `UNKNOWN`. `medoids`: shape (k,), the face that stands
    for each cluster. `means`: shape (k, d), float32, unit length, the direction of the mean of its members.
    `similarities`: shape (n,), float64, six decimals, the inner product of each face with the medoid of its cluster,
    NaN for unknown ones. `timings` in seconds.
    """

    labels: Rows
    medoids: NDArray[np.int64]
    means: Vectors
    similarities: NDArray[np.float64]
    edges: int
    edge_recall: float
    method: str
    timings: Mapping[str, float]


def cluster_faces(vectors: Vectors, photos: Rows, settings: ReclustererSettings) -> Clustering:
    """Group faces into people.

    `vectors`: shape (n, d), float32, unit length. `photos`: shape (n,), int32, the photo of each face. The result
    follows from the order of the faces and the seed; callers give them in the order of their identifiers.
    """
    started = time.perf_counter()
    graph = neighbour_graph(vectors, settings.edge_threshold, photos, seed=settings.seed)
    connected = time.perf_counter()
    labels = chinese_whispers(graph.edges, settings.iterations, settings.seed)
    whispered = time.perf_counter()
    labels = refined(labels, vectors, settings)
    refined_at = time.perf_counter()
    people = _people(labels, vectors, photos, settings.min_cluster_size)
    labels = np.full(len(vectors), UNKNOWN, np.int32)
    similarities = np.full(len(vectors), np.nan)
    means = np.empty((len(people), vectors.shape[1]), np.float32)
    for number, (members, middle) in enumerate(people):
        labels[members] = number
        total = vectors[members].sum(axis=0, dtype=np.float64)
        means[number] = total / np.linalg.norm(total)
        similarities[members] = _similarities(vectors[members], vectors[middle])
    return Clustering(
        labels,
        np.array([middle for _, middle in people], np.int64),
        means,
        similarities,
        graph.edges.nnz // 2,
        graph.edge_recall,
        graph.method,
        {
            "graph": connected - started,
            "whispers": whispered - connected,
            "refine": refined_at - whispered,
            "medoids": time.perf_counter() - refined_at,
        },
    )


def _people(labels: Rows, vectors: Vectors, photos: Rows, min_size: int) -> list[tuple[NDArray[np.int64], int]]:
    """Return the members, ascending, and the medoid of each cluster that is large enough, by their first member."""
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] != UNKNOWN]
    starts = np.flatnonzero(np.diff(labels[order], prepend=UNKNOWN))
    large = [members for members in np.split(order, starts[1:]) if len(members) >= min_size]
    people = in_threads(lambda members: _person(members, vectors, photos), large)
    return sorted((person for person in people if len(person[0]) >= min_size), key=lambda person: int(person[0][0]))


def _person(members: NDArray[np.int64], vectors: Vectors, photos: Rows) -> tuple[NDArray[np.int64], int]:
    middle = int(members[medoid(vectors[members])])
    once = _one_per_photo(members, middle, vectors, photos)
    if len(once) < len(members):
        middle = int(once[medoid(vectors[once])])
    return once, middle


def _one_per_photo(members: NDArray[np.int64], middle: int, vectors: Vectors, photos: Rows) -> NDArray[np.int64]:
    """Keep of the members on one photo the one most similar to the medoid: nobody is on a photo twice."""
    if len(np.unique(photos[members])) == len(members):
        return members
    nearness = np.where(members == middle, np.inf, _similarities(vectors[members], vectors[middle]))
    nearest_first = members[np.lexsort((members, -nearness))]
    _, first = np.unique(photos[nearest_first], return_index=True)
    return np.sort(nearest_first[first])


def _similarities(vectors: Vectors, middle: Vectors) -> NDArray[np.float64]:
    """Return inner products, six decimals, summed row by row so that they do not depend on the other rows."""
    similarities: NDArray[np.float64] = np.round((vectors.astype(np.float64) * middle).sum(axis=1), 6)
    return similarities
