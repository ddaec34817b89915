"""The work of `facestream chinese-whispers`: find the embeddings of a file that belong to one person."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cli.files.csv_formats import read_path_last
from services.reclusterer.clustering import reference
from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.chinese_whispers import chinese_whispers
from services.reclusterer.clustering.cluster_faces import cluster_faces
from services.reclusterer.settings import ReclustererSettings
from shared.vectors import unit_length


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteringOptions:
    """Options of the clustering.

    `threshold`: inner product above which two faces are neighbours. `iterations`: largest number of rounds of Chinese
    Whispers. `min_cluster_size`: smallest number of faces in a cluster. `reference`: use the plain implementation on a
    networkx graph, which finds the same clusters some hundred times slower.
    """

    threshold: float
    iterations: int
    min_cluster_size: int
    reference: bool = False


def cluster_file(csv: Path, rows: int | None, options: ClusteringOptions) -> list[list[str]]:
    """Return the paths of each cluster of the first `rows` embeddings of a file (None: all), the largest cluster first.

    Raises `InvalidInput` if the file cannot be read or has another shape.
    """
    faces = read_path_last(csv, rows)
    vectors = unit_length(faces.vectors).astype(np.float32)
    return [[faces.paths[member] for member in members] for members in cluster_vectors(vectors, options)]


def cluster_vectors(vectors: NDArray[np.float32], options: ClusteringOptions) -> list[NDArray[np.int64]]:
    """Return the row numbers of each cluster, the largest cluster first; among equals, the one with the first row.

    `vectors`: shape (n, d), unit length. Each vector is treated as the only face of its photograph.
    """
    settings = ReclustererSettings(
        edge_threshold=options.threshold, iterations=options.iterations, min_cluster_size=options.min_cluster_size
    )
    whispers = reference.chinese_whispers if options.reference else chinese_whispers
    photos = np.arange(len(vectors), dtype=np.int32)
    labels = cluster_faces(vectors, photos, settings, whispers=whispers).labels
    clusters = [np.flatnonzero(labels == label) for label in np.unique(labels[labels != UNKNOWN])]
    return sorted(clusters, key=lambda members: (-len(members), members[0]))
