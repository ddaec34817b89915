"""After Chinese Whispers: faces that are in the wrong company leave, and lonely ones find theirs.

An edge says that two faces are alike, and one false edge is enough to pull a stranger into a cluster, or to chain
strangers to one another. The mean of a cluster speaks for all of its members (Mensink et al., "Distance-based image
classification: generalizing to new classes at near-zero cost", 2013).
"""

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.chinese_whispers import UNKNOWN, Labels
from services.reclusterer.clustering.inverted_lists import InvertedLists
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.kmeans import largest, nearest_rows
from services.reclusterer.clustering.pairs import Rows, Vectors
from services.reclusterer.clustering.parallel import in_threads
from services.reclusterer.settings import ReclustererSettings

_MEAN_PROBES = 32  # lists that a mean is in: more than a face is, since a lonely face lies near no centre
_COMPANY = 3  # members from which on the mean of a cluster is worth comparing with


def refined(
    labels: Labels, vectors: Vectors, photos: Rows, settings: ReclustererSettings, lists: InvertedLists | None = None
) -> Labels:
    """Return better labels, shape (n,), int32, any numbers or `UNKNOWN`, for faces of shape (n, d), unit length.

    A face leaves its cluster if its mean inner product with the other members is below `stay_threshold`. Then a face
    in no cluster, or in one of a pair, joins the cluster whose mean direction is nearest, if the inner product is
    `join_threshold` or more and `join_margin` above that with the second. With `lists` only the clusters near a face
    are compared. No cluster ever has two faces of one of the `photos`, shape (n,), if none has before: where a face
    wants to join a cluster that has one of its photo, the one nearer to the mean is the member.
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
    if len(clusters) == 0:
        return labels
    means = sums[clusters] / np.linalg.norm(sums[clusters], axis=1, keepdims=True)
    similarities, nearest = _nearest(means, vectors, lonely, lists)
    joins = similarities[:, 0] >= settings.join_threshold
    joins &= similarities[:, 0] >= similarities[:, 1] + np.float32(settings.join_margin)
    joiners, wanted = lonely[joins], clusters[nearest[joins, 0]]
    _join(labels, photos, (joiners, wanted), vectors, sums)
    return labels


def _join(
    labels: Labels,
    photos: Rows,
    wishes: tuple[NDArray[np.int64], NDArray[np.int64]],
    vectors: Vectors,
    sums: Vectors,
) -> None:
    """Let faces join the clusters that they want; of one photo the nearest to the mean, who may be there already."""
    joiners, wanted = wishes
    places = photos.astype(np.int64) * len(sums)
    of_photos = np.zeros(int(photos.max(initial=0)) + 1, np.bool_)
    of_photos[photos[joiners]] = True
    members = np.flatnonzero((labels != UNKNOWN) & of_photos[photos])
    members = members[np.isin(places[members] + labels[members], places[joiners] + wanted)]
    faces = np.concatenate([members, joiners])
    clusters = np.concatenate([labels[members], wanted])
    nearness = np.einsum("ij,ij->i", vectors[faces], sums[clusters], dtype=np.float64)
    order = np.lexsort((faces, -nearness, places[faces] + clusters))
    _, first = np.unique((places[faces] + clusters)[order], return_index=True)
    labels[members] = UNKNOWN
    labels[faces[order[first]]] = clusters[order[first]]


def _nearest(
    means: Vectors, vectors: Vectors, lonely: NDArray[np.int64], lists: InvertedLists | None
) -> tuple[NDArray[np.float32], Rows]:
    """Return the inner product and number of the two nearest means, shape (m, 2); minus infinity where is none."""
    if lists is None:
        return nearest_rows(means, vectors[lonely], 2)
    probes = min(_MEAN_PROBES, lists.count)
    _, near = nearest_rows(lists.centres, means, probes)
    means_of = _grouped(near.ravel(), lists.count)
    lonely_of = _grouped(lists.near[lonely, 0], lists.count)
    similarities = np.full((len(lonely), 2), -np.inf, np.float32)
    nearest = np.full((len(lonely), 2), -1, np.int32)

    def in_list(number: int) -> tuple[NDArray[np.float32], Rows]:
        here = means_of[number] // probes
        products, rows = largest(vectors[lonely[lonely_of[number]]] @ means[here].T, 2)
        return products, np.where(rows >= 0, here[rows], -1)

    work = [number for number in range(lists.count) if len(means_of[number]) and len(lonely_of[number])]
    for number, (products, rows) in zip(work, in_threads(in_list, work), strict=True):
        similarities[lonely_of[number]] = products
        nearest[lonely_of[number]] = rows
    return similarities, nearest


def _grouped(numbers: Rows, count: int) -> list[NDArray[np.int64]]:
    """Return where each number from 0 to `count` - 1 stands."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=count))[:-1])


def _compact(labels: Labels) -> Labels:
    """Return labels numbered without gaps, in their order."""
    used = np.zeros(int(labels.max(initial=UNKNOWN)) + 1, np.bool_)
    used[labels[labels != UNKNOWN]] = True
    numbers = np.append(np.cumsum(used) - 1, UNKNOWN).astype(np.int32)  # `UNKNOWN` is the last place
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
