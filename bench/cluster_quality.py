"""How well clusters agree with people. A face without a cluster counts as a cluster of its own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]


class Quality(NamedTuple):
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float
    f: float


def pairwise(labels: Labels, people: Labels) -> Quality:
    """Return the quality of pairs: the share of pairs in a cluster that are of one person, and the reverse.

    `labels` and `people`: shape (n,), int32, the cluster of each face, negative for none, and its person.
    """
    found = _Counts.of(labels, people)
    together = _pairs(found.shared)
    return _quality(together / max(_pairs(found.clusters), 1), together / max(_pairs(found.people), 1))


def b_cubed(labels: Labels, people: Labels) -> Quality:
    """Return the mean quality of a face: the share of its cluster that is of its person, and the reverse.

    Bagga and Baldwin, "Entity-based cross-document coreferencing using the vector space model" (1998). With pairs, a
    person counts by the square of the number of its photographs; here by the number. Arguments as of `pairwise`.
    """
    found = _Counts.of(labels, people)
    shared = found.shared[found.shared_of]
    precision = shared / found.clusters[found.cluster_of]
    return _quality(float(precision.mean()), float((shared / found.people[found.person_of]).mean()))


class _Counts(NamedTuple):
    """Sizes of clusters, of people and of their intersections; and the indices of those of each face."""

    clusters: NDArray[np.int64]
    people: NDArray[np.int64]
    shared: NDArray[np.int64]
    cluster_of: NDArray[np.int64]
    person_of: NDArray[np.int64]
    shared_of: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Labels, people: Labels) -> "_Counts":
        numbers = labels.astype(np.int64)
        unknown = np.flatnonzero(labels < 0)
        numbers[unknown] = len(labels) + unknown
        _, cluster_of, clusters = np.unique(numbers, return_inverse=True, return_counts=True)
        _, person_of, persons = np.unique(people, return_inverse=True, return_counts=True)
        pairs = cluster_of * len(persons) + person_of
        _, shared_of, shared = np.unique(pairs, return_inverse=True, return_counts=True)
        return cls(clusters, persons, shared, cluster_of, person_of, shared_of)


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _quality(precision: float, recall: float) -> Quality:
    return Quality(precision, recall, 2 * precision * recall / max(precision + recall, 1e-12))
