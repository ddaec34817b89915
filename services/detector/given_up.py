"""Outcomes for photographs that ended the detector's process at every attempt."""

from collections.abc import Callable, Sequence

from services.detector.step import unreadable
from shared.domain.events import FacesDetected
from shared.domain.topics import FACES_DETECTED
from shared.errors import Deadly, Unreadable
from shared.metrics import count_photos
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.bucket_notifications import BucketNotification
from shared.stream.cloudevents import EventEncoder


def given_up(
    record: ConsumedRecord,
    reason: Deadly,
    service: str,
    read: Callable[[ConsumedRecord], Sequence[BucketNotification]],
    detected: Callable[[BucketNotification], FacesDetected | None],
) -> Sequence[ProducedRecord]:
    """Return the events of a record whose photographs are not tried any more: each of them is unreadable.

    By the photographs themselves: the reconciler does not have them tried again by itself, which would end processes
    every hour. Removals, and what is dropped, end as ever (`detected`). Raises what `read` does.
    """
    photos = [photo for notification in read(record) if (photo := _given_up(notification, reason, detected))]
    count_photos(photos)
    return [
        EventEncoder(service, photo.photo.uploaded_at, record.headers).photo_record(FACES_DETECTED, photo)
        for photo in photos
    ]


def _given_up(
    notification: BucketNotification, reason: Deadly, detected: Callable[[BucketNotification], FacesDetected | None]
) -> FacesDetected | None:
    if notification.dropped or notification.event.removed:
        return detected(notification)
    return unreadable(notification.event, notification.event.etag or "", Unreadable(str(reason)))
