"""`facestream chinese-whispers`: which of the embeddings in a file are of one person."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cli.files.csv_formats import read_path_last
from cli.files.vectors import unit
from services.reclusterer.clustering.chinese_whispers import UNKNOWN
from services.reclusterer.clustering.cluster_faces import cluster_faces
from services.reclusterer.settings import ReclustererSettings


@dataclass(frozen=True, slots=True)
class Whispers:
    """How to group: faces above `threshold` are neighbours, fewer than `min_cluster_size` are no cluster."""

    threshold: float
    iterations: int
    min_cluster_size: int


def whispered(csv: Path, rows: int | None, whispers: Whispers) -> list[list[str]]:
    """Return the paths of each cluster of the first `rows` embeddings of a file, the largest cluster first."""
    faces = read_path_last(csv, rows)
    return [[faces.paths[member] for member in members] for members in grouped(unit(faces.vectors), whispers)]


def grouped(vectors: NDArray[np.float32], whispers: Whispers) -> list[NDArray[np.int64]]:
    """Return the rows of each cluster, the largest cluster first; of equal ones that of the first row.

    `vectors`: shape (n, d), unit length. Every vector counts as of a photograph of its own.
    """
    settings = ReclustererSettings(
        edge_threshold=whispers.threshold, iterations=whispers.iterations, min_cluster_size=whispers.min_cluster_size
    )
    labels = cluster_faces(vectors, np.arange(len(vectors), dtype=np.int32), settings).labels
    clusters = [np.flatnonzero(labels == label) for label in np.unique(labels[labels != UNKNOWN])]
    return sorted(clusters, key=lambda members: (-len(members), members[0]))
