"""`facestream watch`: what `faces.assigned` says, for people and for programs."""

import json
from collections.abc import Iterator

from pydantic import ValidationError

from cli.terminal import printable
from shared.adapters.kafka import KafkaSettings
from shared.adapters.kafka_reader import KafkaReader
from shared.events import Cause, FaceAssigned
from shared.ports import ConsumedRecord
from shared.topics import FACES_ASSIGNED

_SHORT = 12  # digits of an identifier that a person needs to tell it from others


def follow(*, from_beginning: bool) -> Iterator[ConsumedRecord]:
    """Yield the committed records of `faces.assigned` as they come; raises `Fatal`, `Transient`."""
    with KafkaReader(KafkaSettings(), FACES_ASSIGNED.name) as reader:
        yield from reader.follow(from_beginning=from_beginning)


def human_line(record: ConsumedRecord) -> str:
    """Return a record for a person: time, photograph, face, person, similarity."""
    time = record.timestamp.astimezone().strftime("%H:%M:%S")
    if record.value is None:
        return f"{time}  face {_face_id(record)[:_SHORT]}  erased"
    try:
        event = FaceAssigned.model_validate_json(record.value)
    except ValidationError as error:
        return f"{time}  {record.place}: no assignment: {error.error_count()} fields are missing or wrong"
    where = printable(f"{event.bucket}/{event.key}")
    if event.cause is Cause.ERASED:
        return f"{time}  face {event.face_id[:_SHORT]}  erased  {where}"
    person = f"person {event.cluster_id[:_SHORT]}" if event.cluster_id else "unknown".ljust(7 + _SHORT)
    similarity = "     -" if event.similarity is None else f"{event.similarity:6.3f}"
    return (
        f"{time}  face {event.face_id[:_SHORT]}  {person}  {similarity}  generation {event.generation}"
        f"  {event.cause.value:11}  {where}"
    )


def json_line(record: ConsumedRecord) -> str:
    """Return a record for a program, as JSON in ASCII: the event, or `face_id` and `cause` where it is a tombstone.

    What somebody else has written there, and is no JSON, is told as `place` and `error`.
    """
    if record.value is None:
        return json.dumps({"face_id": _face_id(record), "cause": Cause.ERASED.value})
    try:
        return json.dumps(json.loads(record.value))
    except (ValueError, RecursionError):
        return json.dumps({"place": record.place, "error": "no JSON"})


def _face_id(record: ConsumedRecord) -> str:
    return printable((record.key or b"").decode("utf-8", "replace"))
