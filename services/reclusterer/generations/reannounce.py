"""Saying again what stands in the repository, where Kafka has lost what was said.

Of every face of the active generation who it is, of every cluster that it is kept, of every photograph what became of
it, and of every object that is gone a tombstone; at the end, that all was told. As when a generation is announced,
each block is one transaction that is committed only if all of it is still so; whoever says it has to hold the lease,
so that no generation takes the place of this one meanwhile. What is said has ids of its own: a reader who has heard
it before hears it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from more_itertools import chunked

from services.reclusterer.generations.announce import (
    BLOCK,
    SERVICE,
    announce_clusters,
    announce_faces,
    announce_publication,
    changes,
    moment_of,
)
from shared.domain.events import ImageProcessed, Outcome, Photo, Publication, Verdict
from shared.domain.records import FaceRecord, Generation, GenerationState, ImageRecord, Membership
from shared.domain.topics import IMAGES_PROCESSED
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord, RecordWriter
from shared.stream.cloudevents import EventEncoder

_NONE = Generation(0, GenerationState.ACTIVE, "", "", {})  # the faces before the first generation, who are unknown


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many were told of. `ended`: also that these are all."""

    faces: int
    clusters: int
    photos: int
    ended: bool = True


def repeat(repository: FaceRepository, writer: RecordWriter, now: datetime) -> Repeated:
    """Tell of all that is there, and return how much that was. `now` is aware, and tells this time from others.

    Raises `Transient` where a server does not answer, `Fatal` where another process announces; can be repeated.
    """
    generation = replace(repository.active_generation() or _NONE, published_at=now)
    face_ids = (membership.face_id for membership in repository.memberships(generation.number))
    faces = sum(
        announce_faces(repository, generation, writer, block, lambda membership: membership.cause)
        for block in chunked(face_ids, BLOCK)
    )
    fates = changes(repository, generation.number, generation.number)
    announce_clusters(repository, generation, writer, fates)
    photos = sum(
        _announce_photos(repository, generation, writer, block) for block in chunked(repository.images(), BLOCK)
    )
    for removed in chunked(repository.images(Outcome.REMOVED), BLOCK):
        _forget_objects(repository, generation, writer, removed)
    counts = {"faces": faces, "clusters": len(fates), "photos": photos}
    return Repeated(**counts, ended=announce_publication(generation, writer, Publication.REPEATED, **counts))


def _announce_photos(
    repository: FaceRepository, generation: Generation, writer: RecordWriter, block: Sequence[ImageRecord]
) -> int:
    while True:
        images = _present(repository, block)
        faces = repository.faces_of([image.image_id for image in images])
        face_ids = [face.face_id for of_image in faces.values() for face in of_image]
        members = repository.memberships_of(generation.number, face_ids)
        records = [_photo_record(generation, image, faces.get(image.image_id, ()), members) for image in images]

        def still(images: Sequence[ImageRecord] = images) -> bool:
            return _present(repository, block) == images

        if not records or writer.write_if(records, still):
            return len(records)


def _forget_objects(
    repository: FaceRepository, generation: Generation, writer: RecordWriter, block: Sequence[ImageRecord]
) -> None:
    """Write tombstones of objects that are gone: earlier versions wrote none, and left their names in the topic."""
    while gone := _gone(repository, {image.object_id for image in block}):
        when = moment_of(generation)
        records = [
            EventEncoder(SERVICE, when).record(
                IMAGES_PROCESSED, name, None, subject=name, cause=f"forgotten {when.isoformat()}"
            )
            for name in gone
        ]

        def still(gone: Sequence[str] = gone) -> bool:
            return _gone(repository, set(gone)) == gone

        if writer.write_if(records, still):
            return


def _gone(repository: FaceRepository, object_ids: set[str]) -> Sequence[str]:
    """Return, in ascending order, those of the objects of which nothing is recorded but that they are gone."""
    found = repository.images_of(sorted(object_ids))
    return sorted(
        name for name, images in found.items() if images and all(it.outcome is Outcome.REMOVED for it in images)
    )


def _present(repository: FaceRepository, block: Sequence[ImageRecord]) -> Sequence[ImageRecord]:
    """Return, as they are now, those of the images that are there; in ascending order of image id."""
    wanted = {image.image_id for image in block}
    found = repository.images_of(sorted({image.object_id for image in block}))
    there = (image for of_object in found.values() for image in of_object if image.outcome is not Outcome.REMOVED)
    return sorted((image for image in there if image.image_id in wanted), key=lambda image: image.image_id)


def _photo_record(
    generation: Generation, image: ImageRecord, faces: Sequence[FaceRecord], members: Mapping[str, Membership]
) -> ProducedRecord:
    accepted = [face.face_id for face in faces if face.verdict is Verdict.ACCEPTED]
    assigned = sum(face_id in members and members[face_id].cluster_id is not None for face_id in accepted)
    event = ImageProcessed(
        photo=Photo(**{part.name: getattr(image, part.name) for part in fields(Photo)}),
        outcome=image.outcome,
        reason=image.reason,
        passing=image.passing,
        assigned=assigned,
        unknown=len(accepted) - assigned,
        rejected=len(faces) - len(accepted),
    )
    return EventEncoder(SERVICE, image.uploaded_at).record(
        IMAGES_PROCESSED,
        image.object_id,
        event,
        subject=image.image_id,
        cause=f"repeated {generation.published_at}",
    )
