"""Nearest vectors by inner product: the one module that knows FAISS."""

import faiss
import numpy as np
from numpy.typing import NDArray


class NearestRows:
    """An exact index over rows, shape (m, d), float32."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self._index = faiss.IndexFlatIP(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows))

    def search(self, vectors: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the k nearest rows of each vector, nearest first: inner products and row numbers, shape (n, k).

        The last digits of an inner product depend on how many vectors are searched at once.
        """
        similarities, rows = self._index.search(np.ascontiguousarray(vectors), k)
        return similarities, rows


def spherical_kmeans(vectors: NDArray[np.float32], k: int, iterations: int, seed: int) -> NDArray[np.float32]:
    """Return k centres of unit length for vectors of shape (n, d), n >= k: k-means by inner product.

    Dhillon and Modha, "Concept decompositions for large sparse text data using clustering" (2001).
    """
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=iterations,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    kmeans.train(np.ascontiguousarray(vectors))
    return np.asarray(kmeans.centroids, np.float32).reshape(k, vectors.shape[1])
