"""The output records of one photograph: tombstones of erased faces, `faces.assigned`, `images.processed`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.assigner.step import Assigned
from shared import metrics
from shared.domain.events import FacesEmbedded, ImageProcessed, Outcome, Verdict
from shared.domain.records import FaceRecord, ImageRecord
from shared.domain.topics import FACES_ASSIGNED, IMAGES_PROCESSED
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.cloudevents import EventEncoder, moment

_SERVICE = "assigner"
_FacesOf = Mapping[str, Sequence[FaceRecord]]


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event that is new for its object, its record, and the images of its object that are stale now."""

    record: ConsumedRecord
    event: FacesEmbedded
    stale: tuple[ImageRecord, ...]

    @property
    def is_removal(self) -> bool:
        """Whether the object is gone."""
        return self.event.outcome is Outcome.REMOVED


def output_records(accepted: AcceptedEvent, assigned: Assigned | None, faces: _FacesOf) -> list[ProducedRecord]:
    """Return the records that report a photograph, or that its object is gone.

    `assigned`: the result for the photograph, None if the object is gone. `faces`: those of the stale images, by image
    id.
    """
    when = moment(accepted.event)
    encoder = EventEncoder(_SERVICE, accepted.event.photo.uploaded_at, accepted.record.headers)
    records = [
        encoder.record(FACES_ASSIGNED, face.face_id, None, subject=face.face_id, cause=f"erased {when}")
        for image in accepted.stale
        for face in faces.get(image.image_id, ())
        if face.verdict is Verdict.ACCEPTED
    ]
    if assigned is None:
        photo = accepted.event.photo
        if accepted.stale:
            photo = replace(photo, image_id=accepted.stale[-1].image_id, etag=accepted.stale[-1].etag)
        gone = ImageProcessed(photo=photo, outcome=Outcome.REMOVED)
        # A consumer that reads on gets the removal. After the tombstone, Kafka forgets the name of the file as well.
        tombstone = encoder.record(
            IMAGES_PROCESSED, photo.object_id, None, subject=photo.object_id, cause=f"forgotten {when}"
        )
        return [*records, encoder.photo_record(IMAGES_PROCESSED, gone), tombstone]
    records += [
        encoder.record(
            FACES_ASSIGNED,
            event.face_id,
            event,
            subject=event.face_id,
            cause=f"{event.cause} {when}",
            generation=event.generation,
        )
        for event in assigned.events
    ]
    return [*records, encoder.photo_record(IMAGES_PROCESSED, assigned.processed)]


def count(arrived: Sequence[AcceptedEvent], assigned: Sequence[Assigned]) -> None:
    """Count the photographs of a batch, their faces and assignments."""
    events = [item.event for item in arrived]
    metrics.count_photos(events)
    metrics.observe_end_to_end(events)
    metrics.count_assignments(
        sum(item.processed.assigned for item in assigned),
        [face.similarity for item in assigned for face in item.events],
    )
