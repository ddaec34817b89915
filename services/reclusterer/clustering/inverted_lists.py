"""Inverted lists: every face is compared only with the faces that are near the same k-means centres.

The centres come from spherical k-means on a sample. A face lives in the list of its nearest centre and visits the
lists of the next ones. The faces that live in a list are compared with all faces that live there or visit. The idea is
that of inverted file indexes (Sivic and Zisserman, "Video Google", 2003), searched list by list instead of face by
face, so that each list is one matrix product.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import Int32Array, Vectors
from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.kmeans import nearest_rows, spherical_kmeans
from services.reclusterer.clustering.pairs import NO_LIST, Tile
from services.reclusterer.clustering.parallel import ParallelMap

_LISTS_PER_ROOT = 3  # times the root of the number of faces: 950 lists for 100,000 faces, 3,000 for a million
# A face is in its nearest list and in others whose centre is nearly as similar. One that has a centre of its person
# needs few lists; one of a person with few photographs, far from every centre, needs many (docs/decisions/010).
_PROBES = 24
_REACH = 0.8  # times the inner product with the nearest centre
_SAMPLE_PER_LIST = 12
_ITERATIONS = 5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class InvertedLists:
    """n faces in k lists.

    `centres`: shape (k, d), float32. `near`: shape (n, p), int32, the lists that each face is in, nearest first,
    filled up with `NO_LIST`. List l is `faces[starts[l] : starts[l + 1]]`: first the `residents[l]` faces that live
    there, then the visitors. `ranks`: shape (n,), int32, the index of each face in `residents_in_order`.
    """

    centres: Vectors
    near: Int32Array
    faces: Int32Array
    starts: NDArray[np.int64]
    residents: NDArray[np.int64]
    ranks: Int32Array

    @property
    def count(self) -> int:
        """The number of lists."""
        return len(self.residents)

    def residents_in_order(self) -> Int32Array:
        """Return all faces, shape (n,): those that live in the first list, then those of the second, and so on."""
        starts = self.starts[:-1] + self.residents - np.cumsum(self.residents)
        return self.faces[np.arange(len(self.near)) + np.repeat(starts, self.residents)]

    def tile(self, number: int) -> Tile:
        """Return the faces of a list that have to be compared."""
        faces = self.faces[self.starts[number] : self.starts[number + 1]]
        residents = int(self.residents[number])
        return Tile(
            rows=residents,
            faces=faces,
            ranks=self.ranks[faces],
            home_lists=self.near[faces, 0],
            near_lists=self.near[faces[:residents]],
        )


def make_lists(vectors: Vectors, order: NDArray[np.int64], parallel_map: ParallelMap) -> InvertedLists:
    """Sort faces, shape (n, d), float32, unit length, into lists. `order`: shape (n,), all faces in random order."""
    n = len(vectors)
    count = max(1, min(n, round(_LISTS_PER_ROOT * math.sqrt(n))))
    sample = order[: count * _SAMPLE_PER_LIST]
    centres = spherical_kmeans(vectors[sample], count, _ITERATIONS)
    products, near = nearest_rows(centres, vectors, min(_PROBES, count), parallel_map)
    near[:, 1:][products[:, 1:] < _REACH * products[:, :1]] = NO_LIST
    starts = np.concatenate([[0], np.cumsum(np.bincount(near[near != NO_LIST], minlength=count))])
    lists = InvertedLists(
        centres=centres,
        near=near,
        faces=_sorted_by_list(near, starts),
        starts=starts,
        residents=np.bincount(near[:, 0], minlength=count),
        ranks=np.empty(n, np.int32),
    )
    lists.ranks[lists.residents_in_order()] = np.arange(n)
    return lists


@compiled
def _sorted_by_list(near: Int32Array, starts: NDArray[np.int64]) -> Int32Array:
    """Return the faces list by list, residents first."""
    ends = starts.copy()
    faces = np.empty(starts[-1], np.int32)
    for probe in range(near.shape[1]):
        for face in range(len(near)):
            number = near[face, probe]
            if number != NO_LIST:
                faces[ends[number]] = face
                ends[number] += 1
    return faces
