"""The work of `facestream get-medoids`: find the medoid of each label in a file of embeddings."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cli.files.csv_formats import read_embeddings
from cli.files.whole_output import new_text
from shared.embedding_tables import write_medoids

_BLOCK = 1024  # members whose distances are computed at once: 8 MiB for each 1,000 members of the cluster


def write_medoids_of(embeddings: Path, out: Path) -> str:
    """Write for each label, in the order of the file, the member with the smallest sum of Euclidean distances.

    Returns a summary in one line. Raises `InvalidInput` if a path or the content of the file is wrong.
    """
    faces = read_embeddings(embeddings)
    members: dict[str, list[int]] = {}
    for row, label in enumerate(faces.labels):
        members.setdefault(label, []).append(row)
    with new_text(out, [embeddings]) as file:
        write_medoids(file, ((label, _medoid(faces.vectors[rows])) for label, rows in members.items()))
    return f"{len(faces.paths)} embeddings: {len(members)} medoids in {out}"


def _medoid(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first of the vectors, shape (n, d) and any length, that have the smallest sum of distances.

    The reclusterer's own medoid needs vectors of unit length. Distances are sorted before they are added, so that equal
    distances have equal sums.
    """
    starts = range(0, len(vectors), _BLOCK)
    sums = [np.sort(cdist(vectors[start : start + _BLOCK], vectors), axis=1).sum(axis=1) for start in starts]
    medoid: NDArray[np.float64] = vectors[np.concatenate(sums).argmin()]
    return medoid
