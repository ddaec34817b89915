"""`facestream watch`: what `faces.assigned` and `generations.published` say, for people and for programs."""

import json
from collections.abc import Iterator
from itertools import takewhile

from pydantic import ValidationError

from cli.output.terminal import printable
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.stream import KafkaSettings
from shared.domain.event_words import in_words
from shared.domain.events import FaceAssigned, GenerationPublished
from shared.domain.topics import FACES_ASSIGNED, GENERATIONS_PUBLISHED
from shared.errors import Fatal
from shared.ports.streams import ConsumedRecord

_ERASED = "erased"  # what a tombstone means
_SHORT = 12  # digits of an identifier that a person needs to tell it from others


def follow(*, from_beginning: bool) -> Iterator[ConsumedRecord]:
    """Yield the committed records of both topics as they come; raises `Fatal`, `Transient`."""
    settings = KafkaSettings()
    with (
        KafkaReader(settings, FACES_ASSIGNED.name) as faces,
        KafkaReader(settings, GENERATIONS_PUBLISHED.name) as publications,
    ):
        of_faces = faces.follow_in_turns(from_beginning=from_beginning)
        of_publications = publications.follow_in_turns(from_beginning=from_beginning)
        is_there = True
        while True:
            yield from (record for record in takewhile(bool, of_faces) if record)
            if is_there:
                try:
                    yield from (record for record in takewhile(bool, of_publications) if record)
                except Fatal:  # an installation of an earlier version has no such topic, or no right to it
                    is_there = False


def human_line(record: ConsumedRecord) -> str:
    """Return a record for a person: time, photograph, face, person, similarity."""
    time = record.timestamp.astimezone().strftime("%H:%M:%S")
    if record.topic == GENERATIONS_PUBLISHED.name:
        return f"{time}  {_of_publication(record)}"
    if record.value is None:
        return f"{time}  face {_face_id(record)[:_SHORT]}  {_ERASED}"
    try:
        event = FaceAssigned.model_validate_json(record.value)
    except ValidationError as error:
        return f"{time}  {record.record_id}: no assignment: {error.error_count()} fields are missing or wrong"
    where = printable(f"{event.bucket}/{event.key}")
    person = f"person {event.cluster_id[:_SHORT]}" if event.cluster_id else "unknown".ljust(7 + _SHORT)
    similarity = "     -" if event.similarity is None else f"{event.similarity:6.3f}"
    return (
        f"{time}  face {event.face_id[:_SHORT]}  {person}  {similarity}  generation {event.generation}"
        f"  {printable(event.cause.value):11}  {where}"
    )


def json_line(record: ConsumedRecord) -> str:
    """Return a record for a program, as JSON in ASCII: the event, or `face_id` and `cause` where it is a tombstone.

    That `cause` is `erased`, a word of this command: no event has it. What somebody else has written there, and is no
    JSON, is told as `place` and `error`.
    """
    if record.value is None:
        return json.dumps({"face_id": _face_id(record), "cause": _ERASED})
    try:
        return json.dumps(json.loads(record.value))
    except (ValueError, RecursionError):
        return json.dumps({"place": record.record_id, "error": "no JSON"})


def _of_publication(record: ConsumedRecord) -> str:
    """Return what the record of a publication says."""
    try:
        event = GenerationPublished.model_validate_json(record.value or b"")
    except ValidationError as error:
        return f"{record.record_id}: no publication: {error.error_count()} fields are missing or wrong"
    told = f"{event.faces} faces and {event.clusters} people told of"
    cause = printable(in_words(event.cause))
    return f"generation {event.generation} is in force, before {event.previous or 'none'}  {cause}  {told}"


def _face_id(record: ConsumedRecord) -> str:
    return printable((record.key or b"").decode("utf-8", "replace"))
