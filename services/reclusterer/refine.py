"""After Chinese Whispers: faces that are in the wrong company leave, and lonely ones find theirs.

An edge says that two faces are alike, and one false edge is enough to pull a stranger into a cluster, or to chain
strangers to one another. The mean of a cluster speaks for all of its members (Mensink et al., "Distance-based image
classification: generalizing to new classes at near-zero cost", 2013).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from services.reclusterer.chinese_whispers import UNKNOWN, Labels
from services.reclusterer.compiled import compiled
from services.reclusterer.pairs import Vectors
from services.reclusterer.settings import ReclustererSettings
from shared.vector_search import NearestRows

_COMPANY = 3  # members from which on the mean of a cluster is worth comparing with


def refined(labels: Labels, vectors: Vectors, settings: ReclustererSettings) -> Labels:
    """Return better labels, shape (n,), int32, any numbers or `UNKNOWN`, for faces of shape (n, d), unit length.

    A face leaves its cluster if its mean inner product with the other members is below `stay_threshold`. Then a face
    in no cluster, or in one of a pair, joins the cluster whose mean direction is nearest, if the inner product is
    `join_threshold` or more and `join_margin` above that with the second.
    """
    labels = _compact(labels)
    sums, sizes = _sums(labels, vectors)
    labels[_mean_similarities(labels, vectors, sums, sizes) < settings.stay_threshold] = UNKNOWN
    labels = _compact(labels)
    sums, sizes = _sums(labels, vectors)
    clusters = np.flatnonzero(sizes >= _COMPANY)
    in_company = labels != UNKNOWN
    in_company[in_company] = sizes[labels[in_company]] >= _COMPANY
    lonely = np.flatnonzero(~in_company)
    if len(clusters) and len(lonely):
        means = sums[clusters] / np.linalg.norm(sums[clusters], axis=1, keepdims=True)
        similarities, nearest = NearestRows(means).search(vectors[lonely], min(2, len(clusters)))
        joins = similarities[:, 0] >= settings.join_threshold
        if len(clusters) > 1:
            joins &= similarities[:, 0] >= similarities[:, 1] + np.float32(settings.join_margin)
        labels[lonely[joins]] = clusters[nearest[joins, 0]]
    return labels


def _compact(labels: Labels) -> Labels:
    """Return labels numbered without gaps."""
    numbers, compact = np.unique(labels, return_inverse=True)
    return (compact - int(UNKNOWN in numbers[:1])).astype(np.int32)


def _sums(labels: Labels, vectors: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the sum of the members of each cluster, shape (k, d), and their number, shape (k,)."""
    known = np.flatnonzero(labels != UNKNOWN)
    sizes = np.bincount(labels[known])
    members = csr_array((np.ones(len(known), np.float32), (labels[known], known)), shape=(len(sizes), len(labels)))
    return np.asarray(members @ vectors, np.float32), sizes


@compiled
def _mean_similarities(
    labels: Labels, vectors: Vectors, sums: Vectors, sizes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the mean inner product of each face with the other members of its cluster, 1 where there is none."""
    means = np.ones(len(labels), np.float32)
    for face in range(len(labels)):
        label = labels[face]
        if label >= 0 and sizes[label] > 1:
            total = np.float32(0)
            for axis in range(vectors.shape[1]):
                total += vectors[face, axis] * sums[label, axis]
            means[face] = (total - 1) / (sizes[label] - 1)
    return means
