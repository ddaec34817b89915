"""The input of a reclustering: the faces that exist, and their clusters in the active generation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Labels, Vectors
from shared.domain.events import Cause
from shared.domain.records import Generation
from shared.ports.generations import GenerationStore
from shared.ports.photos import PhotoCatalog

_BLOCK = 100_000  # faces whose cluster ids are hashed at once


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Snapshot:
    """The accepted faces of one model, in ascending order of face id.

    `vectors`: shape (n, d), float32. `photos`: shape (n,), int32, a number for each photograph. `digest`: of the model
    and the face ids.
    """

    model_id: str
    face_ids: tuple[str, ...]
    vectors: Vectors
    photos: Int32Array
    digest: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PreviousClustering:
    """The clusters of the n faces of a snapshot in the active generation.

    `generation`: the active generation, None before the first. `labels`: shape (n,), int32, the index of the cluster
    of each face in `cluster_ids`, or `UNKNOWN`. `was_clustered`: shape (n,), bool, whether the face was clustered when
    the generation was made; the others arrived later. `medoid_of`: the face id of the medoid of each cluster, by
    cluster id.
    """

    generation: Generation | None
    cluster_ids: tuple[str, ...]
    labels: Labels
    was_clustered: NDArray[np.bool_]
    medoid_of: Mapping[str, str]

    @property
    def assigned_count(self) -> int:
        """The number of faces that have a cluster."""
        return int((self.labels != UNKNOWN).sum())

    @property
    def changed_count(self) -> int:
        """The number of faces that came or went since the generation was made."""
        clustered = int(self.was_clustered.sum())
        before = int(self.generation.counts.get("faces", clustered)) if self.generation else 0
        return len(self.labels) - clustered + max(0, before - clustered)

    @property
    def is_as_made(self) -> bool:
        """Whether clusters and medoids are those that the reclustering made, given that the faces are the same."""
        if self.generation is None or not self.generation.grouping:
            # Earlier versions kept no digest. But a face that returned after a removal does not count as clustered.
            return bool(self.was_clustered.all())
        return self.generation.grouping == grouping_digest(self.labels, self.cluster_ids, self.medoid_of)


def grouping_digest(labels: Labels, cluster_ids: Sequence[str], medoid_of: Mapping[str, str]) -> str:
    """Return a digest of the cluster of each face and the medoid of each cluster.

    `labels`: shape (n,), int32, the index of the cluster of each face of a snapshot in `cluster_ids`, or `UNKNOWN`.
    """
    digest = hashlib.sha256()
    names = np.array([*cluster_ids, ""], np.str_)  # `UNKNOWN` is the index of the last element
    for start in range(0, len(labels), _BLOCK):
        digest.update("\n".join(names[labels[start : start + _BLOCK]]).encode() + b"\n")
    for cluster_id, face_id in sorted(medoid_of.items()):
        digest.update(f"{cluster_id} {face_id}\n".encode())
    return digest.hexdigest()


def take_snapshot(photos: PhotoCatalog, model_id: str) -> Snapshot:
    """Read the accepted faces that this model embedded. Raises `Transient`."""
    blocks = list(photos.accepted_faces(model_id))
    face_ids = tuple(face_id for block in blocks for face_id in block.face_ids)
    image_ids = [image_id for block in blocks for image_id in block.image_ids]
    vectors = np.concatenate([block.vectors for block in blocks]) if blocks else np.empty((0, 1), np.float32)
    _, numbers = np.unique(np.array(image_ids, dtype=np.str_), return_inverse=True)
    return Snapshot(
        model_id=model_id,
        face_ids=face_ids,
        vectors=vectors,
        photos=numbers.astype(np.int32),
        digest=hashlib.sha256("\n".join((model_id, *face_ids)).encode()).hexdigest(),
    )


def previous_clustering(
    generations: GenerationStore, active: Generation | None, snapshot: Snapshot
) -> PreviousClustering:
    """Return the clusters of a snapshot's faces in the active generation, also of faces that the assigner added.

    Raises `Transient`.
    """
    labels = np.full(len(snapshot.face_ids), UNKNOWN, np.int32)
    was_clustered = np.zeros(len(snapshot.face_ids), np.bool_)
    medoid_of: dict[str, str] = {}
    number_of: dict[str, int] = {}
    if active is not None:
        medoid_of = {cluster.cluster_id: cluster.medoid_face_id for cluster in generations.clusters(active.number)}
        number_of = {cluster_id: number for number, cluster_id in enumerate(medoid_of)}
        row_of = {face_id: row for row, face_id in enumerate(snapshot.face_ids)}
        for membership in generations.memberships(active.number):
            row = row_of.get(membership.face_id)
            if row is not None:
                was_clustered[row] = membership.cause is Cause.RECLUSTERED
                if membership.cluster_id is not None:
                    # The cluster may be removed already: no vector of this model may be left in it.
                    labels[row] = number_of.setdefault(membership.cluster_id, len(number_of))
    return PreviousClustering(
        generation=active,
        cluster_ids=tuple(number_of),
        labels=labels,
        was_clustered=was_clustered,
        medoid_of=medoid_of,
    )
