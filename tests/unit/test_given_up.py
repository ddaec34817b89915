"""Photographs that ended the detector's process each time end as unreadable."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.detector.given_up import given_up
from shared.domain.events import BucketEvent, FacesDetected, Outcome, Photo
from shared.domain.ids import image_id, object_id
from shared.domain.topics import FACES_DETECTED
from shared.errors import Deadly, Transient
from shared.metrics import Drop
from shared.ports.streams import ConsumedRecord
from shared.stream.bucket_notifications import BucketNotification

_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_RECORD = ConsumedRecord("images.uploaded", 0, 7, b"photos/a.jpg", b"{}", {"traceparent": b"t"}, _NOON)
_REASON = Deadly("the process at work on it was ended")


def notice(key: str, *, removed: bool = False, dropped: Drop | None = None) -> BucketNotification:
    event = BucketEvent(bucket="photos", key=key, size=5, etag="e", occurred_at=_NOON, removed=removed)
    return BucketNotification(event, dropped=dropped)


def removal(notice: BucketNotification) -> FacesDetected | None:
    if notice.dropped:
        return None
    event = notice.event
    assert event.removed, "what has ended processes is not begun again"
    its_id = object_id(event.bucket, event.key)
    photo = Photo(
        bucket=event.bucket,
        key=event.key,
        object_id=its_id,
        image_id=image_id(its_id, None, "e"),
        etag="e",
        size=0,
        uploaded_at=_NOON,
    )
    return FacesDetected(photo=photo, outcome=Outcome.REMOVED)


def test_each_photograph_of_the_record_is_unreadable_with_the_reason_and_all_else_ends_as_ever() -> None:
    removed, dropped = notice("b.jpg", removed=True), notice("d.jpg", dropped=Drop.OTHER_BUCKET)
    events = [notice("a.jpg"), removed, notice("c.jpg"), dropped]
    records = given_up(_RECORD, _REASON, "detector", lambda _: events, removal)
    said = [FacesDetected.model_validate_json(record.value or b"") for record in records]
    assert [(of.photo.key, of.outcome, of.reason) for of in said] == [
        ("a.jpg", Outcome.UNREADABLE, str(_REASON)),
        ("b.jpg", Outcome.REMOVED, None),
        ("c.jpg", Outcome.UNREADABLE, str(_REASON)),
    ]
    assert said[0].photo.etag == "e", "by which the reconciler knows that this content has an outcome"
    assert not any(of.passing for of in said), "the reconciler would have it end processes again every hour"
    assert {record.topic for record in records} == {FACES_DETECTED.name}
    assert all(record.headers["traceparent"] == b"t" for record in records)


def test_a_record_that_tells_of_no_photograph_ends_with_nothing() -> None:
    assert given_up(_RECORD, _REASON, "detector", lambda _: [], removal) == []


def test_where_the_store_is_away_it_is_told_later() -> None:
    def read(_record: ConsumedRecord) -> Sequence[BucketNotification]:
        msg = "the store is away"
        raise Transient(msg)

    with pytest.raises(Transient):
        given_up(_RECORD, _REASON, "detector", read, removal)
