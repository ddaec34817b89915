"""Telling the world what a generation changes: `faces.assigned`, `clusters.changed`, `generations.published`.

What downstream last heard of a face is its membership in the generation before, whoever put it there, the reclusterer
or the assigner. So a face is announced if it has a membership in both generations and another person in the new one.
A face without one in the generation before arrived after the swap, and the assigner has told of it.

No event of a face that is gone, in whatever order things happen. On one key the assigner may write a tombstone, or an
assignment, while the job announces. Each block is one transaction: its records are appended first; then the job looks
whether every face is still there and still has the person that the record says; only then it commits, and otherwise it
aborts and does the block again without what changed. If the face was there when the job looked, its photograph was
not marked as removed by then. The assigner marks it before it writes the tombstone, so the tombstone is appended
after the look, behind the record of the job, and whoever reads the key to its end reads the tombstone last. If the
face was not there, the record was aborted and nobody ever reads it. The same holds for a membership, which the assigner
writes before the event. A job that dies before the commit leaves an open transaction, which the broker aborts.

Announcing again, after a death, may say something else: faces were erased, sizes and medoids are those of the moment.
An event id is made of what is said, so that the same has the same id, and nothing else has it. Who reads a block twice
has read it once more. The last record says that there are no more.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from more_itertools import chunked

from services.reclusterer.generations.existence import present
from services.reclusterer.generations.lineage import Fate, fates
from shared import metrics
from shared.domain.events import Cause, ClusterChanged, FaceAssigned, GenerationPublished, Message, Publication
from shared.domain.records import FaceRecord, Generation, ImageRecord, Membership
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, GENERATIONS_PUBLISHED, Topic
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord, RecordWriter
from shared.stream.cloudevents import EventEncoder

SERVICE = "reclusterer"
BLOCK = 500  # records in one transaction
_ACTIVE = "active"  # the one key of what is published


def announce(repository: FaceRepository, generation: Generation, writer: RecordWriter) -> tuple[int, int]:
    """Tell of all that differs from `generation.previous`; return how many faces and clusters were told of.

    `announce_publication` is to follow. Can be repeated. Raises `Transient` where a server does not answer, `Fatal`
    where another process announces.
    """
    faces = sum(
        announce_faces(repository, generation, writer, block, lambda _: Cause.RECLUSTERED)
        for block in chunked(_moved(repository, generation), BLOCK)
    )
    fates = changes(repository, generation.previous, generation.number)
    announce_clusters(repository, generation, writer, fates)
    return faces, len(fates)


def announce_faces(
    repository: FaceRepository,
    generation: Generation,
    writer: RecordWriter,
    face_ids: Sequence[str],
    cause: Callable[[Membership], Cause],
) -> int:
    """Say of faces, in one transaction, who they are in a generation; return of how many that are there."""
    while True:
        faces, members = present(repository, face_ids), repository.memberships_of(generation.number, face_ids)
        said = [face_id for face_id in face_ids if face_id in faces and face_id in members]
        records = [
            _face_record(generation, *faces[face_id], members[face_id], cause(members[face_id])) for face_id in said
        ]

        def still(said: Sequence[str] = said, members: Mapping[str, Membership] = members) -> bool:
            now = repository.memberships_of(generation.number, said)
            return present(repository, said).keys() == set(said) and all(now.get(it) == members[it] for it in said)

        if not records or writer.write_if(records, still):
            return len(records)


def announce_clusters(
    repository: FaceRepository, generation: Generation, writer: RecordWriter, fates: Sequence[Fate]
) -> None:
    """Say what became of clusters in a generation."""
    medoid_of = {cluster.cluster_id: cluster.medoid_face_id for cluster in repository.clusters(generation.number)}
    for block in chunked(fates, BLOCK):
        medoids = [medoid_of[fate.cluster_id] for fate in block if fate.cluster_id in medoid_of]
        there = present(repository, medoids)
        records = [_cluster_record(generation, fate, medoid_of.get(fate.cluster_id), there) for fate in block]
        writer.write_if(records, lambda: True)
        for fate in block:
            metrics.CLUSTERS_CHANGED.labels(fate.change).inc()


def announce_publication(
    generation: Generation, writer: RecordWriter, cause: Publication, *, faces: int, clusters: int, photos: int = 0
) -> bool:
    """Say that all of a publication was told; say whether that could be said.

    It could not where the topic is not there yet, or not for this user: an installation that was brought up to date
    without `facestream init`.
    """
    if not writer.knows(GENERATIONS_PUBLISHED.name):
        return False
    repeated = cause is Publication.REPEATED
    event = GenerationPublished(
        generation=generation.number,
        previous=generation.number if repeated else generation.previous,
        cause=cause,
        published_at=moment_of(generation),
        faces=faces,
        clusters=clusters,
        photos=photos,
    )
    # Told once more by whoever goes on after a death, it has the same name if it says the same. Faces that were
    # erased meanwhile are not counted again.
    what = f"{cause} {event.published_at.isoformat()} {faces} {clusters} {photos}"
    encoder = EventEncoder(SERVICE, event.published_at)
    record = encoder.record(
        GENERATIONS_PUBLISHED, _ACTIVE, event, subject=_ACTIVE, cause=what, generation=generation.number
    )
    writer.write_if([record], lambda: True)
    return True


def changes(repository: FaceRepository, before: int, after: int) -> list[Fate]:
    """Return what became of each cluster from one generation to another, in ascending order of cluster id."""
    # Downstream knows of those too that went with the last of their faces.
    known = {cluster.cluster_id for cluster in repository.clusters(before)} | repository.former_clusters(before)
    sizes_before: Counter[str] = Counter(dict.fromkeys(known, 0))
    sizes_after: Counter[str] = Counter({cluster.cluster_id: 0 for cluster in repository.clusters(after)})
    shared: Counter[tuple[str, str]] = Counter()
    for old, new in both(repository, before, after):
        if old and old.cluster_id:
            sizes_before[old.cluster_id] += 1
        if new and new.cluster_id:
            sizes_after[new.cluster_id] += 1
        if old and new and old.cluster_id and new.cluster_id:
            shared[old.cluster_id, new.cluster_id] += 1
    return fates(sizes_before, sizes_after, shared)


def both(repository: FaceRepository, before: int, after: int) -> Iterator[tuple[Membership | None, Membership | None]]:
    """Yield the memberships of every face in two generations, in ascending order of face id; None where it has none."""
    olds, news = repository.memberships(before), repository.memberships(after)
    old, new = next(olds, None), next(news, None)
    while old or new:
        if new is None or (old and old.face_id < new.face_id):
            yield old, None
            old = next(olds, None)
        elif old is None or new.face_id < old.face_id:
            yield None, new
            new = next(news, None)
        else:
            yield old, new
            old, new = next(olds, None), next(news, None)


def _moved(repository: FaceRepository, generation: Generation) -> Iterator[str]:
    for old, new in both(repository, generation.previous, generation.number):
        if old and new and old.cluster_id != new.cluster_id:
            yield new.face_id


def _face_record(
    generation: Generation, face: FaceRecord, image: ImageRecord, membership: Membership, cause: Cause
) -> ProducedRecord:
    event = FaceAssigned(
        face_id=face.face_id,
        image_id=face.image_id,
        object_id=face.object_id,
        bucket=image.bucket,
        key=image.key,
        box=face.box,
        crop_key=face.crop_key,
        cluster_id=membership.cluster_id,
        similarity=membership.similarity,
        generation=generation.number,
        cause=cause,
    )
    what = f"{membership.cluster_id} {membership.similarity}"
    return _record(FACES_ASSIGNED, face.face_id, event, generation, what)


def _cluster_record(generation: Generation, fate: Fate, medoid: str | None, there: Container[str]) -> ProducedRecord:
    event = ClusterChanged(
        cluster_id=fate.cluster_id,
        change=fate.change,
        other_cluster_id=fate.other,
        medoid_face_id=medoid if medoid in there else None,
        size=fate.size,
        generation=generation.number,
    )
    what = f"{event.change} {event.other_cluster_id} {event.size} {event.medoid_face_id}"
    return _record(CLUSTERS_CHANGED, fate.cluster_id, event, generation, what)


def moment_of(generation: Generation) -> datetime:
    """Return the moment of a publication, which all of its records have."""
    return generation.published_at or datetime.fromtimestamp(0, UTC)


def _record(topic: Topic, key: str, event: Message, generation: Generation, what: str) -> ProducedRecord:
    when = moment_of(generation)
    # A generation may be published several times: each has ids of its own, and keeps them where the same is repeated.
    cause = f"{Cause.RECLUSTERED} {when.isoformat()} {what}"
    return EventEncoder(SERVICE, when).record(topic, key, event, subject=key, cause=cause, generation=generation.number)
