"""Announce the content of the repository again, for a Kafka that has lost records.

In this order: the cluster of every face of the active generation, every cluster as kept, the outcome of every
photograph, a tombstone of every object that is gone; at the end, that everything was announced. As in `announce`, each
block is one transaction that is committed only if all of it is still true. The caller has the lease, so that no other
generation becomes active in the meantime. The events have ids of their own: a consumer that has the original records
gets an equal one again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from more_itertools import chunked

from services.reclusterer.generations.announce import (
    BLOCK,
    SERVICE,
    announce_clusters,
    announce_faces,
    announce_publication,
    publication_time,
)
from services.reclusterer.generations.diff import diff_generations
from services.reclusterer.generations.existence import existing_images, removed_objects
from shared.domain.event_builders import image_processed
from shared.domain.events import Outcome, Publication, Verdict
from shared.domain.records import FaceRecord, Generation, GenerationState, ImageRecord, Membership
from shared.domain.topics import IMAGES_PROCESSED
from shared.ports.photos import PhotoCatalog
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord, RecordWriter
from shared.stream.cloudevents import EventEncoder

_BEFORE_THE_FIRST = Generation(number=0, state=GenerationState.ACTIVE, model_id="", snapshot="", parameters={})


@dataclass(frozen=True, slots=True)
class Reannounced:
    """The numbers of announced faces, clusters and photographs. `is_complete`: that these are all was announced too."""

    faces: int
    clusters: int
    photos: int
    is_complete: bool = True


def reannounce(repository: FaceRepository, writer: RecordWriter, now: datetime) -> Reannounced:
    """Announce everything that exists; return the numbers. `now`: aware; the event ids depend on it.

    Can be repeated. Raises `Transient` if a server does not answer, `Fatal` if another process announces.
    """
    generation = replace(repository.active_generation() or _BEFORE_THE_FIRST, published_at=now)
    face_ids = (membership.face_id for membership in repository.memberships(generation.number))
    faces = sum(
        announce_faces(repository, generation, writer, block, lambda membership: membership.cause)
        for block in chunked(face_ids, BLOCK)
    )
    changes = diff_generations(repository, generation.number, generation.number)
    announce_clusters(repository, generation, writer, changes)
    photos = sum(
        _announce_photos(repository, generation, writer, block) for block in chunked(repository.images(), BLOCK)
    )
    for removed in chunked(repository.images(Outcome.REMOVED), BLOCK):
        _write_tombstones(repository, generation, writer, removed)
    counts = {"faces": faces, "clusters": len(changes), "photos": photos}
    is_complete = announce_publication(generation, writer, Publication.REPEATED, **counts)
    return Reannounced(**counts, is_complete=is_complete)


def _announce_photos(
    repository: FaceRepository, generation: Generation, writer: RecordWriter, block: Sequence[ImageRecord]
) -> int:
    """Publish `images.processed` for these images in one transaction; return the number of those that exist."""
    while True:
        images = existing_images(repository, block)
        faces = repository.faces_of([image.image_id for image in images])
        face_ids = [face.face_id for of_image in faces.values() for face in of_image]
        members = repository.memberships_of(generation.number, face_ids)
        records = [_photo_record(generation, image, faces.get(image.image_id, ()), members) for image in images]

        def is_unchanged(images: Sequence[ImageRecord] = images) -> bool:
            return existing_images(repository, block) == images

        if not records or writer.write_if(records, is_unchanged):
            return len(records)


def _write_tombstones(
    photos: PhotoCatalog, generation: Generation, writer: RecordWriter, block: Sequence[ImageRecord]
) -> None:
    """Write tombstones of removed objects: earlier versions wrote none, and left their names in the topic."""
    object_ids = {image.object_id for image in block}
    while removed := removed_objects(photos, object_ids):
        when = publication_time(generation)
        records = [
            EventEncoder(SERVICE, when).record(
                IMAGES_PROCESSED, object_id, None, subject=object_id, cause=f"forgotten {when.isoformat()}"
            )
            for object_id in removed
        ]

        def is_unchanged(removed: Sequence[str] = removed) -> bool:
            return removed_objects(photos, set(removed)) == removed

        if writer.write_if(records, is_unchanged):
            return


def _photo_record(
    generation: Generation, image: ImageRecord, faces: Sequence[FaceRecord], members: Mapping[str, Membership]
) -> ProducedRecord:
    accepted = [face.face_id for face in faces if face.verdict is Verdict.ACCEPTED]
    event = image_processed(image, faces, [members[face_id] for face_id in accepted if face_id in members])
    return EventEncoder(SERVICE, image.uploaded_at).record(
        IMAGES_PROCESSED,
        image.object_id,
        event,
        subject=image.image_id,
        cause=f"repeated {generation.published_at}",
    )
