"""What a bucket that keeps versions says of removals, as MinIO was seen to say it."""

import json
from datetime import UTC, datetime

import pytest

from shared.adapters.memory import MemoryObjectStore
from shared.bucket_notification import confirmed_events
from shared.photo_rule import PhotoRule
from shared.ports import ConsumedRecord

_TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def notice(name: str, **facts: str) -> ConsumedRecord:
    s3 = {"bucket": {"name": "photos"}, "object": {"key": "a+b.jpg", "sequencer": "18EA", **facts}}
    told = {"eventName": f"s3:{name}", "eventTime": _TIME.isoformat(), "s3": s3}
    return ConsumedRecord("t", 0, 0, b"", json.dumps({"Records": [told]}).encode(), {}, _TIME)


def store(*keys: str) -> MemoryObjectStore:
    objects = MemoryObjectStore()
    for key in keys:
        objects.put("photos", key, b"1", "image/jpeg")
    return objects


@pytest.mark.parametrize(
    ("record", "version"),
    [
        (notice("ObjectRemoved:Delete"), None),
        (notice("ObjectRemoved:Delete", versionId="v7"), "v7"),
        (notice("ObjectRemoved:NoOP"), None),
        (notice("ObjectRemoved:DeleteMarkerCreated", versionId="v8"), None),
        (notice("ObjectRemoved:DeleteMarkerCreated", versionId="null"), None),
        (notice("ObjectRemoved:DeleteAllVersions", versionId="v8"), None),
        (notice("ObjectRemoved:Delete", versionId="null"), None),
    ],
)
def test_a_removal_is_of_the_object_unless_one_version_was_deleted(record: ConsumedRecord, version: str | None) -> None:
    (event,) = confirmed_events(record, store("a b.jpg.old"), PhotoRule())
    assert (event.removed, event.key, event.version_id) == (True, "a b.jpg", version)


@pytest.mark.parametrize(
    "record",
    [
        notice("ObjectRemoved:DeleteMarkerCreated", versionId="v8"),
        notice("ObjectRemoved:Delete", versionId="null"),
    ],
)
def test_a_delete_marker_or_an_old_version_that_went_removes_nothing_that_is_there(record: ConsumedRecord) -> None:
    assert confirmed_events(record, store("a b.jpg"), PhotoRule()) == []


def test_one_version_that_was_deleted_is_told_whatever_is_there() -> None:
    assert len(confirmed_events(notice("ObjectRemoved:Delete", versionId="v7"), store("a b.jpg"), PhotoRule())) == 1
