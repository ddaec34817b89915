"""Records and events: what the headers say, what a bad value is answered with, what the bucket tells."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.domain.events import BucketEvent, FacesDetected, FacesEmbedded, FacesScreened, Outcome, Photo
from shared.domain.topics import FACES_ASSIGNED, FACES_SCREENED, MAX_MESSAGE_BYTES, TOPICS
from shared.errors import Poison, Transient
from shared.metrics import Drop
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.bucket_notifications import Notification, bucket_events
from shared.stream.cloudevents import EventEncoder, decoded, one_event
from shared.stream.photo_processor import PhotoProcessor
from tools.notifications import events_of

_TIME = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
_PHOTO = Photo(
    bucket="photos", key="a.jpg", object_id="o", image_id="i", etag="e", sequencer="1A", size=1, uploaded_at=_TIME
)
_DETECTED = FacesDetected(photo=_PHOTO, outcome=Outcome.DETECTED)


def record(value: bytes | None, headers: dict[str, bytes] | None = None, offset: int = 7) -> ConsumedRecord:
    return ConsumedRecord("in", 1, offset, b"k", value, headers or {}, _TIME)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def screened(photo: FacesDetected) -> FacesScreened:
    return FacesScreened(photo=photo.photo, outcome=photo.outcome)


def screening(
    threads: Executor, alone: Callable[[FacesDetected], FacesScreened] = screened
) -> PhotoProcessor[Any, Any]:
    return PhotoProcessor(
        service="quality",
        parse=one_event(FacesDetected),
        load=alone,
        finish=list,
        output=FACES_SCREENED,
        threads=threads,
    )


def detected(offset: int, key: str = "a.jpg") -> ConsumedRecord:
    photo = replace(_PHOTO, key=key)
    return record(_DETECTED.model_copy(update={"photo": photo}).model_dump_json().encode(), offset=offset)


def keys(records: Sequence[ProducedRecord]) -> list[str]:
    return [FacesScreened.model_validate_json(record.value or b"").photo.key for record in records]


def test_what_was_begun_ahead_is_done_once_and_comes_in_the_order_of_the_records(threads: Executor) -> None:
    calls: list[str] = []
    last = Event()

    def alone(photo: FacesDetected) -> FacesScreened:
        last.wait(60) if photo.photo.key == "0" else last.set()
        calls.append(photo.photo.key)
        return screened(photo)

    step = screening(threads, alone)
    records = [detected(number, str(number)) for number in range(5)]
    step.prefetch(records[:2])
    assert last.wait(60), "begun before the step is called"
    step.prefetch(records[:3])
    assert keys(step.process(records[:3])) == ["0", "1", "2"]
    assert keys(step.process(records[3:])) == ["3", "4"], "what was not announced is done all the same"
    assert sorted(calls) == ["0", "1", "2", "3", "4"]


def test_what_is_no_longer_held_is_not_begun() -> None:
    calls: list[str] = []
    going_on, begun = Event(), Event()

    def alone(photo: FacesDetected) -> FacesScreened:
        calls.append(photo.photo.key)
        begun.set()
        going_on.wait(60)
        return screened(photo)

    with ThreadPoolExecutor(1) as thread:
        step = screening(thread, alone)
        records = [detected(number, str(number)) for number in range(4)]
        step.prefetch(records[:3])
        assert begun.wait(60)
        step.prefetch([])
        going_on.set()
        assert keys(step.process(records[3:])) == ["3"]
    assert calls == ["0", "3"]


def test_a_record_that_cannot_be_read_is_poison_in_its_turn_and_costs_the_others_nothing(threads: Executor) -> None:
    calls: list[str] = []

    def alone(photo: FacesDetected) -> FacesScreened:
        calls.append(photo.photo.key)
        return screened(photo)

    step = screening(threads, alone)
    records = [detected(0, "0"), record(b"{", offset=1), detected(2, "2")]
    step.prefetch(records)
    with pytest.raises(Poison):
        step.process(records)
    assert [keys(step.process([records[0]])), keys(step.process([records[2]]))] == [["0"], ["2"]]
    assert sorted(calls) == ["0", "2"], "not done again"


@pytest.mark.parametrize("error", [KeyError("k"), MemoryError(), RuntimeError("cannot schedule new futures")])
def test_a_defect_ahead_fails_in_its_turn_and_costs_the_others_nothing(threads: Executor, error: Exception) -> None:
    calls: list[str] = []

    def alone(photo: FacesDetected) -> FacesScreened:
        calls.append(photo.photo.key)
        return screened(photo)

    def read(of: ConsumedRecord) -> Sequence[FacesDetected]:
        if of.offset == 1:
            raise error
        return one_event(FacesDetected)(of)

    step = PhotoProcessor(
        service="quality", parse=read, load=alone, finish=list, output=FACES_SCREENED, threads=threads
    )
    records = [detected(number, str(number)) for number in range(3)]
    step.prefetch(records)
    with pytest.raises(type(error)):
        step.process(records)
    assert [keys(step.process([records[0]])), keys(step.process([records[2]]))] == [["0"], ["2"]]
    assert sorted(calls) == ["0", "2"], "not done again"


def test_of_what_comes_to_nothing_nothing_is_said_and_the_others_keep_their_records(threads: Executor) -> None:
    def together(photos: Sequence[FacesScreened]) -> Sequence[FacesScreened | None]:
        return [photo if photo.photo.key != "1" else None for photo in photos]

    step = PhotoProcessor(
        service="quality",
        parse=one_event(FacesDetected),
        load=screened,
        finish=together,
        output=FACES_SCREENED,
        threads=threads,
    )
    records = [replace(detected(number, str(number)), headers={"tracestate": b"%d" % number}) for number in range(3)]
    assert [(*keys([given]), given.headers["tracestate"]) for given in step.process(records)] == [
        ("0", b"0"),
        ("2", b"2"),
    ]


def test_what_fails_ahead_fails_in_its_turn_and_not_for_ever(threads: Executor) -> None:
    failures = iter([True])

    def alone(photo: FacesDetected) -> FacesScreened:
        if next(failures, False):
            msg = "the store is away"
            raise Transient(msg)
        return screened(photo)

    step = screening(threads, alone)
    step.prefetch([detected(0)])
    with pytest.raises(Transient, match="away"):
        step.process([detected(0)])
    step.prefetch([])
    step.prefetch([detected(0)])
    assert keys(step.process([detected(0)])) == ["a.jpg"]


def test_a_photograph_goes_on_under_the_name_of_its_object_with_the_headers_of_cloudevents(
    threads: Executor,
) -> None:
    step = screening(threads)
    (given,) = step.process(
        [record(_DETECTED.model_dump_json().encode(), {"traceparent": b"00-a-b-01", "other": b"x"})]
    )
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


def test_a_replay_gives_the_same_bytes_and_a_later_state_of_the_object_another_name(threads: Executor) -> None:
    step = screening(threads)
    first, again = (step.process([record(_DETECTED.model_dump_json().encode())]) for _ in range(2))
    assert first == again
    later = _DETECTED.model_copy(update={"photo": replace(_PHOTO, sequencer="1B")})
    (other,) = step.process([record(later.model_dump_json().encode())])
    assert other.headers["ce_id"] != first[0].headers["ce_id"]


def test_a_tombstone_has_headers_and_no_type_of_content() -> None:
    tombstone = EventEncoder("assigner", _TIME).record(FACES_ASSIGNED, "face", None, subject="face", cause="erased")
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


@pytest.mark.parametrize(
    ("model", "field"),
    [(Notification, "Records"), (FacesDetected, "faces"), (FacesScreened, "faces"), (FacesEmbedded, "faces")],
)
def test_of_a_value_that_is_wrong_in_very_many_places_few_errors_are_made(model: type[BaseModel], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps({field: [{}] * 10_000}))
    assert caught.value.error_count() < 20


def test_an_event_that_no_topic_takes_is_poison() -> None:
    photo = replace(_PHOTO, key="x" * MAX_MESSAGE_BYTES)
    with pytest.raises(Poison, match=r"at most 8,388,608 bytes"):
        EventEncoder("q", _TIME).record(
            FACES_SCREENED, "o", FacesScreened(photo=photo, outcome=Outcome.DETECTED), subject="s", cause=""
        )


def test_a_key_or_a_trace_that_leaves_no_room_for_the_event_is_poison() -> None:
    event = FacesScreened(photo=_PHOTO, outcome=Outcome.DETECTED)
    for key, trace in (("x" * 40_000, {}), ("o", {"tracestate": bytes(40_000)})):
        with pytest.raises(Poison, match="at most 32,768 bytes of key and trace, found 40,00"):
            EventEncoder("q", _TIME, trace).record(FACES_SCREENED, key, event, subject="s", cause="")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("key", "", "1 to 1,024 bytes, found 0 bytes"),
        ("key", "x" * 2000, "1 to 1,024 bytes, found 2,000 bytes"),
        ("key", "%C3%A9" * 600, "1 to 1,024 bytes, found 1,200 bytes"),
        ("size", -1, "size: expected a size in bytes, from 0 to 9,223,372,036,854,775,807, found less"),
        ("size", 2**63, "size: expected a size in bytes, from 0 to 9,223,372,036,854,775,807, found more"),
        ("eTag", "x" * 2000, "eTag"),
        ("versionId", "x" * 2000, "versionId"),
        ("sequencer", "F" * 2000, "sequencer"),
    ],
)
def test_what_no_object_can_have_is_poison_before_anything_is_made_of_it(field: str, value: object, told: str) -> None:
    with pytest.raises(Poison, match=told):
        events_of(record(notification("s3:ObjectCreated:Put", **{field: value})))


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_with_which_nobody_can_compute_is_poison(time: str) -> None:
    body = json.loads(notification())
    body["Records"][0]["eventTime"] = time
    with pytest.raises(Poison, match="eventTime"):
        events_of(record(json.dumps(body).encode()))


def test_every_topic_takes_the_largest_event_with_its_headers() -> None:
    for topic in TOPICS:
        assert int(topic.configuration()["max.message.bytes"]) > MAX_MESSAGE_BYTES


def notification(name: str = "s3:ObjectCreated:Put", **changed: object) -> bytes:
    facts = {"key": "a+b/%C3%A9.jpg", "size": 4, "eTag": "e", "sequencer": "18B2", "versionId": "null"} | changed
    s3 = {"bucket": {"name": "photos", "arn": "x"}, "object": facts}
    found = {"eventName": name, "eventTime": "2026-11-24T09:30:00.000Z", "s3": s3, "awsRegion": ""}
    return json.dumps({"EventName": name, "Key": "photos/a b/é.jpg", "Records": [found]}).encode()


def test_a_notification_of_minio_says_which_object_was_written() -> None:
    assert events_of(record(notification())) == [
        BucketEvent(bucket="photos", key="a b/é.jpg", size=4, etag="e", sequencer="18B2", occurred_at=_TIME)
    ]


def test_a_notification_says_which_object_is_gone() -> None:
    (event,) = events_of(record(notification("s3:ObjectRemoved:Delete", size=0, eTag="", versionId="")))
    assert (event.removed, event.etag, event.key) == (True, None, "a b/é.jpg")


def test_the_version_of_a_bucket_that_keeps_versions_is_kept() -> None:
    assert events_of(record(notification(versionId="v7")))[0].version_id == "v7"


@pytest.mark.parametrize("name", ["s3:ObjectCreated:PutTagging", "s3:ObjectAccessed:Get", "s3:TestEvent"])
def test_what_leaves_the_picture_as_it_is_is_no_event(name: str) -> None:
    (notice,) = bucket_events(record(notification(name)), "photos", PhotoRule())
    assert notice.dropped is Drop.OTHER_CHANGE


def test_one_notification_may_tell_of_several_objects(threads: Executor) -> None:
    body = json.loads(notification())
    body["Records"] *= 3
    step = PhotoProcessor(
        service="detector",
        parse=events_of,
        load=lambda _: _DETECTED,
        finish=list,
        output=FACES_SCREENED,
        threads=threads,
    )
    assert len(events_of(record(json.dumps(body).encode()))) == 3
    assert len(step.process([record(json.dumps(body).encode()), record(notification(), offset=8)])) == 4


@pytest.mark.parametrize("value", [b"{}", b'{"Records": [{}]}', notification(sequencer="not hex"), b"null"])
def test_what_is_no_notification_is_poison(value: bytes) -> None:
    with pytest.raises(Poison, match="expected Notification as JSON"):
        events_of(record(value))
