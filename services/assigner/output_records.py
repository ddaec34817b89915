"""What the world is told of a photograph: of faces that are no more, of faces that are new, and of itself."""

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
class News:
    """An event to be followed, the record that it came in, and the images that it replaces."""

    record: ConsumedRecord
    event: FacesEmbedded
    doomed: tuple[ImageRecord, ...]

    @property
    def is_removal(self) -> bool:
        """Say whether the object is gone."""
        return self.event.outcome is Outcome.REMOVED


def told(news: News, assigned: Assigned | None, faces: _FacesOf) -> list[ProducedRecord]:
    """Return what is said of a photograph, or of an object that is gone, for which nothing was assigned.

    `faces` are those of the images that it replaces.
    """
    when = moment(news.event)
    encoder = EventEncoder(_SERVICE, news.event.photo.uploaded_at, news.record.headers)
    said = [
        encoder.record(FACES_ASSIGNED, face.face_id, None, subject=face.face_id, cause=f"erased {when}")
        for image in news.doomed
        for face in faces.get(image.image_id, ())
        if face.verdict is Verdict.ACCEPTED
    ]
    if assigned is None:
        photo = news.event.photo
        if news.doomed:
            photo = replace(photo, image_id=news.doomed[-1].image_id, etag=news.doomed[-1].etag)
        gone = ImageProcessed(photo=photo, outcome=Outcome.REMOVED)
        # Who reads on hears what is gone; then Kafka forgets the name of the file too.
        forgotten = encoder.record(
            IMAGES_PROCESSED, photo.object_id, None, subject=photo.object_id, cause=f"forgotten {when}"
        )
        return [*said, encoder.photo_record(IMAGES_PROCESSED, gone), forgotten]
    said += [
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
    return [*said, encoder.photo_record(IMAGES_PROCESSED, assigned.processed)]


def count(arrived: Sequence[News], assigned: Sequence[Assigned]) -> None:
    """Count what is said of a batch of photographs."""
    events = [news.event for news in arrived]
    metrics.count_photos(events)
    metrics.observe_end_to_end(events)
    metrics.count_assignments(
        sum(item.processed.assigned for item in assigned),
        [face.similarity for item in assigned for face in item.events],
    )
