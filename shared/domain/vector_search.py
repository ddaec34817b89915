"""Nearest vectors by inner product: the one module that knows FAISS."""

import faiss
import numpy as np
from numpy.typing import NDArray

# Numbers searched at once (vectors times dimensions) from which FAISS multiplies matrices; its own limit, 128,000, is
# for other machines. Of 128 dimensions among 10,000 rows, on two cores: 44 µs a vector below the limit, and above it
# 60 µs for 8 vectors, 26 for 16, 16 from 256 on.
faiss.cvar.distance_compute_blas_threshold = 16 * 128


def search_on_one_core() -> None:
    """Restrict all further searches of the calling thread to one core.

    FAISS divides a search among all cores, and the cores that are done spin until the slowest one is. The assigner
    searches in a thread beside its work: on two idle cores it did 7,000 faces a second with searches on all cores, and
    9,600 with searches on one.
    """
    faiss.omp_set_num_threads(1)


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
