"""What the detector says of photographs that ended its process each time it began with them."""

from collections.abc import Callable, Sequence

from services.detector.step import unreadable
from shared.errors import Deadly, Unreadable
from shared.events import BucketEvent, FacesDetected
from shared.metrics import count_photos
from shared.ports import ConsumedRecord, ProducedRecord
from shared.streaming import photo_record
from shared.topics import FACES_DETECTED


def given_up(
    record: ConsumedRecord,
    reason: Deadly,
    service: str,
    read: Callable[[ConsumedRecord], Sequence[BucketEvent]],
    detected: Callable[[BucketEvent], FacesDetected],
) -> Sequence[ProducedRecord]:
    """Return the events of a record whose photographs are not read any more: all that it tells of are unreadable.

    By the photographs themselves: the reconciler does not have them tried again by itself, which would end processes
    every hour. Removals are told as ever (`detected`). Raises what `read` does.
    """
    photos = [
        detected(event) if event.removed else unreadable(event, event.etag or "", Unreadable(str(reason)))
        for event in read(record)
    ]
    count_photos(photos)
    return [photo_record(service, FACES_DETECTED, photo, record) for photo in photos]
