"""The codec of events: JSON values, CloudEvents 1.0 headers, and the trace context that is passed on.

Headers follow the binary mode of the CloudEvents binding for Kafka (`ce_...`) and W3C Trace Context (`traceparent`,
`tracestate`). Everything in a produced record is derived from the consumed record: if it is produced again, it has the
same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.domain.events import Message, PhotoEvent
from shared.domain.ids import event_id
from shared.domain.topics import MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, Topic
from shared.errors import Poison
from shared.ports.streams import ConsumedRecord, ProducedRecord

_PYDANTIC_PREFIX = "Value error, "  # pydantic puts this before the text of a ValueError
_TRACE = ("traceparent", "tracestate")
# Bytes that the key and the trace context may have; the other headers are short.
_MAX_KEY_AND_TRACE = (MAX_RECORD_BYTES - MAX_MESSAGE_BYTES) // 2
_Event = TypeVar("_Event", bound=BaseModel)


def decoded(record: ConsumedRecord, model: type[_Event]) -> _Event:
    """Return the event in the value of a record.

    Raises `Poison` if the value is not such an event. The message contains no part of the value, because vectors are
    private.
    """
    if record.value is None:
        msg = f"expected {model.__name__} as JSON, found a null value"
        raise Poison(msg)
    try:
        return model.model_validate_json(record.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the value"
        msg = f"expected {model.__name__} as JSON; {where}: {first['msg'].removeprefix(_PYDANTIC_PREFIX)}"
        raise Poison(msg) from None


def one_event(model: type[_Event]) -> Callable[[ConsumedRecord], Sequence[_Event]]:
    """Return a function that decodes records with one event of this model each."""
    return lambda record: [decoded(record, model)]


class EventEncoder:
    """Encodes the events that one service derives from one consumed record; builds their common headers once."""

    def __init__(self, service: str, time: datetime, trace: Mapping[str, bytes] | None = None) -> None:
        """Build the common headers.

        `time` becomes `ce_time`. `trace`: the headers of the consumed record, whose trace context is passed on.
        """
        # The order is that of the headers in the record. The empty values differ from event to event.
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
        self._trace_bytes = sum(map(len, carried.values()))

    def record(
        self, topic: Topic, key: str, event: Message | None, *, subject: str, cause: str, generation: int = 0
    ) -> ProducedRecord:
        """Return the record of an event; without an event, a tombstone.

        The id of the event is derived from its type, `subject`, `generation` and `cause`: `cause` separates several
        events of one subject. Raises `Poison` if the key or the value is larger than the topic accepts.
        """
        kind = topic.event_type
        ce_id = event_id(kind, subject, generation, cause)
        headers = self._headers | {"ce_id": ce_id.encode(), "ce_type": kind.encode()}
        value, name = None, key.encode()
        if len(name) + self._trace_bytes > _MAX_KEY_AND_TRACE:
            msg = f"{topic.name}: expected at most {_MAX_KEY_AND_TRACE:,} bytes of key and trace"
            msg += f", found {len(name) + self._trace_bytes:,}"
            raise Poison(msg)
        if event is None:
            del headers["content-type"]
        else:
            value = event.model_dump_json().encode()
            if len(value) > MAX_MESSAGE_BYTES:
                msg = f"{topic.name}: expected at most {MAX_MESSAGE_BYTES:,} bytes, the event has {len(value):,}"
                raise Poison(msg)
        return ProducedRecord(topic.name, name, value, headers)

    def photo_record(self, topic: Topic, event: PhotoEvent) -> ProducedRecord:
        """Return the record of an event about a whole photograph; raises `Poison` as `record` does."""
        return self.record(topic, event.photo.object_id, event, subject=event.photo.image_id, cause=moment(event))


def moment(event: PhotoEvent) -> str:
    """Return the sequencer, or the time, of the upload that an event is about.

    It separates the states of one object. The content does not: the same content may be uploaded again.
    """
    return event.photo.sequencer or event.photo.uploaded_at.isoformat()
