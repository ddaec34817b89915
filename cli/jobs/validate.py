"""The work of `facestream validate`: label embeddings by the most similar medoid."""

from pathlib import Path

import numpy as np

from cli.files.csv_formats import Medoids, read_embeddings, read_medoids
from cli.files.whole_output import new_text
from shared.domain.person_index import People
from shared.domain.records import Cluster
from shared.embedding_tables import write_labels
from shared.errors import InvalidInput
from shared.vectors import unit_length

_UNKNOWN = "unknown"


def label_embeddings(medoid_file: Path, embeddings: Path, out: Path, threshold: float) -> str:
    """Write for each embedding the label of the most similar medoid, or `unknown` below the threshold.

    Returns a summary in one line. Raises `InvalidInput` if a path or the content of a file is wrong.
    """
    medoids, faces = read_medoids(medoid_file), read_embeddings(embeddings)
    if medoids.vectors.shape[1] != faces.vectors.shape[1]:
        widths = medoids.vectors.shape[1], faces.vectors.shape[1]
        msg = f"{medoid_file}, {embeddings}: expected vectors of one width, found {widths[0]} and {widths[1]} values;"
        msg += " the medoids come first, and both are of one model"
        raise InvalidInput(msg)
    nearest, similarities = _people(medoids).nearest(unit_length(faces.vectors).astype(np.float32))
    labels = [
        medoids.labels[medoid] if similarity >= threshold else _UNKNOWN
        for medoid, similarity in zip(nearest, similarities, strict=True)
    ]
    with new_text(out, [medoid_file, embeddings]) as file:
        write_labels(file, zip(faces.paths, labels, strict=True))
    unknown = labels.count(_UNKNOWN)
    assigned = len(labels) - unknown
    return f"{len(labels)} embeddings: {assigned} assigned to {len(medoids.labels)} medoids, {unknown} unknown"


def _people(medoids: Medoids) -> People:
    """Return an index in which person i is the medoid of row i."""
    vectors = unit_length(medoids.vectors).astype(np.float32)
    no_exemplars = np.empty((0, vectors.shape[1]), np.float32)
    names = (f"{row:012d}" for row in range(len(vectors)))  # `People` sorts by name
    return People(
        [
            Cluster(generation=0, cluster_id=name, medoid_face_id=name, medoid=vector, exemplars=no_exemplars, size=0)
            for name, vector in zip(names, vectors, strict=True)
        ]
    )
