"""What the detector does with notices of objects that are no photographs: nothing, and it counts them."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote_plus

import pytest
from prometheus_client import REGISTRY

from services.detector.settings import DetectorSettings
from services.detector.step import detect
from shared.adapters.memory.objects import MemoryObjectStore
from shared.domain.events import FacesDetected, Outcome, Photo
from shared.domain.topics import FACES_DETECTED
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.ports.objects import ObjectInfo, StoredObject
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.settings import BucketSettings
from shared.stream import notification_records as notices
from shared.stream.bucket_notifications import BucketNotification, bucket_events
from shared.stream.photo_processor import PhotoProcessor
from tools.notifications import events_of

_TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
_NO_PHOTOGRAPHS = (
    "album/",
    ".DS_Store",
    "album/.picasa.ini",
    "album/IMG_0001.MOV",
    "album/IMG_0001.AAE",
    "album/@eaDir/IMG_0001.JPG/SYNOPHOTO_THUMB_XL.jpg",
    "Thumbs.db",
    "note.m4a",
)


def notice(*keys: str, name: str = "s3:ObjectCreated:Put") -> ConsumedRecord:
    records = [
        {
            "eventName": name,
            "eventTime": _TIME.isoformat(),
            "s3": {"bucket": {"name": "photos"}, "object": {"key": quote_plus(key), "size": 3, "sequencer": "18EA"}},
        }
        for key in keys
    ]
    return ConsumedRecord("t", 0, 0, b"", json.dumps({"Records": records}).encode(), {}, _TIME)


class Untouched(MemoryObjectStore):
    """An object store that nobody is to ask anything."""

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:  # noqa: ARG002  of the port
        pytest.fail(f"{bucket}/{key} was read")

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        pytest.fail(f"{bucket}/{prefix} was listed")


def dropped() -> float:
    return REGISTRY.get_sample_value("facestream_dropped_total", {"reason": "not_a_photograph"}) or 0.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def test_what_is_no_photograph_by_its_key_is_dropped_counted_and_not_read(threads: ThreadPoolExecutor) -> None:
    def detected(notice: BucketNotification) -> FacesDetected | None:
        return detect(notice, Untouched(), lambda _: pytest.fail("decoded"), DetectorSettings(), BucketSettings())

    read = partial(bucket_events, bucket="photos", rule=PhotoRule())
    before = dropped()
    assert (
        PhotoProcessor(
            service="detector", parse=read, load=detected, finish=list, output=FACES_DETECTED, threads=threads
        ).process([notice(*_NO_PHOTOGRAPHS)])
        == []
    )
    assert dropped() == before + len(_NO_PHOTOGRAPHS)


def test_photographs_beside_them_go_on_and_names_that_say_nothing_too(threads: ThreadPoolExecutor) -> None:
    def detected(notice: BucketNotification) -> FacesDetected | None:
        event = notice.event
        if notice.dropped:
            return None
        photo = Photo(
            bucket=event.bucket, key=event.key, object_id="o", image_id="i", etag="e", size=3, uploaded_at=_TIME
        )
        return FacesDetected(photo=photo, outcome=Outcome.DETECTED)

    keys = ["a b.jpg", "photo.jpg_large", "2020.01.02 12.30.45", "plain", "größe.HEIC"]
    read = partial(bucket_events, bucket="photos", rule=PhotoRule())
    given = PhotoProcessor(
        service="detector", parse=read, load=detected, finish=list, output=FACES_DETECTED, threads=threads
    ).process([notice(*_NO_PHOTOGRAPHS, *keys)])
    assert [FacesDetected.model_validate_json(record.value or b"").photo.key for record in given] == keys


def test_a_removal_is_never_dropped() -> None:
    # It may have been taken for a photograph under another rule, and have faces.
    found = events_of(notice(*_NO_PHOTOGRAPHS, name="s3:ObjectRemoved:Delete"))
    assert [(event.key, event.removed) for event in found] == [(key, True) for key in _NO_PHOTOGRAPHS]


_LISTED = ObjectInfo(".trash/a.jpg", 3, _TIME, "e")
_PHOTO = Photo(bucket="photos", key=".trash/a.jpg", object_id="o", image_id="i", etag="e", size=3, uploaded_at=_TIME)


@pytest.mark.parametrize(
    "announced",
    [
        notices.uploaded("photos", _LISTED),
        notices.uploaded("photos", _LISTED, retry=True),
        notices.detect_again(_PHOTO),
    ],
    ids=["lost", "retry", "asked for"],
)
def test_what_we_announce_ourselves_is_not_dropped(announced: ProducedRecord) -> None:
    # It has faces from another rule, which stay for ever where nobody hears of the object again.
    record = ConsumedRecord(announced.topic, 0, 0, announced.key, announced.value, {}, _TIME)
    assert [event.key for event in events_of(record)] == [".trash/a.jpg"]


def test_the_settings_decide_in_the_stream_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "memes")
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE_KNOWN", "false")
    rule = PhotoRule.of(PhotoSettings())
    found = bucket_events(notice("Memes/a.jpg", "@eaDir/a.jpg", "a.jpg"), "photos", rule)
    assert [notice.event.key for notice in found if not notice.dropped] == ["@eaDir/a.jpg", "a.jpg"]
