"""Regroup all faces: a new generation of clusters beside the active one, then one write that makes it active."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from more_itertools import chunked

from services.reclusterer.chinese_whispers import UNKNOWN
from services.reclusterer.clustering import Clustering, cluster_faces
from services.reclusterer.lineage import Descent, descents
from services.reclusterer.pairs import Rows, Vectors
from services.reclusterer.settings import ReclustererSettings
from shared.errors import Transient
from shared.events import Cause
from shared.ids import cluster_id
from shared.ports import FaceRepository
from shared.records import Cluster, Generation, GenerationState, Membership

ALGORITHM = "chinese-whispers/1"
"""Recorded with each generation; another number where the same faces and settings would give other clusters."""

_BLOCK = 10_000  # memberships in one call of the repository


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The accepted faces of one model, in ascending order of face id.

    `vectors`: shape (n, d), float32. `photos`: shape (n,), int32, one number per photograph. `digest` names the
    faces and the model.
    """

    face_ids: tuple[str, ...]
    vectors: Vectors
    photos: Rows
    digest: str


def recluster(repository: FaceRepository, model_id: str, settings: ReclustererSettings) -> Generation:
    """Cluster all faces anew, make the result the active generation and return it.

    Where nothing changed since the active generation was made, it is returned as it is. A call that was killed
    leaves at most an unfinished generation behind, which no reader sees and the next call removes. Raises
    `Transient` where another process activated a generation meanwhile.
    """
    started = time.perf_counter()
    active = repository.active_generation()
    _remove_unfinished(repository, active)
    snapshot = take_snapshot(repository, model_id)
    parameters = {"algorithm": ALGORITHM, **settings.model_dump()}
    if active and (active.snapshot, dict(active.parameters)) == (snapshot.digest, parameters):
        return active
    read = time.perf_counter()
    number = repository.last_generation_number() + 1
    building = Generation(number, GenerationState.BUILDING, model_id, snapshot.digest, parameters)
    repository.save_generation(building)
    clustering = cluster_faces(snapshot.vectors, snapshot.photos, settings)
    matching = time.perf_counter()
    clusters = _clusters(repository, active, number, snapshot, clustering)
    writing = time.perf_counter()
    repository.save_clusters(clusters)
    for block in chunked(_memberships(number, snapshot, clustering, clusters), _BLOCK):
        repository.save_memberships(block)
    finished = time.perf_counter()
    generation = replace(
        building,
        counts=_counts(snapshot, clustering),
        timings={
            "read": read - started,
            **clustering.timings,
            "match": writing - matching,
            "write": finished - writing,
        },
    )
    repository.save_generation(generation)
    if not repository.activate(number, active.number if active else None):
        repository.remove_generation(number)
        msg = f"another process activated a generation while number {number} was made; nothing was changed"
        raise Transient(msg)
    generation = replace(generation, state=GenerationState.ACTIVE)
    repository.save_generation(generation)
    if active:
        repository.save_generation(replace(active, state=GenerationState.RETIRED))
    return generation


def take_snapshot(repository: FaceRepository, model_id: str) -> Snapshot:
    """Read the accepted faces that this model embedded."""
    blocks = list(repository.accepted_faces(model_id))
    face_ids = tuple(face_id for block in blocks for face_id in block.face_ids)
    image_ids = [image_id for block in blocks for image_id in block.image_ids]
    vectors = np.concatenate([block.vectors for block in blocks]) if blocks else np.empty((0, 1), np.float32)
    _, photos = np.unique(np.array(image_ids, dtype=np.str_), return_inverse=True)
    digest = hashlib.sha256("\n".join((model_id, *face_ids)).encode()).hexdigest()
    return Snapshot(face_ids, vectors, photos.astype(np.int32), digest)


def _remove_unfinished(repository: FaceRepository, active: Generation | None) -> None:
    for number in range(1, repository.last_generation_number() + 1):
        generation = repository.generation(number)
        if not generation or generation.state is not GenerationState.BUILDING:
            continue
        if active and number == active.number:  # killed between making it active and saying so
            repository.save_generation(replace(active, state=GenerationState.ACTIVE))
        else:
            repository.remove_generation(number)


def _clusters(
    repository: FaceRepository, active: Generation | None, number: int, snapshot: Snapshot, clustering: Clustering
) -> list[Cluster]:
    """Return the clusters in the order of their numbers, each with its old identifier or a new one."""
    old_ids = [cluster.cluster_id for cluster in repository.clusters(active.number)] if active else []
    old = np.full(len(snapshot.face_ids), UNKNOWN, np.int32)
    if active:
        number_of = {old_id: place for place, old_id in enumerate(old_ids)}
        row_of = {face_id: row for row, face_id in enumerate(snapshot.face_ids)}
        for membership in repository.memberships(active.number):
            if membership.cluster_id is not None and membership.face_id in row_of:
                old[row_of[membership.face_id]] = number_of[membership.cluster_id]
    sizes = np.bincount(clustering.labels[clustering.labels != UNKNOWN], minlength=len(clustering.medoids))

    def named(place: int, descent: Descent) -> Cluster:
        middle = clustering.medoids[place]
        medoid_face = snapshot.face_ids[middle]
        return Cluster(
            generation=number,
            cluster_id=cluster_id(number, medoid_face) if descent.heir_of is None else old_ids[descent.heir_of],
            medoid_face_id=medoid_face,
            medoid=snapshot.vectors[middle],
            exemplars=clustering.means[place : place + 1],
            size=int(sizes[place]),
            parents=tuple(old_ids[parent] for parent in descent.parents),
        )

    lineage = descents(old, clustering.labels, len(clustering.medoids))
    return [named(place, descent) for place, descent in enumerate(lineage)]


def _memberships(
    number: int, snapshot: Snapshot, clustering: Clustering, clusters: list[Cluster]
) -> Iterator[Membership]:
    rows = zip(snapshot.face_ids, clustering.labels.tolist(), clustering.similarities.tolist(), strict=True)
    for face_id, label, similarity in rows:
        if label == UNKNOWN:
            yield Membership(number, face_id, None, None, Cause.RECLUSTERED)
        else:
            yield Membership(number, face_id, clusters[label].cluster_id, similarity, Cause.RECLUSTERED)


def _counts(snapshot: Snapshot, clustering: Clustering) -> dict[str, float | int]:
    faces = len(snapshot.face_ids)
    return {
        "faces": faces,
        "photos": len(np.unique(snapshot.photos)),
        "edges": clustering.edges,
        "edge_recall": clustering.edge_recall,
        "clusters": len(clustering.medoids),
        "assigned": int((clustering.labels != UNKNOWN).sum()),
    }
