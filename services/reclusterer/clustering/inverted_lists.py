"""Inverted lists: every face is compared only with the faces that lie near the same centres.

The centres come from spherical k-means on a sample. A face lives in the list of its nearest centre and visits those
of the next ones; the faces that live in a list are compared with all that live there or visit. The idea is that of
inverted file indexes (Sivic and Zisserman, "Video Google", 2003), searched list by list instead of face by face, so
that each list is one matrix product.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.jit import compiled
from services.reclusterer.clustering.kmeans import nearest_rows, spherical_kmeans
from services.reclusterer.clustering.pairs import NOWHERE, Rows, Tile, Vectors
from services.reclusterer.clustering.parallel import Spread

_LISTS_PER_ROOT = 3  # times the root of the number of faces: 950 lists for 100,000 faces, 3,000 for a million
# A face is in its nearest list and in others whose centre is nearly as similar. One that has a centre of its person
# needs few; one of a small person, far from every centre, needs many. Among 200,000 synthetic faces a face finds in
# the mean 0.967 of its neighbours, and a fixed number of lists that costs more, 8 for each face, 0.949.
_PROBES = 24
_REACH = 0.8  # times the inner product with the nearest centre
_SAMPLE_PER_LIST = 12
_ITERATIONS = 5


@dataclass(frozen=True, slots=True, eq=False)
class InvertedLists:
    """Faces, list by list.

    `centres`: shape (k, d), float32. `near`: shape (n, p), int32, the lists that each face is in, nearest first, and
    `NOWHERE` where they are fewer than p.
    List l is `faces[starts[l] : starts[l + 1]]`: first the `residents[l]` faces that live there, then the visitors.
    `ranks`: shape (n,), where each face comes if those of the first list come first, then those of the second.
    """

    centres: Vectors
    near: Rows
    faces: Rows
    starts: NDArray[np.int64]
    residents: NDArray[np.int64]
    ranks: Rows

    @property
    def count(self) -> int:
        """The number of lists."""
        return len(self.residents)

    def residents_in_order(self) -> Rows:
        """Return all faces, list by list: face `residents_in_order()[i]` has rank i."""
        starts = self.starts[:-1] + self.residents - np.cumsum(self.residents)
        return self.faces[np.arange(len(self.near)) + np.repeat(starts, self.residents)]

    def tile(self, number: int) -> Tile:
        """Return what to compare in a list."""
        faces = self.faces[self.starts[number] : self.starts[number + 1]]
        residents = int(self.residents[number])
        return Tile(residents, faces, self.ranks[faces], self.near[faces, 0], self.near[faces[:residents]])


def make_lists(vectors: Vectors, shuffled: NDArray[np.int64], spread: Spread) -> InvertedLists:
    """Sort faces, shape (n, d), float32, unit length, into lists. `shuffled`: shape (n,), all faces in random order."""
    n = len(vectors)
    count = max(1, min(n, round(_LISTS_PER_ROOT * math.sqrt(n))))
    sample = shuffled[: count * _SAMPLE_PER_LIST]
    centres = spherical_kmeans(vectors[sample], count, _ITERATIONS)
    products, near = nearest_rows(centres, vectors, min(_PROBES, count), spread)
    near[:, 1:][products[:, 1:] < _REACH * products[:, :1]] = NOWHERE
    starts = np.concatenate([[0], np.cumsum(np.bincount(near[near != NOWHERE], minlength=count))])
    residents = np.bincount(near[:, 0], minlength=count)
    faces = _sorted_by_list(near, starts)
    lists = InvertedLists(centres, near, faces, starts, residents, np.empty(n, np.int32))
    lists.ranks[lists.residents_in_order()] = np.arange(n)
    return lists


@compiled
def _sorted_by_list(near: Rows, starts: NDArray[np.int64]) -> Rows:
    """Return the faces list by list, residents first."""
    places = starts.copy()
    faces = np.empty(starts[-1], np.int32)
    for probe in range(near.shape[1]):
        for face in range(len(near)):
            number = near[face, probe]
            if number != NOWHERE:
                faces[places[number]] = face
                places[number] += 1
    return faces
