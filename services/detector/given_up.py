"""Outcomes for photographs that ended the detector's process at every attempt."""

from collections.abc import Callable, Sequence

from services.detector.step import unreadable
from shared.domain.events import FacesDetected
from shared.domain.topics import FACES_DETECTED
from shared.errors import Deadly, Unreadable
from shared.metrics import count_photos
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.bucket_notifications import Notice
from shared.stream.cloudevents import EventEncoder


def given_up(
    record: ConsumedRecord,
    reason: Deadly,
    service: str,
    read: Callable[[ConsumedRecord], Sequence[Notice]],
    detected: Callable[[Notice], FacesDetected | None],
) -> Sequence[ProducedRecord]:
    """Return the events of a record whose photographs are not read any more: all that it tells of are unreadable.

    By the photographs themselves: the reconciler does not have them tried again by itself, which would end processes
    every hour. Removals, and what is dropped, end as ever (`detected`). Raises what `read` does.
    """
    photos = [photo for notice in read(record) if (photo := _given_up(notice, reason, detected))]
    count_photos(photos)
    return [
        EventEncoder(service, photo.photo.uploaded_at, record.headers).photo_record(FACES_DETECTED, photo)
        for photo in photos
    ]


def _given_up(
    notice: Notice, reason: Deadly, detected: Callable[[Notice], FacesDetected | None]
) -> FacesDetected | None:
    if notice.dropped or notice.event.removed:
        return detected(notice)
    return unreadable(notice.event, notice.event.etag or "", Unreadable(str(reason)))
