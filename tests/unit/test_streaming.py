"""Records and events: what the headers say, what a bad value is answered with, what the bucket tells."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.bucket_notification import bucket_events
from shared.errors import Poison
from shared.events import BucketEvent, FacesDetected, FacesEmbedded, FacesScreened, Outcome, Photo
from shared.ports import ConsumedRecord
from shared.streaming import About, decoded, encoded, one, photo_step
from shared.topics import FACES_ASSIGNED, FACES_SCREENED, MAX_MESSAGE_BYTES, TOPICS

_TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
_PHOTO = Photo(
    bucket="photos", key="a.jpg", object_id="o", image_id="i", etag="e", sequencer="1A", size=1, uploaded_at=_TIME
)
_DETECTED = FacesDetected(photo=_PHOTO, outcome=Outcome.DETECTED)


def record(value: bytes | None, headers: dict[str, bytes] | None = None) -> ConsumedRecord:
    return ConsumedRecord("in", 1, 7, b"k", value, headers or {}, _TIME)


def screened(photos: Any) -> list[FacesScreened]:
    return [FacesScreened(photo=photo.photo, outcome=photo.outcome) for photo in photos]


def test_a_photograph_goes_on_under_the_name_of_its_object_with_the_headers_of_cloudevents() -> None:
    step = photo_step("quality", one(FacesDetected), screened, FACES_SCREENED)
    (given,) = step([record(_DETECTED.model_dump_json().encode(), {"traceparent": b"00-a-b-01", "other": b"x"})])
    assert (given.topic, given.key) == ("faces.screened", b"o")
    headers = dict(given.headers)
    assert len(headers.pop("ce_id")) == 32
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_type": b"facestream.faces.screened.v1",
        "ce_source": b"/facestream/quality",
        "ce_time": b"2026-11-24T09:30:00+00:00",
        "content-type": b"application/json",
        "traceparent": b"00-a-b-01",
    }
    assert decoded(ConsumedRecord("t", 0, 0, b"", given.value, {}, _TIME), FacesScreened).photo == _PHOTO


def test_a_replay_gives_the_same_bytes_and_a_later_state_of_the_object_another_name() -> None:
    step = photo_step("quality", one(FacesDetected), screened, FACES_SCREENED)
    first, again = (step([record(_DETECTED.model_dump_json().encode())]) for _ in range(2))
    assert first == again
    later = _DETECTED.model_copy(update={"photo": _PHOTO.model_copy(update={"sequencer": "1B"})})
    (other,) = step([record(later.model_dump_json().encode())])
    assert other.headers["ce_id"] != first[0].headers["ce_id"]


def test_a_tombstone_has_headers_and_no_type_of_content() -> None:
    tombstone = encoded(FACES_ASSIGNED, "face", None, About("assigner", "face", _TIME, "erased"))
    assert tombstone.value is None
    assert "content-type" not in tombstone.headers
    assert tombstone.headers["ce_type"] == b"facestream.faces.assigned.v1"


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b"\xff", b'{"photo": 5, "outcome": "detected"}'])
def test_what_is_no_event_is_poison(value: bytes | None) -> None:
    with pytest.raises(Poison, match="expected FacesDetected as JSON"):
        decoded(record(value), FacesDetected)


def test_the_reason_of_a_poison_holds_nothing_of_the_value() -> None:
    event = json.loads(FacesEmbedded(photo=_PHOTO, outcome=Outcome.DETECTED).model_dump_json())
    event["faces"] = [{"face_id": "f", "vector": "c2VjcmV0"}]
    event["photo"]["size"] = "secret"
    with pytest.raises(Poison) as caught:
        decoded(record(json.dumps(event).encode()), FacesEmbedded)
    assert "photo.size" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "c2Vj" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_event_that_no_topic_takes_is_poison() -> None:
    photo = _PHOTO.model_copy(update={"key": "x" * MAX_MESSAGE_BYTES})
    with pytest.raises(Poison, match=r"at most 8,388,608 bytes"):
        encoded(FACES_SCREENED, "o", FacesScreened(photo=photo, outcome=Outcome.DETECTED), About("q", "s", _TIME, ""))


def test_every_topic_takes_the_largest_event_with_its_headers() -> None:
    for topic in TOPICS:
        assert int(topic.configuration()["max.message.bytes"]) > MAX_MESSAGE_BYTES


def notification(name: str = "s3:ObjectCreated:Put", **changed: object) -> bytes:
    facts = {"key": "a+b/%C3%A9.jpg", "size": 4, "eTag": "e", "sequencer": "18B2", "versionId": "null"} | changed
    s3 = {"bucket": {"name": "photos", "arn": "x"}, "object": facts}
    found = {"eventName": name, "eventTime": "2026-11-24T09:30:00.000Z", "s3": s3, "awsRegion": ""}
    return json.dumps({"EventName": name, "Key": "photos/a b/é.jpg", "Records": [found]}).encode()


def test_a_notification_of_minio_says_which_object_was_written() -> None:
    assert bucket_events(record(notification())) == [
        BucketEvent(bucket="photos", key="a b/é.jpg", size=4, etag="e", sequencer="18B2", occurred_at=_TIME)
    ]


def test_a_notification_says_which_object_is_gone() -> None:
    (event,) = bucket_events(record(notification("s3:ObjectRemoved:Delete", size=0, eTag="", versionId="")))
    assert (event.removed, event.etag, event.key) == (True, None, "a b/é.jpg")


def test_the_version_of_a_bucket_that_keeps_versions_is_kept() -> None:
    assert bucket_events(record(notification(versionId="v7")))[0].version_id == "v7"


@pytest.mark.parametrize("name", ["s3:ObjectCreated:PutTagging", "s3:ObjectAccessed:Get", "s3:TestEvent"])
def test_what_leaves_the_picture_as_it_is_is_no_event(name: str) -> None:
    assert bucket_events(record(notification(name))) == []


def test_one_notification_may_tell_of_several_objects() -> None:
    body = json.loads(notification())
    body["Records"] *= 3
    step = photo_step("detector", bucket_events, lambda events: [_DETECTED for _ in events], FACES_SCREENED)
    assert len(bucket_events(record(json.dumps(body).encode()))) == 3
    assert len(step([record(json.dumps(body).encode()), record(notification())])) == 4


@pytest.mark.parametrize("value", [b"{}", b'{"Records": [{}]}', notification(sequencer="not hex"), b"null"])
def test_what_is_no_notification_is_poison(value: bytes) -> None:
    with pytest.raises(Poison, match="expected Notification as JSON"):
        bucket_events(record(value))
