"""Records and events: JSON values, CloudEvents 1.0 headers, the trace that goes along.

Headers follow the binary mode of the CloudEvents binding for Kafka (`ce_...`) and W3C Trace Context (`traceparent`,
`tracestate`). All of a produced record is derived from what was consumed: produced again, it has the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import Poison
from shared.events import Message, PhotoEvent
from shared.ids import event_id
from shared.metrics import count_photos, timed
from shared.ports import ConsumedRecord, ProducedRecord
from shared.topics import MAX_MESSAGE_BYTES, Topic
from shared.worker import Step

_TRACE = ("traceparent", "tracestate")
_Event = TypeVar("_Event", bound=BaseModel)
_Taken = TypeVar("_Taken", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class About:
    """What a record's headers say of its event beside the type: `cause` tells it from others of the same subject."""

    service: str
    subject: str
    time: datetime
    cause: str
    generation: int = 0


def decoded(record: ConsumedRecord, model: type[_Event]) -> _Event:
    """Return the event in a record; raises `Poison`, whose message holds nothing of the value: vectors are private."""
    if record.value is None:
        msg = f"expected {model.__name__} as JSON, found a null value"
        raise Poison(msg)
    try:
        return model.model_validate_json(record.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the value"
        msg = f"expected {model.__name__} as JSON; {where}: {first['msg']}"
        raise Poison(msg) from None


def encoded(
    topic: Topic, key: str, event: Message | None, about: About, trace: Mapping[str, bytes] | None = None
) -> ProducedRecord:
    """Return the record of an event, a tombstone where there is none; raises `Poison` for one that no topic takes.

    `trace`: the headers of the record that it follows from.
    """
    value = None if event is None else event.model_dump_json().encode()
    if value is not None and len(value) > MAX_MESSAGE_BYTES:
        msg = f"{topic.name}: expected at most {MAX_MESSAGE_BYTES:,} bytes, the event has {len(value):,}"
        raise Poison(msg)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event_id(topic.event_type, about.subject, about.generation, about.cause),
        "ce_type": topic.event_type,
        "ce_source": f"/facestream/{about.service}",
        "ce_time": about.time.isoformat(),
    }
    if value is not None:
        headers["content-type"] = "application/json"
    carried = {name: trace[name] for name in _TRACE if trace and name in trace}
    return ProducedRecord(
        topic.name, key.encode(), value, {name: text.encode() for name, text in headers.items()} | carried
    )


def moment(event: PhotoEvent) -> str:
    """Return what tells this state of an object from its others: contents may come back, a moment does not."""
    return event.photo.sequencer or event.photo.uploaded_at.isoformat()


def photo_record(service: str, topic: Topic, event: PhotoEvent, source: ConsumedRecord) -> ProducedRecord:
    """Return the record of an event about a whole photograph."""
    about = About(service, event.photo.image_id, event.photo.uploaded_at, moment(event))
    return encoded(topic, event.photo.object_id, event, about, source.headers)


def photo_step(
    service: str,
    read: Callable[[ConsumedRecord], Sequence[_Taken]],
    work: Callable[[Sequence[_Taken]], Sequence[PhotoEvent]],
    given: Topic,
) -> Step:
    """Return the step of a service that says one thing of every photograph, in the order in which they came.

    `read` gives what a record holds, in most topics one event.
    """

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        with timed("decode"):
            taken = [(record, event) for record in records for event in read(record)]
        with timed("work"):
            photos = work([event for _, event in taken])
        count_photos(photos)
        with timed("encode"):
            return [
                photo_record(service, given, photo, record) for (record, _), photo in zip(taken, photos, strict=True)
            ]

    return step


def one(model: type[_Event]) -> Callable[[ConsumedRecord], Sequence[_Event]]:
    """Return the reader of records that hold one event each."""
    return lambda record: [decoded(record, model)]
