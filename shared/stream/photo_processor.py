"""Records and events: JSON values, CloudEvents 1.0 headers, the trace that goes along.

Headers follow the binary mode of the CloudEvents binding for Kafka (`ce_...`) and W3C Trace Context (`traceparent`,
`tracestate`). All of a produced record is derived from what was consumed: produced again, it has the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from shared.domain.events import Message, PhotoEvent
from shared.domain.ids import event_id
from shared.domain.topics import MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, Topic
from shared.errors import Poison
from shared.metrics import count_photos, timed
from shared.ports.streams import ConsumedRecord, ProducedRecord

_PYDANTICS = "Value error, "  # what pydantic puts before a sentence of ours
_TRACE = ("traceparent", "tracestate")
_MAX_BESIDE = (MAX_RECORD_BYTES - MAX_MESSAGE_BYTES) // 2  # bytes of key and trace; those of the other headers are few
_Event = TypeVar("_Event", bound=BaseModel)
_Taken = TypeVar("_Taken")
_Ready = TypeVar("_Ready")


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
        msg = f"expected {model.__name__} as JSON; {where}: {first['msg'].removeprefix(_PYDANTICS)}"
        raise Poison(msg) from None


class Following:
    """Encodes the events that a service says at one time, of what one record told it; their common headers once."""

    def __init__(self, service: str, time: datetime, trace: Mapping[str, bytes] | None = None) -> None:
        """`trace`: the headers of the record that they follow from."""
        # In the order of the records. What stands empty here differs from event to event.
        self._headers = {
            "ce_specversion": b"1.0",
            "ce_id": b"",
            "ce_type": b"",
            "ce_source": f"/facestream/{service}".encode(),
            "ce_time": time.isoformat().encode(),
            "content-type": b"application/json",
        }
        carried = {name: trace[name] for name in _TRACE if name in trace} if trace else {}
        self._headers.update(carried)
        self._carried = sum(map(len, carried.values()))

    def encoded(
        self, topic: Topic, key: str, event: Message | None, *, subject: str, cause: str, generation: int = 0
    ) -> ProducedRecord:
        """Return the record of an event, a tombstone where there is none; raises `Poison` for one that no topic takes.

        `cause` tells it from other events of the same subject.
        """
        kind = topic.event_type
        ce_id = event_id(kind, subject, generation, cause)
        headers = self._headers | {"ce_id": ce_id.encode(), "ce_type": kind.encode()}
        value, name = None, key.encode()
        if len(name) + self._carried > _MAX_BESIDE:
            msg = f"{topic.name}: expected at most {_MAX_BESIDE:,} bytes of key and trace"
            msg += f", found {len(name) + self._carried:,}"
            raise Poison(msg)
        if event is None:
            del headers["content-type"]
        else:
            value = event.model_dump_json().encode()
            if len(value) > MAX_MESSAGE_BYTES:
                msg = f"{topic.name}: expected at most {MAX_MESSAGE_BYTES:,} bytes, the event has {len(value):,}"
                raise Poison(msg)
        return ProducedRecord(topic.name, name, value, headers)

    def photo(self, topic: Topic, event: PhotoEvent) -> ProducedRecord:
        """Return the record of an event about a whole photograph."""
        return self.encoded(topic, event.photo.object_id, event, subject=event.photo.image_id, cause=moment(event))


def encoded(
    topic: Topic, key: str, event: Message | None, about: About, trace: Mapping[str, bytes] | None = None
) -> ProducedRecord:
    """Return the record of one event alone, as `Following` does."""
    following = Following(about.service, about.time, trace)
    return following.encoded(topic, key, event, subject=about.subject, cause=about.cause, generation=about.generation)


def moment(event: PhotoEvent) -> str:
    """Return what tells this state of an object from its others: contents may come back, a moment does not."""
    return event.photo.sequencer or event.photo.uploaded_at.isoformat()


def photo_record(service: str, topic: Topic, event: PhotoEvent, source: ConsumedRecord) -> ProducedRecord:
    """Return the record of an event about a whole photograph."""
    return Following(service, event.photo.uploaded_at, source.headers).photo(topic, event)


@dataclass(frozen=True, slots=True)
class PhotoStep(Generic[_Taken, _Ready]):
    """The step of a service that says one thing of every photograph, in the order in which they came.

    `read` gives what a record holds, in most topics one event. `alone` is called with each of these, by one of the
    `threads`, as soon as the record is there: so objects of the next batch are read while this one is computed.
    `together` gets what it returned for all photographs of a batch, and returns as many events, None where nothing is
    to be said.
    """

    service: str
    read: Callable[[ConsumedRecord], Sequence[_Taken]]
    alone: Callable[[_Taken], _Ready]
    together: Callable[[Sequence[_Ready]], Sequence[PhotoEvent | None]]
    given: Topic
    threads: Executor
    _begun: dict[str, list[Future[_Ready]]] = field(default_factory=dict, init=False)  # by place of the record

    def ahead(self, records: Sequence[ConsumedRecord]) -> None:
        """Begin with these records, and forget all others."""
        for place in self._begun.keys() - {record.record_id for record in records}:
            for future in self._begun.pop(place):
                future.cancel()
        for record in records:
            with suppress(Exception):  # which comes again in its turn, and costs the records beside it nothing here
                self._begin(record)

    def __call__(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        """Return the events of these records, which may have been begun or not."""
        with timed("decode"):
            begun = [(record, future) for record in records for future in self._begin(record)]
        with timed("read"):
            ready = [future.result() for _, future in begun]
        with timed("work"):
            photos = self.together(ready)
        count_photos([photo for photo in photos if photo is not None])
        with timed("encode"):
            given = [
                photo_record(self.service, self.given, photo, record)
                for (record, _), photo in zip(begun, photos, strict=True)
                if photo is not None
            ]
        for record in records:
            del self._begun[record.record_id]
        return given

    def _begin(self, record: ConsumedRecord) -> list[Future[_Ready]]:
        if record.record_id not in self._begun:
            self._begun[record.record_id] = [self.threads.submit(self.alone, item) for item in self.read(record)]
        return self._begun[record.record_id]


def one(model: type[_Event]) -> Callable[[ConsumedRecord], Sequence[_Event]]:
    """Return the reader of records that hold one event each."""
    return lambda record: [decoded(record, model)]
