"""What a bucket that keeps versions says of removals, as MinIO was seen to say it."""

import json
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from services.detector.settings import DetectorSettings
from services.detector.step import detect
from shared.adapters.memory.objects import MemoryObjectStore
from shared.domain.events import FacesDetected, Outcome
from shared.domain.records import ImageRecord
from shared.errors import ObjectRefused, Poison
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ConsumedRecord
from shared.settings import BucketSettings
from shared.stream import notification_records as notices
from shared.stream.bucket_notifications import bucket_events

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


def removals(record: ConsumedRecord, objects: MemoryObjectStore) -> list[FacesDetected]:
    """What the detector makes of a record."""
    notices = bucket_events(record, "photos", PhotoRule())
    found = [
        detect(it, objects, lambda _: pytest.fail("decoded"), DetectorSettings(), BucketSettings()) for it in notices
    ]
    return [photo for photo in found if photo is not None]


def still_there() -> float:
    return REGISTRY.get_sample_value("facestream_dropped_total", {"reason": "still_there"}) or 0.0


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
    (photo,) = removals(record, store("a b.jpg.old"))
    assert (photo.outcome, photo.photo.key, photo.photo.version_id) == (Outcome.REMOVED, "a b.jpg", version)


@pytest.mark.parametrize(
    "record",
    [
        notice("ObjectRemoved:DeleteMarkerCreated", versionId="v8"),
        notice("ObjectRemoved:Delete", versionId="null"),
    ],
)
def test_a_delete_marker_or_an_old_version_that_went_removes_nothing_that_is_there(record: ConsumedRecord) -> None:
    before = still_there()
    assert removals(record, store("a b.jpg")) == []
    assert still_there() == before + 1


def reconcilers(key: str) -> ConsumedRecord:
    image = ImageRecord("i", "o", "photos", key, "e", 1, _TIME, Outcome.DETECTED, sequencer="18EA")
    return ConsumedRecord("t", 0, 0, b"", notices.removed(image, _TIME).value, {}, _TIME)


def test_what_the_reconciler_says_to_be_gone_is_asked_for_when_that_is_read() -> None:
    assert removals(reconcilers("a b.jpg"), store("a b.jpg")) == []
    (photo,) = removals(reconcilers("a b.jpg"), store("a b.jpg.old"))
    assert (photo.outcome, photo.photo.key) == (Outcome.REMOVED, "a b.jpg")


@pytest.mark.parametrize("record", [reconcilers("a b.jpg"), notice("ObjectRemoved:DeleteMarkerCreated")])
def test_a_removal_of_which_the_bucket_does_not_speak_is_neither_believed_nor_forgotten(record: ConsumedRecord) -> None:
    class Closed(MemoryObjectStore):
        def exists(self, bucket: str, key: str) -> bool:
            msg = f"{bucket}/{key}: AccessDenied"
            raise ObjectRefused(msg)

    with pytest.raises(Poison, match=r"photos/a b\.jpg: AccessDenied"):
        removals(record, Closed())


def test_one_version_that_was_deleted_is_told_whatever_is_there() -> None:
    assert len(removals(notice("ObjectRemoved:Delete", versionId="v7"), store("a b.jpg"))) == 1
