"""The people of one generation, searched by inner product."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.domain.records import Cluster
from shared.domain.vector_search import NearestRows
from shared.vectors import unit_length

Vectors = NDArray[np.float32]
Rule = Literal["medoid", "mean"]

SIMILARITY_DECIMALS = 6
"""Float32 embeddings have no more significant decimals."""

_CANDIDATES = 3  # people fetched per face: the two that are wanted, and one more to see whether there is a tie
_ROUNDING = 1e-5  # FAISS's sums depend, in their last digits, on how many faces are searched at once


class Nearest(NamedTuple):
    """Row of the most similar person of each face, and its similarity: arrays of shape (n,).

    `runner_up` is the similarity of the second person, -inf if there is only one.
    """

    person: NDArray[np.int64]
    similarity: NDArray[np.float64]
    runner_up: NDArray[np.float64]


class People:
    """The clusters of a generation, in ascending order of cluster id.

    By the rule "medoid" a person is the face in the middle of the cluster, by "mean" the direction of the mean of all
    its members, which the reclusterer keeps as the first exemplar. The similarity of a face and a person is their
    inner product, rounded to six decimals; it depends on nothing but these two.
    """

    def __init__(self, clusters: Sequence[Cluster], rule: Rule = "medoid") -> None:
        """Build the index. By the rule "mean", a cluster without exemplars is represented by its medoid."""
        ordered = sorted(clusters, key=lambda cluster: cluster.cluster_id)
        self.cluster_ids = tuple(cluster.cluster_id for cluster in ordered)
        rows = [
            cluster.exemplars[0] if rule == "mean" and len(cluster.exemplars) else cluster.medoid for cluster in ordered
        ]
        self._rows = unit_length(np.stack(rows)) if rows else np.empty((0, 0))
        self._index = NearestRows(self._rows.astype(np.float32)) if rows else None

    def __len__(self) -> int:
        return len(self.cluster_ids)

    def __contains__(self, cluster_id: object) -> bool:
        """Return whether a cluster is one of these. Bisection, because a set of all ids would double the memory."""
        if not isinstance(cluster_id, str):
            return False
        row = bisect_left(self.cluster_ids, cluster_id)
        return row < len(self.cluster_ids) and self.cluster_ids[row] == cluster_id

    def nearest(self, vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the most similar person of each face and the similarity, as `two_nearest` does."""
        found = self.two_nearest(vectors)
        return found.person, found.similarity

    def two_nearest(self, vectors: Vectors) -> Nearest:
        """Return the two most similar people of each face; of equal ones the first.

        `vectors`: shape (n, d), float32, unit length. Raises ValueError if there are no people, or if d
        differs from theirs.
        """
        self._check(vectors)
        if self._index is None:
            msg = "there are no people to compare with"
            raise ValueError(msg)
        if len(self) == 1:
            alone = _inner_products(self._rows, vectors)
            return Nearest(np.zeros(len(vectors), np.int64), alone, np.full(len(vectors), -np.inf))
        fetched = min(_CANDIDATES, len(self))
        proposed, people = self._index.search(vectors, fetched)
        exact = _inner_products(self._rows[people], vectors[:, None])
        order = np.lexsort((people, -exact))[:, :2]
        found = np.take_along_axis(people, order, axis=1)
        similarities = np.take_along_axis(exact, order, axis=1)
        # If all fetched people are nearly as similar as the second, others may be as well: compare with all.
        for face in np.flatnonzero((proposed[:, 1] - proposed[:, -1] < _ROUNDING) & (fetched < len(self))):
            of_all = self.similarities(vectors[face])
            found[face] = np.argsort(-of_all, kind="stable")[:2]
            similarities[face] = of_all[found[face]]
        return Nearest(found[:, 0], similarities[:, 0], similarities[:, 1])

    def similarities(self, vector: Vectors) -> NDArray[np.float64]:
        """Return the similarity of one face, shape (d,), with each person, shape (len(self),)."""
        self._check(vector[None])
        return _inner_products(self._rows, vector) if len(self) else np.empty(0)

    def _check(self, vectors: Vectors) -> None:
        if len(self) and vectors.shape[1] != self._rows.shape[1]:
            msg = f"expected vectors of {self._rows.shape[1]} dimensions, as the people have; found {vectors.shape[1]}"
            raise ValueError(msg)


def _inner_products(rows: NDArray[np.float64], vectors: Vectors) -> NDArray[np.float64]:
    """Sum over the last axis. A result does not depend on how many vectors are computed together."""
    products: NDArray[np.float64] = np.einsum("...d,...d->...", rows, vectors.astype(np.float64))
    return np.round(products, SIMILARITY_DECIMALS)
