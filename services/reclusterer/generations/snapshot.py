"""What a regrouping begins with: the faces there are, and what was said of them before."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.reclusterer.clustering.arrays import UNKNOWN, Int32Array, Labels, Vectors
from shared.domain.events import Cause
from shared.domain.records import Generation
from shared.ports.repository import FaceRepository

_BLOCK = 100_000  # faces whose clusters are digested at once


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The accepted faces of one model, in ascending order of face id.

    `vectors`: shape (n, d), float32. `photos`: shape (n,), int32, one number per photograph. `digest` names the
    faces and the model.
    """

    model_id: str
    face_ids: tuple[str, ...]
    vectors: Vectors
    photos: Int32Array
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where the n faces of a snapshot stand in the active generation, `generation`, None before the first.

    `labels`: shape (n,), int32, the place of the cluster of each in `cluster_ids`, or `UNKNOWN`. `clustered`: shape
    (n,), bool, which of them took part in making it; the others came later. `medoid_of`: the face id of the medoid of
    each cluster, by its id.
    """

    generation: Generation | None
    cluster_ids: tuple[str, ...]
    labels: Labels
    clustered: NDArray[np.bool_]
    medoid_of: Mapping[str, str]

    @property
    def known(self) -> int:
        """The faces that have a cluster."""
        return int((self.labels != UNKNOWN).sum())

    @property
    def changed(self) -> int:
        """The faces that came or went since the generation was made."""
        took_part = int(self.clustered.sum())
        before = int(self.generation.counts.get("faces", took_part)) if self.generation else 0
        return len(self.labels) - took_part + max(0, before - took_part)

    @property
    def is_as_made(self) -> bool:
        """Say whether the faces, if they are those that the generation was made of, are as it has grouped them."""
        if self.generation is None or not self.generation.grouping:
            # Of what earlier versions made this much is known: a face that came back was never one that took part.
            return bool(self.clustered.all())
        return self.generation.grouping == grouping_digest(self.labels, self.cluster_ids, self.medoid_of)


def grouping_digest(labels: Labels, cluster_ids: Sequence[str], medoid_of: Mapping[str, str]) -> str:
    """Return a digest of who belongs to whom: the cluster of each face, and the medoid of each cluster.

    `labels`: shape (n,), int32, the place of the cluster of each face of a snapshot in `cluster_ids`, or `UNKNOWN`.
    """
    digest = hashlib.sha256()
    names = np.array([*cluster_ids, ""], np.str_)  # `UNKNOWN` is the last place
    for start in range(0, len(labels), _BLOCK):
        digest.update("\n".join(names[labels[start : start + _BLOCK]]).encode() + b"\n")
    for cluster_id, face_id in sorted(medoid_of.items()):
        digest.update(f"{cluster_id} {face_id}\n".encode())
    return digest.hexdigest()


def take_snapshot(repository: FaceRepository, model_id: str) -> Snapshot:
    """Read the accepted faces that this model embedded."""
    blocks = list(repository.accepted_faces(model_id))
    face_ids = tuple(face_id for block in blocks for face_id in block.face_ids)
    image_ids = [image_id for block in blocks for image_id in block.image_ids]
    vectors = np.concatenate([block.vectors for block in blocks]) if blocks else np.empty((0, 1), np.float32)
    _, photos = np.unique(np.array(image_ids, dtype=np.str_), return_inverse=True)
    digest = hashlib.sha256("\n".join((model_id, *face_ids)).encode()).hexdigest()
    return Snapshot(model_id, face_ids, vectors, photos.astype(np.int32), digest)


def standing(repository: FaceRepository, active: Generation | None, snapshot: Snapshot) -> Standing:
    """Return where the faces of a snapshot stand in the active generation, those that the assigner added too."""
    labels = np.full(len(snapshot.face_ids), UNKNOWN, np.int32)
    clustered = np.zeros(len(snapshot.face_ids), np.bool_)
    if active is None:
        return Standing(None, (), labels, clustered, {})
    medoid_of = {cluster.cluster_id: cluster.medoid_face_id for cluster in repository.clusters(active.number)}
    place_of = {cluster_id: place for place, cluster_id in enumerate(medoid_of)}
    row_of = {face_id: row for row, face_id in enumerate(snapshot.face_ids)}
    for membership in repository.memberships(active.number):
        row = row_of.get(membership.face_id)
        if row is not None:
            clustered[row] = membership.cause is Cause.RECLUSTERED
            if membership.cluster_id is not None:
                # Also of a person of whom no vector of this model is left.
                labels[row] = place_of.setdefault(membership.cluster_id, len(place_of))
    return Standing(active, tuple(place_of), labels, clustered, medoid_of)
