"""The witness: a consumer outside all groups that reads and keeps every committed record of every topic."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.records import consumed_record
from shared.domain.events import BucketEvent, FaceAssigned, FacesDetected, ImageProcessed, PhotoEvent
from shared.domain.topics import (
    DEAD_LETTERS,
    FACES_ASSIGNED,
    FACES_DETECTED,
    FACES_EMBEDDED,
    FACES_SCREENED,
    IMAGES_PROCESSED,
    IMAGES_UPLOADED,
    TOPICS,
    Topic,
)
from shared.errors import Poison
from shared.ports.streams import ConsumedRecord
from shared.stream.cloudevents import decoded, moment
from tools.notifications import events_of
from tools.stack import KafkaServer

_Event = TypeVar("_Event", bound=PhotoEvent)


@dataclass(frozen=True, slots=True)
class Repetition:
    """An event that was published too often. `record_ids`: all its records (`topic/partition@offset`)."""

    name: str
    times_too_many: int
    record_ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"published {self.times_too_many} times too often: {self.name} ({', '.join(self.record_ids)})"


class Witness:
    """A context manager that reads in a thread; it goes on when the broker is down for a while."""

    def __init__(self, kafka: KafkaServer) -> None:
        self._kafka = kafka
        known = kafka.admin().list_topics(timeout=30).topics
        partitions = [(topic.name, partition) for topic in TOPICS for partition in known[topic.name].partitions]
        self._next = dict.fromkeys(partitions, OFFSET_BEGINNING)
        self._connect()
        self._records: list[ConsumedRecord] = []
        self._stop = Event()
        self._thread = Thread(target=self._read, name="witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)
        self._consumer.close()

    def records(self, *topics: str) -> Iterator[ConsumedRecord]:
        """Yield the records read so far, of all topics or of those named; each partition in its order."""
        return (record for record in tuple(self._records) if not topics or record.topic in topics)

    def outcomes(self) -> dict[str, ImageProcessed]:
        """Return the last outcome of each object, by its key in the bucket; `removed` for an object that is gone."""
        return {outcome.photo.key: outcome for _, outcome in self._outcomes()}

    def assignments(self) -> dict[str, FaceAssigned]:
        """Return the last assignment of each face; faces with a tombstone are left out."""
        last = {(record.key or b"").decode(): record.value for record in self._of(FACES_ASSIGNED.name)}
        return {face: FaceAssigned.model_validate_json(value) for face, value in last.items() if value is not None}

    def crops(self, topic: Topic, key: str) -> list[str]:
        """Return the keys of the crops that a topic names for a photograph."""
        events = self._events(topic, FacesDetected)
        return [face.crop_key for _, event in events if event.photo.key == key for face in event.faces]

    def detected(self, key: str) -> list[FacesDetected]:
        """Return all events of the detectors about a photograph."""
        return [event for _, event in self._events(FACES_DETECTED, FacesDetected) if event.photo.key == key]

    def read(self) -> int:
        """Return the number of records read so far."""
        return len(self._records)

    def letters(self) -> list[ConsumedRecord]:
        """Return the dead letters read so far."""
        return list(self._of(DEAD_LETTERS.name))

    def repeated(self) -> list[Repetition]:
        """Return the events that were published too often.

        Between the services, an event of an object (key and sequencer) may come as often as its bucket notification
        did. In the last topics each event comes once: neither its `ce_id` nor its content may repeat.
        """
        notified = Counter(
            f"{event.key} {event.sequencer or event.occurred_at.isoformat()}" for event in self._notifications()
        )
        due: dict[str, int] = {}
        records: defaultdict[str, list[str]] = defaultdict(list)
        for topic in (FACES_DETECTED, FACES_SCREENED, FACES_EMBEDDED):
            for record, passed in self._events(topic, PhotoEvent):
                name = f"{passed.photo.key} {moment(passed)}"
                due[f"{topic.name} {name}"] = notified[name]
                records[f"{topic.name} {name}"].append(record.record_id)
        for record in self.records(FACES_ASSIGNED.name, IMAGES_PROCESSED.name):
            records[f"{record.topic} {record.headers['ce_id'].decode()}"].append(record.record_id)
        for record, outcome in self._outcomes():
            name = f"{outcome.photo.key} {outcome.photo.image_id} {outcome.outcome}"
            records[f"{record.topic} {name}"].append(record.record_id)
        for record in self._of(FACES_ASSIGNED.name):
            event = FaceAssigned.model_validate_json(record.value) if record.value else None
            name = f"{(record.key or b'').decode()} {event.generation if event else 'erased'}"
            records[f"{record.topic} {name}"].append(record.record_id)
        return [
            Repetition(name, too_many, tuple(found))
            for name, found in records.items()
            if (too_many := len(found) - due.get(name, 1)) > 0
        ]

    def _events(self, topic: Topic, model: type[_Event]) -> Iterator[tuple[ConsumedRecord, _Event]]:
        """Yield the records of a topic with their events; the poison records of the drill have no `ce_id`."""
        return ((record, decoded(record, model)) for record in self._of(topic.name) if "ce_id" in record.headers)

    def _outcomes(self) -> Iterator[tuple[ConsumedRecord, ImageProcessed]]:
        """Yield the outcomes of photographs; the tombstones that follow `removed` are left out."""
        for record in self._of(IMAGES_PROCESSED.name):
            if record.value is not None:
                yield record, ImageProcessed.model_validate_json(record.value)

    def _notifications(self) -> Iterator[BucketEvent]:
        """Yield the events of all valid bucket notifications."""
        for record in self._of(IMAGES_UPLOADED.name):
            with suppress(Poison):
                yield from events_of(record)

    def _of(self, topic: str) -> Iterator[ConsumedRecord]:
        return self.records(topic)

    def _connect(self) -> None:
        """Open a consumer that continues where the former one was, which may have lost its brokers."""
        self._listener = Listener()
        group = {"group.id": uuid4().hex, "enable.auto.commit": False, "isolation.level": "read_committed"}
        self._consumer = Consumer(
            {
                **self._kafka.client_settings,
                **self._listener.callbacks(),
                **group,
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in self._next.items()])

    def _read(self) -> None:
        while not self._stop.is_set():
            if self._listener.lost:
                self._connect()
            found = self._consumer.consume(500, 0.1)
            records = [consumed_record(message) for message in found if message.error() is None]
            self._next.update({record.topic_partition: record.offset + 1 for record in records})
            self._records += records
