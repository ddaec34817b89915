"""After Chinese Whispers: faces leave clusters that they do not fit, and faces without a cluster join one.

An edge connects two similar faces, and one false edge is enough to pull a stranger into a cluster, or to chain
strangers together. The mean of a cluster stands for all of its members (Mensink et al., "Distance-based image
classification: generalizing to new classes at near-zero cost", 2013).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Labels, Vectors
from services.reclusterer.clustering.inverted_lists import InvertedLists
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.kmeans import largest, nearest_rows
from services.reclusterer.clustering.parallel import map_in_threads
from services.reclusterer.settings import ReclustererSettings

_MEAN_PROBES = 32  # lists that a mean is in: more than a face is in, since a loose face is near no centre
_MIN_MEMBERS = 3  # of a cluster whose mean faces are compared with; the faces of smaller clusters are loose


class _Candidates(NamedTuple):
    """Faces, shape (m,), and the cluster that each fits, shape (m,)."""

    faces: NDArray[np.int64]
    clusters: NDArray[np.int64]


def refine_labels(
    labels: Labels,
    vectors: Vectors,
    photos: Int32Array,
    settings: ReclustererSettings,
    lists: InvertedLists | None = None,
) -> Labels:
    """Return refined labels, shape (n,), int32, `UNKNOWN` or any numbers, of faces of shape (n, d), unit length.

    A face leaves its cluster if its mean inner product with the other members is below `stay_threshold`. Then a loose
    face, one in no cluster or in a cluster of two, joins the cluster whose mean direction is nearest, if the inner
    product is at least `join_threshold` and exceeds that with the second nearest by `join_margin`. With `lists`, only
    the clusters near a face are compared.

    A cluster gets no second face of one of the `photos`, shape (n,), unless it had one: where a face fits a cluster
    that has a face of its photo, the one nearer to the mean becomes the member.
    """
    labels = _renumbered(labels)
    sums, sizes = _sums(labels, vectors)
    labels[_mean_similarities(labels, vectors, sums, sizes) < settings.stay_threshold] = UNKNOWN
    labels = _renumbered(labels)
    sums, sizes = _sums(labels, vectors)
    clusters = np.flatnonzero(sizes >= _MIN_MEMBERS)
    is_member = labels != UNKNOWN
    is_member[is_member] = sizes[labels[is_member]] >= _MIN_MEMBERS
    loose = np.flatnonzero(~is_member)
    if len(clusters) == 0:
        return labels
    means = sums[clusters] / np.linalg.norm(sums[clusters], axis=1, keepdims=True)
    similarities, nearest = _nearest(means, vectors, loose, lists)
    joins = similarities[:, 0] >= settings.join_threshold
    joins &= similarities[:, 0] >= similarities[:, 1] + np.float32(settings.join_margin)
    _join(labels, photos, _Candidates(loose[joins], clusters[nearest[joins, 0]]), vectors, sums)
    return labels


def _join(labels: Labels, photos: Int32Array, candidates: _Candidates, vectors: Vectors, sums: Vectors) -> None:
    """Add faces to clusters, in `labels`; of the candidates and members of one photo, the nearest to the mean."""
    pair_base = photos.astype(np.int64) * len(sums)  # plus the cluster: the number of a pair of photo and cluster
    of_photos = np.zeros(int(photos.max(initial=0)) + 1, np.bool_)
    of_photos[photos[candidates.faces]] = True
    members = np.flatnonzero((labels != UNKNOWN) & of_photos[photos])
    wanted = pair_base[candidates.faces] + candidates.clusters
    members = members[np.isin(pair_base[members] + labels[members], wanted)]
    faces = np.concatenate([members, candidates.faces])
    clusters = np.concatenate([labels[members], candidates.clusters])
    nearness = np.einsum("ij,ij->i", vectors[faces], sums[clusters], dtype=np.float64)
    order = np.lexsort((faces, -nearness, pair_base[faces] + clusters))
    _, first = np.unique((pair_base[faces] + clusters)[order], return_index=True)
    labels[members] = UNKNOWN
    labels[faces[order[first]]] = clusters[order[first]]


def _nearest(
    means: Vectors, vectors: Vectors, loose: NDArray[np.int64], lists: InvertedLists | None
) -> tuple[NDArray[np.float32], Int32Array]:
    """Return the inner products with the two nearest means and their indices, both of shape (m, 2).

    Where there are fewer than two, the rest is minus infinity and -1.
    """
    if lists is None:
        return nearest_rows(means, vectors[loose], 2)
    probes = min(_MEAN_PROBES, lists.count)
    _, near = nearest_rows(lists.centres, means, probes)
    means_of = _indices_by_number(near.ravel(), lists.count)
    loose_of = _indices_by_number(lists.near[loose, 0], lists.count)
    similarities = np.full((len(loose), 2), -np.inf, np.float32)
    nearest = np.full((len(loose), 2), -1, np.int32)

    def in_list(number: int) -> tuple[NDArray[np.float32], Int32Array]:
        here = means_of[number] // probes
        products, rows = largest(vectors[loose[loose_of[number]]] @ means[here].T, 2)
        return products, np.where(rows >= 0, here[rows], -1)

    work = [number for number in range(lists.count) if len(means_of[number]) and len(loose_of[number])]
    for number, (products, rows) in zip(work, map_in_threads(in_list, work), strict=True):
        similarities[loose_of[number]] = products
        nearest[loose_of[number]] = rows
    return similarities, nearest


def _indices_by_number(numbers: Int32Array, count: int) -> list[NDArray[np.int64]]:
    """Return, for each number from 0 to `count` - 1, the indices at which it occurs."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=count))[:-1])


def _renumbered(labels: Labels) -> Labels:
    """Return the labels numbered without gaps, in the same order."""
    used = np.zeros(int(labels.max(initial=UNKNOWN)) + 1, np.bool_)
    used[labels[labels != UNKNOWN]] = True
    numbers = np.append(np.cumsum(used) - 1, UNKNOWN).astype(np.int32)  # `UNKNOWN` is the index of the last element
    return numbers[labels]


@compiled
def _sums(labels: Labels, vectors: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the sum of the members of each cluster, shape (k, d), and their number, shape (k,)."""
    count = 0
    for label in labels:
        count = max(count, label + 1)
    sums, sizes = np.zeros((count, vectors.shape[1]), np.float32), np.zeros(count, np.int64)
    for face in range(len(labels)):
        label = labels[face]
        if label >= 0:
            sizes[label] += 1
            for axis in range(vectors.shape[1]):
                sums[label, axis] += vectors[face, axis]
    return sums, sizes


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
