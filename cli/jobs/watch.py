"""The work of `facestream watch`: show the records of `faces.assigned` and `generations.published`."""

import json
from collections.abc import Iterator
from itertools import takewhile

from pydantic import ValidationError

from cli.output.terminal import printable
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.domain.event_words import in_words
from shared.domain.events import FaceAssigned, GenerationPublished
from shared.domain.topics import FACES_ASSIGNED, GENERATIONS_PUBLISHED
from shared.errors import Fatal
from shared.ports.streams import ConsumedRecord

_ERASED = "erased"  # the meaning of a tombstone
_SHORT = 12  # digits of an identifier that are enough to recognise it


def follow(*, from_beginning: bool) -> Iterator[ConsumedRecord]:
    """Yield the committed records of both topics as they arrive; raises `Fatal`, `Transient`."""
    settings = KafkaSettings()
    with (
        KafkaReader(settings, FACES_ASSIGNED.name) as faces,
        KafkaReader(settings, GENERATIONS_PUBLISHED.name) as publications,
    ):
        of_faces = faces.follow_in_turns(from_beginning=from_beginning)
        of_publications = publications.follow_in_turns(from_beginning=from_beginning)
        can_read_publications = True
        while True:
            yield from (record for record in takewhile(bool, of_faces) if record)
            if can_read_publications:
                try:
                    yield from (record for record in takewhile(bool, of_publications) if record)
                except Fatal:  # an installation of an earlier version has no such topic, or no right to read it
                    can_read_publications = False


def human_line(record: ConsumedRecord) -> str:
    """Return a record as a line of text: time, face, person, similarity, generation, cause, photograph."""
    time = record.timestamp.astimezone().strftime("%H:%M:%S")
    if record.topic == GENERATIONS_PUBLISHED.name:
        return f"{time}  {_publication_line(record)}"
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
    """Return a record as one line of ASCII JSON: the event, or `face_id` and `cause` if it is a tombstone.

    The cause of a tombstone is `erased`, a word of this command that no event has. A record that is not JSON, which
    another program wrote, becomes its record id under `place`, and `error`.
    """
    if record.value is None:
        return json.dumps({"face_id": _face_id(record), "cause": _ERASED})
    try:
        return json.dumps(json.loads(record.value))
    except (ValueError, RecursionError):
        return json.dumps({"place": record.record_id, "error": "no JSON"})


def _publication_line(record: ConsumedRecord) -> str:
    try:
        event = GenerationPublished.model_validate_json(record.value or b"")
    except ValidationError as error:
        return f"{record.record_id}: no publication: {error.error_count()} fields are missing or wrong"
    counts = f"{event.faces} faces and {event.clusters} people announced"
    cause = printable(in_words(event.cause))
    return f"generation {event.generation} is active, before it {event.previous or 'none'}  {cause}  {counts}"


def _face_id(record: ConsumedRecord) -> str:
    return printable((record.key or b"").decode("utf-8", "replace"))
