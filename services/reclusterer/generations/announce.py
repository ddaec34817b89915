"""Announce what a generation changes: `faces.assigned`, `clusters.changed`, `generations.published`.

What consumers last learned of a face is its membership in the generation before, whether the reclusterer or the
assigner wrote it. So a face is announced if it has a membership in both generations and another cluster in the new
one. A face without a membership in the generation before arrived after the activation, and the assigner has announced
it.

A face that was removed is never announced after its tombstone, in whatever order things happen. The assigner may write
a tombstone or an assignment of the same face while the reclusterer announces. Each block of records is one
transaction: the records are appended; then it is checked that every face still exists and still has the cluster that
its record states; only then the transaction is committed. Otherwise it is aborted, and the block is written again
without what has changed. There are two cases:

- The face existed at the check. Then its photograph was not marked as removed by then. The assigner marks it before it
  writes the tombstone, so the tombstone has a higher offset than the record of the reclusterer, and a consumer that
  reads to the end reads the tombstone last.
- The face did not exist at the check. Then the record was aborted, and no consumer reads it.

The same holds for memberships, which the assigner writes before the event. If the process dies before the commit, it
leaves an open transaction, which the broker aborts.

After such a death the changes are announced again, and the events may differ: faces were erased, and sizes and medoids
are the present ones. The id of an event is derived from its content, so an event with equal content has the same id,
and no other event has it. The last record of a publication states that it is complete.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from more_itertools import chunked

from services.reclusterer.generations.diff import ClusterChange, diff_generations, paired_memberships
from services.reclusterer.generations.existence import existing_faces
from shared import metrics
from shared.domain.event_builders import face_assigned
from shared.domain.events import Cause, ClusterChanged, GenerationPublished, Message, Publication
from shared.domain.records import FaceRecord, Generation, ImageRecord, Membership
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, GENERATIONS_PUBLISHED, Topic
from shared.ports.generations import GenerationStore
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord, RecordWriter
from shared.stream.cloudevents import EventEncoder

SERVICE = "reclusterer"
BLOCK = 500  # records in one transaction
_ACTIVE = "active"  # the only key in the topic of publications


def announce(repository: FaceRepository, generation: Generation, writer: RecordWriter) -> tuple[int, int]:
    """Announce all differences from `generation.previous`; return the numbers of announced faces and clusters.

    Call `announce_publication` afterwards. Can be repeated. Raises `Transient` if a server does not answer, `Fatal` if
    another process announces.
    """
    faces = sum(
        announce_faces(repository, generation, writer, block, lambda _: Cause.RECLUSTERED)
        for block in chunked(_moved_faces(repository, generation), BLOCK)
    )
    changes = diff_generations(repository, generation.previous, generation.number)
    announce_clusters(repository, generation, writer, changes)
    return faces, len(changes)


def announce_faces(
    repository: FaceRepository,
    generation: Generation,
    writer: RecordWriter,
    face_ids: Sequence[str],
    cause: Callable[[Membership], Cause],
) -> int:
    """Publish `faces.assigned` for these faces in one transaction; return the number of those that still exist.

    `cause` returns the cause of the event for a membership. Raises `Transient` and `Fatal` as `announce` does.
    """
    while True:
        faces, members = existing_faces(repository, face_ids), repository.memberships_of(generation.number, face_ids)
        announced = [face_id for face_id in face_ids if face_id in faces and face_id in members]
        records = [
            _face_record(generation, *faces[face_id], members[face_id], cause(members[face_id]))
            for face_id in announced
        ]

        def is_unchanged(announced: Sequence[str] = announced, members: Mapping[str, Membership] = members) -> bool:
            now = repository.memberships_of(generation.number, announced)
            exist = existing_faces(repository, announced).keys() == set(announced)
            return exist and all(now.get(face_id) == members[face_id] for face_id in announced)

        if not records or writer.write_if(records, is_unchanged):
            return len(records)


def announce_clusters(
    repository: FaceRepository, generation: Generation, writer: RecordWriter, changes: Sequence[ClusterChange]
) -> None:
    """Publish `clusters.changed` for these changes. Raises `Transient` and `Fatal` as `announce` does."""
    medoid_of = {cluster.cluster_id: cluster.medoid_face_id for cluster in repository.clusters(generation.number)}
    for block in chunked(changes, BLOCK):
        medoids = [medoid_of[change.cluster_id] for change in block if change.cluster_id in medoid_of]
        existing = existing_faces(repository, medoids)
        records = [_cluster_record(generation, change, medoid_of.get(change.cluster_id), existing) for change in block]
        writer.write_if(records, lambda: True)
        for change in block:
            metrics.CLUSTERS_CHANGED.labels(change.change).inc()


def announce_publication(
    generation: Generation, writer: RecordWriter, cause: Publication, *, faces: int, clusters: int, photos: int = 0
) -> bool:
    """Publish `generations.published`: everything of this publication was announced. Return whether it was written.

    It is not written if the topic does not exist or this user may not write to it, as in an installation that was
    upgraded without `facestream init`. Raises `Transient` and `Fatal` as `announce` does.
    """
    if not writer.knows(GENERATIONS_PUBLISHED.name):
        return False
    repeated = cause is Publication.REPEATED
    event = GenerationPublished(
        generation=generation.number,
        previous=generation.number if repeated else generation.previous,
        cause=cause,
        published_at=publication_time(generation),
        faces=faces,
        clusters=clusters,
        photos=photos,
    )
    # Written again after a death, the event has the same id if it has the same content. Faces that were erased in
    # the meantime are not counted again.
    content = f"{cause} {event.published_at.isoformat()} {faces} {clusters} {photos}"
    encoder = EventEncoder(SERVICE, event.published_at)
    record = encoder.record(
        GENERATIONS_PUBLISHED, _ACTIVE, event, subject=_ACTIVE, cause=content, generation=generation.number
    )
    writer.write_if([record], lambda: True)
    return True


def publication_time(generation: Generation) -> datetime:
    """Return the time of a publication, which all of its records have."""
    return generation.published_at or datetime.fromtimestamp(0, UTC)


def _moved_faces(generations: GenerationStore, generation: Generation) -> Iterator[str]:
    """Yield the ids of the faces that have another cluster than in the generation before."""
    for old, new in paired_memberships(generations, generation.previous, generation.number):
        if old and new and old.cluster_id != new.cluster_id:
            yield new.face_id


def _face_record(
    generation: Generation, face: FaceRecord, image: ImageRecord, membership: Membership, cause: Cause
) -> ProducedRecord:
    event = face_assigned(face, image, membership, cause)
    content = f"{membership.cluster_id} {membership.similarity}"
    return _record(FACES_ASSIGNED, face.face_id, event, generation, content)


def _cluster_record(
    generation: Generation, change: ClusterChange, medoid: str | None, existing: Container[str]
) -> ProducedRecord:
    event = ClusterChanged(
        cluster_id=change.cluster_id,
        change=change.change,
        other_cluster_id=change.other,
        medoid_face_id=medoid if medoid in existing else None,
        size=change.size,
        generation=generation.number,
    )
    content = f"{event.change} {event.other_cluster_id} {event.size} {event.medoid_face_id}"
    return _record(CLUSTERS_CHANGED, change.cluster_id, event, generation, content)


def _record(topic: Topic, key: str, event: Message, generation: Generation, content: str) -> ProducedRecord:
    when = publication_time(generation)
    # A generation may be published several times: each publication has ids of its own, and keeps them if repeated.
    cause = f"{Cause.RECLUSTERED} {when.isoformat()} {content}"
    return EventEncoder(SERVICE, when).record(topic, key, event, subject=key, cause=cause, generation=generation.number)
