"""The people that a face may belong to: the clusters of one generation, searched by inner product."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.records import Cluster
from shared.vector_search import NearestRows

Vectors = NDArray[np.float32]

_DECIMALS = 6  # of a similarity; float32 embeddings carry no more
_CANDIDATES = 4  # rows fetched per face; only a tie within FAISS's rounding needs more than the first
_ROUNDING = 1e-5  # FAISS's sums depend, in their last digits, on how many faces are searched at once


class People:
    """The clusters of a generation, in ascending order of cluster id, each with its medoid and exemplars.

    The similarity of a face and a person is the largest inner product of the face with the person's medoid or an
    exemplar, rounded to six decimals. It depends on nothing but these two.
    """

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        ordered = sorted(clusters, key=lambda cluster: cluster.cluster_id)
        self.cluster_ids = tuple(cluster.cluster_id for cluster in ordered)
        rows = [np.concatenate([cluster.medoid[None], cluster.exemplars]) for cluster in ordered]
        self._person_of_row = np.repeat(np.arange(len(rows)), [len(of_person) for of_person in rows])
        self._first_rows = np.cumsum([0, *(len(of_person) for of_person in rows[:-1])])
        self._rows = _unit(np.concatenate(rows)) if rows else np.empty((0, 0), np.float32)
        self._index = NearestRows(self._rows) if rows else None

    def __len__(self) -> int:
        return len(self.cluster_ids)

    def nearest(self, vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the most similar person of each face and the similarity, shape (n,); of equal ones the first.

        `vectors`: shape (n, d), float32, unit length. Raises ValueError where there are no people, or where d is
        not theirs.
        """
        self._check(vectors)
        if self._index is None:
            msg = "there are no people to compare with"
            raise ValueError(msg)
        proposed, rows = self._index.search(vectors, min(_CANDIDATES, len(self._rows)))
        exact = _inner_products(self._rows[rows], vectors[:, None])
        people = self._person_of_row[rows]
        best = np.lexsort((people, -exact))[:, 0]
        every = np.arange(len(vectors))
        nearest, similarities = people[every, best], exact[every, best]
        # As many near-equal rows as were fetched: there may be more.
        for face in np.flatnonzero(proposed[:, 0] - proposed[:, -1] < _ROUNDING):
            of_all = self.similarities(vectors[face])
            nearest[face], similarities[face] = of_all.argmax(), of_all.max()
        return nearest, similarities

    def similarities(self, vector: Vectors) -> NDArray[np.float64]:
        """Return the similarity of one face, shape (d,), with each person, shape (len(self),)."""
        self._check(vector[None])
        if not self.cluster_ids:
            return np.empty(0)
        of_people: NDArray[np.float64] = np.maximum.reduceat(_inner_products(self._rows, vector), self._first_rows)
        return of_people

    def _check(self, vectors: Vectors) -> None:
        if self.cluster_ids and vectors.shape[1] != self._rows.shape[1]:
            msg = f"expected vectors of {self._rows.shape[1]} dimensions, as the people have; found {vectors.shape[1]}"
            raise ValueError(msg)


def _unit(rows: Vectors) -> Vectors:
    exact = rows.astype(np.float64)
    unit: Vectors = (exact / np.sqrt(np.square(exact).sum(axis=1, keepdims=True))).astype(np.float32)
    return unit


def _inner_products(rows: Vectors, vectors: Vectors) -> NDArray[np.float64]:
    """Sum over the last axis, each place by itself: the same result alone as among others."""
    products: NDArray[np.float64] = np.round((rows.astype(np.float64) * vectors).sum(axis=-1), _DECIMALS)
    return products
