"""`facestream get-medoids`, `validate` and `tsne`: what can be known from files of embeddings."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cli.files.csv_formats import (
    Medoids,
    read_embeddings,
    read_medoids,
    write_labels,
    write_medoids,
)
from cli.files.vectors import unit
from cli.files.whole_output import check_not_read, new_text
from services.standalone.report import write_map
from shared.atomic_output import explained
from shared.domain.person_index import People
from shared.domain.records import Cluster
from shared.errors import InvalidInput

_UNKNOWN = "unknown"
_BLOCK = 1024  # members whose distances are computed at once: 8 MiB for each 1,000 members of the cluster


def medoids(embeddings: Path, out: Path) -> str:
    """Write for each label, in the order of the file, the member with the least sum of Euclidean distances."""
    faces = read_embeddings(embeddings)
    members: dict[str, list[int]] = {}
    for row, label in enumerate(faces.labels):
        members.setdefault(label, []).append(row)
    with new_text(out, [embeddings]) as file:
        write_medoids(file, ((label, _medoid(faces.vectors[rows])) for label, rows in members.items()))
    return f"{len(faces.paths)} embeddings: {len(members)} medoids in {out}"


def _medoid(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of vectors, shape (n, d) and any length, the one with the least sum of distances; of equal ones the first.

    The reclusterer's own needs unit length. Sorted, equal distances have equal sums.
    """
    starts = range(0, len(vectors), _BLOCK)
    sums = [np.sort(cdist(vectors[start : start + _BLOCK], vectors), axis=1).sum(axis=1) for start in starts]
    medoid: NDArray[np.float64] = vectors[np.concatenate(sums).argmin()]
    return medoid


def validate(medoid_file: Path, embeddings: Path, out: Path, threshold: float) -> str:
    """Write for each embedding the label of the most similar medoid, or `unknown` below the threshold."""
    known, faces = read_medoids(medoid_file), read_embeddings(embeddings)
    if known.vectors.shape[1] != faces.vectors.shape[1]:
        widths = known.vectors.shape[1], faces.vectors.shape[1]
        msg = f"{medoid_file}, {embeddings}: expected vectors of one width, found {widths[0]} and {widths[1]} values;"
        msg += " the medoids come first, and both are of one model"
        raise InvalidInput(msg)
    nearest, similarities = _people(known).nearest(unit(faces.vectors))
    labels = [
        known.labels[medoid] if similarity >= threshold else _UNKNOWN
        for medoid, similarity in zip(nearest, similarities, strict=True)
    ]
    with new_text(out, [medoid_file, embeddings]) as file:
        write_labels(file, zip(faces.paths, labels, strict=True))
    unknown = labels.count(_UNKNOWN)
    return (
        f"{len(labels)} embeddings: {len(labels) - unknown} assigned to {len(known.labels)} medoids, {unknown} unknown"
    )


def _people(known: Medoids) -> People:
    """Return the medoids as people, person i that of row i."""
    vectors = unit(known.vectors)
    none = np.empty((0, vectors.shape[1]), np.float32)
    names = (f"{row:012d}" for row in range(len(vectors)))  # people come in the order of their names
    return People([Cluster(0, name, name, vector, none, 0) for name, vector in zip(names, vectors, strict=True)])


def draw(embeddings: Path, out: Path) -> str:
    """Draw the map of a file of embeddings, coloured by label, as a page (.html) or a picture (.png)."""
    faces = read_embeddings(embeddings)
    check_not_read(out, [embeddings])
    with explained(out):
        write_map(faces.labels, unit(faces.vectors), out, faces.paths)
    return f"{len(faces.paths)} embeddings, {len(set(faces.labels))} labels: a map in {out}"
