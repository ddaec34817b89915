"""Records of every kind that a topic can hold, and a worker that processes them in memory."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.domain.topics import DEAD_LETTERS
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.processor import Processor
from shared.stream.worker import Worker, WorkerSettings

_NOON = "2026-11-24T12:00:00.000Z"
ABSENT = "<absent>"  # value of a field that is left out

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [ABSENT, None, "", "x", "\x00", "\ud800", 0, -1, 10**30, 2**63, 1.5, float("nan"), float("inf"), True, [], {}]
)
NAMES = st.sampled_from(
    [
        *(
            "a.jpg",
            "album/b c.jpg",
            "..",
            "a/../b.jpg",
            "./a",
            "/a.jpg",
            "a//b.jpg",
            "a.jpg/",
            "/",
            ".",
            "\\",
            "~",
            "%",
        ),
        *("%00", "%zz", "%2e%2e%2fa.jpg", "%ed%a0%80.jpg", "%ff.jpg", "a\x00.jpg", "a\x01.jpg", "a\r\n.jpg", "\ufffe"),
        *("x" * 255, "x" * 256, "x" * 2000, "é" * 600, "\U0001f600.jpg", ".hidden", "note.txt", ""),
    ]
) | st.text(max_size=20)
BUCKETS = st.sampled_from(
    ["photos", "faces", "payroll", "Not A Name", "a", "192.168.0.1", "x" * 100, "photos/../faces", "photos\x00", ""]
)
_EVENT_NAMES = st.sampled_from(["ObjectCreated", "ObjectRemoved"]).flatmap(
    lambda kind: st.sampled_from(
        [f"s3:{kind}:{how}" for how in ("Put", "Copy", "Delete", "NoOP", "DeleteMarkerCreated", "PutTagging")]
    )
)
_TIMES = ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "2026-11-24", "now", _NOON]


def or_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw values of which three quarters are usual ones and the others odd ones."""
    return st.one_of(usual, usual, usual, ODD)


def without_absent(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not ABSENT}


_NOTIFICATIONS = st.fixed_dictionaries(
    {
        "eventName": or_odd(
            _EVENT_NAMES | st.sampled_from(["s3:TestEvent", "s3:ObjectAccessed:Get", "s3:ObjectRemoved:"])
        ),
        "eventTime": or_odd(st.sampled_from([*_TIMES, *[_NOON] * 6])),
        "eventSource": or_odd(st.sampled_from(["minio:s3", "facestream:reconcile", "facestream:assigner"])),
        "s3": or_odd(
            st.builds(
                lambda bucket, facts: {"bucket": {"name": bucket}, "object": facts},
                or_odd(BUCKETS | st.just("photos")),
                st.fixed_dictionaries(
                    {
                        "key": or_odd(NAMES),
                        "size": or_odd(st.sampled_from([0, 10, 300, 10**12])),
                        "eTag": or_odd(st.sampled_from(["e", '"e"', "x" * 2000])),
                        "versionId": or_odd(st.sampled_from(["null", "v7", ABSENT])),
                        "sequencer": or_odd(st.sampled_from(["18EA", "F" * 2000, ABSENT])),
                    }
                ).map(without_absent),
            )
        ),
    }
).map(without_absent)


def as_json(value: object) -> bytes:
    """Return JSON as careless writers make it: with NaN, and with half surrogate pairs."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


NO_EVENTS = st.one_of(
    st.none(),
    st.binary(max_size=60),
    _JSON.map(as_json),
    st.sampled_from(
        [b"[" * 1500 + b"]" * 1500, b'{"Records":' * 1500, b'{"Records": []}', b"\xef\xbb\xbf{}", b"1" * 9000]
    ),
)
S3_TEST = as_json({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": _NOON, "Bucket": "photos"})
NOTIFICATIONS = st.one_of(
    NO_EVENTS,
    st.just(S3_TEST),
    st.lists(_NOTIFICATIONS, max_size=3).map(lambda records: as_json({"Records": records})),
    st.lists(_NOTIFICATIONS, min_size=1, max_size=3).map(lambda records: json.dumps({"Records": records}).encode()),
)
HEADERS = st.dictionaries(
    st.sampled_from(["traceparent", "tracestate", "ce_id", "dead_letter_topic", "x"]),
    st.binary(max_size=30) | st.just(bytes(200_000)),
    max_size=3,
)


def photo_event(name: str, **changed: object) -> dict[str, Any]:
    """Return an event of one photograph with one face, with the fields of every topic of the services."""
    face = {
        "face_id": f"face of {name}",
        "box": {"left": 1, "top": 2, "width": 3, "height": 4},
        "score": 1.0,
        "landmarks": [{"x": 0.0, "y": 0.0}] * 5,
        "crop_key": f"crops/{name}.png",
        "sharpness": 50.0,
        "verdict": "accepted",
        "vector": base64.b64encode(bytes([0, 0, 128, 63])).decode(),
        "model_id": "model",
    }
    photo: dict[str, Any] = {
        "bucket": "photos",
        "key": name,
        "object_id": f"object {name}",
        "image_id": f"image {name}",
        "etag": "e",
    }
    photo |= {"size": 1, "uploaded_at": _NOON, "sequencer": "0A"}
    return {"photo": photo, "outcome": "detected", "faces": [face]} | changed


def _odd_event(photo: Mapping[str, object], face: Mapping[str, object], faces: int, outcome: object) -> bytes:
    event = photo_event("odd")
    event["photo"] = without_absent(event["photo"] | photo)
    event["faces"] = [without_absent(event["faces"][0] | face)] * faces
    return as_json(without_absent(event | {"outcome": outcome}))


PHOTO_EVENTS = st.one_of(
    NO_EVENTS,
    st.builds(
        _odd_event,
        st.fixed_dictionaries(
            {},
            optional={
                "bucket": or_odd(BUCKETS),
                "key": or_odd(NAMES),
                "object_id": or_odd(NAMES),
                "image_id": or_odd(NAMES),
                "size": ODD,
                "sequencer": or_odd(st.just("F" * 2000)),
                "uploaded_at": or_odd(st.sampled_from(_TIMES)),
            },
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "crop_key": or_odd(NAMES),
                "face_id": or_odd(NAMES | st.just("x" * 100_000)),
                "vector": or_odd(st.sampled_from(["AAAA", "AACAPwAAgD8="])),
                "verdict": or_odd(st.sampled_from(["crop_missing", "blurry", "rejected: blurry"])),
                "box": or_odd(st.just({"left": 10**30, "top": -(10**30), "width": 1, "height": 1})),
                "score": ODD,
            },
        ),
        st.integers(0, 2),
        or_odd(st.sampled_from(["detected", "removed", "unreadable"])),
    ),
)


class Silent:
    """An observer that does nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_: None


@dataclass(frozen=True)
class Done:
    """The result: records that the service produced, dead letters, and the committed offset."""

    produced: Sequence[ConsumedRecord]
    letters: Sequence[ConsumedRecord]
    committed: int


def worked(
    topic: str,
    records: Sequence[ProducedRecord],
    processor: Processor,
    outputs: Sequence[str],
    *,
    batch: int = 2,
) -> Done:
    """Run a worker until it has processed all records; return the result with its output to the topics `outputs`.

    Raises what ends the worker.
    """
    broker, stop = MemoryBroker(), Event()
    for record in records:
        broker.append(record)
    stream = MemoryStream(broker, "service", "one", [topic])
    consume = stream.consume

    def consume_or_stop(limit: int, wait: float) -> Sequence[ConsumedRecord]:
        found = consume(limit, wait)
        if not found and wait:
            stop.set()
        return found

    stream.consume = consume_or_stop  # type: ignore[method-assign]
    settings = WorkerSettings(batch=batch, wait=1e-9, first_retry=1e-6, longest_retry=1e-6, dead_letters_a_minute=1000)
    worker = Worker(
        service="service", stream=stream, processor=processor, settings=settings, observer=Silent(), stop=stop
    )
    worker.run()
    produced = [record for name in outputs for record in broker.records(name)]
    return Done(produced, broker.records(DEAD_LETTERS.name), broker.group("service").committed[topic, 0])


def dropped() -> float:
    """Return how many events have been dropped so far, whatever the reason."""
    found = [sample.value for metric in REGISTRY.collect() for sample in metric.samples if _is_dropped(sample.name)]
    return sum(found)


def _is_dropped(name: str) -> bool:
    return name == "facestream_dropped_total"
