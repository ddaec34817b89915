"""The witness: reads every committed record of every topic from its beginning, in no group, and keeps them all."""

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
from shared.stream.photo_processor import decoded, moment
from tools.notifications import events_of
from tools.stack import KafkaServer

_Event = TypeVar("_Event", bound=PhotoEvent)


@dataclass(frozen=True, slots=True)
class Repetition:
    """What was said more often than it should be; `places` are all where it was (`topic/partition@offset`)."""

    name: str
    times_too_many: int
    places: tuple[str, ...]

    def __str__(self) -> str:
        return f"said {self.times_too_many} times too many: {self.name} ({', '.join(self.places)})"


class Witness:
    """A context manager; its records are those of now, and the broker may come and go."""

    def __init__(self, kafka: KafkaServer) -> None:
        self._kafka = kafka
        known = kafka.admin().list_topics(timeout=30).topics
        places = [(topic.name, partition) for topic in TOPICS for partition in known[topic.name].partitions]
        self._next = dict.fromkeys(places, OFFSET_BEGINNING)
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
        """Yield what was read, each partition in its order."""
        return (record for record in tuple(self._records) if not topics or record.topic in topics)

    def outcomes(self) -> dict[str, ImageProcessed]:
        """Return the outcome that stands of each object, by its key in the bucket; of one that is gone, `removed`."""
        return {outcome.photo.key: outcome for _, outcome in self._outcomes()}

    def assignments(self) -> dict[str, FaceAssigned]:
        """Return the assignments that stand, by face."""
        last = {(record.key or b"").decode(): record.value for record in self._of(FACES_ASSIGNED.name)}
        return {face: FaceAssigned.model_validate_json(value) for face, value in last.items() if value is not None}

    def crops(self, topic: Topic, key: str) -> list[str]:
        """Return the keys of the crops that a topic names for a photograph."""
        events = self._events(topic, FacesDetected)
        return [face.crop_key for _, event in events if event.photo.key == key for face in event.faces]

    def detected(self, key: str) -> list[FacesDetected]:
        """Return what the detectors have said of a photograph."""
        return [event for _, event in self._events(FACES_DETECTED, FacesDetected) if event.photo.key == key]

    def read(self) -> int:
        """Return the number of records that were read."""
        return len(self._records)

    def letters(self) -> list[ConsumedRecord]:
        """Return the dead letters."""
        return list(self._of(DEAD_LETTERS.name))

    def repeated(self) -> list[Repetition]:
        """Return what was said more often than it should be.

        Between the services, a moment of an object must come as often as the object store, or the reconciler, told of
        it. At the end it comes once: neither an event's name nor what it says of a photograph or face may repeat.
        """
        told = Counter(f"{event.key} {event.sequencer or event.occurred_at.isoformat()}" for event in self._told())
        due: dict[str, int] = {}
        places: defaultdict[str, list[str]] = defaultdict(list)
        for topic in (FACES_DETECTED, FACES_SCREENED, FACES_EMBEDDED):
            for record, passed in self._events(topic, PhotoEvent):
                name = f"{passed.photo.key} {moment(passed)}"
                due[f"{topic.name} {name}"] = told[name]
                places[f"{topic.name} {name}"].append(record.record_id)
        for record in self.records(FACES_ASSIGNED.name, IMAGES_PROCESSED.name):
            places[f"{record.topic} {record.headers['ce_id'].decode()}"].append(record.record_id)
        for record, outcome in self._outcomes():
            name = f"{outcome.photo.key} {outcome.photo.image_id} {outcome.outcome}"
            places[f"{record.topic} {name}"].append(record.record_id)
        for record in self._of(FACES_ASSIGNED.name):
            event = FaceAssigned.model_validate_json(record.value) if record.value else None
            name = f"{(record.key or b'').decode()} {event.generation if event else 'erased'}"
            places[f"{record.topic} {name}"].append(record.record_id)
        return [
            Repetition(name, too_many, tuple(found))
            for name, found in places.items()
            if (too_many := len(found) - due.get(name, 1)) > 0
        ]

    def _events(self, topic: Topic, model: type[_Event]) -> Iterator[tuple[ConsumedRecord, _Event]]:
        """Yield the records of a topic with their events; poison has no name."""
        return ((record, decoded(record, model)) for record in self._of(topic.name) if "ce_id" in record.headers)

    def _outcomes(self) -> Iterator[tuple[ConsumedRecord, ImageProcessed]]:
        """Yield what was said of photographs; behind each `removed` stands a tombstone."""
        for record in self._of(IMAGES_PROCESSED.name):
            if record.value is not None:
                yield record, ImageProcessed.model_validate_json(record.value)

    def _told(self) -> Iterator[BucketEvent]:
        """Yield what the services were told of the bucket, but for poison."""
        for record in self._of(IMAGES_UPLOADED.name):
            with suppress(Poison):
                yield from events_of(record)

    def _of(self, topic: str) -> Iterator[ConsumedRecord]:
        return self.records(topic)

    def _connect(self) -> None:
        """Make a consumer that goes on where the one before it was: that may have lost its brokers as well."""
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
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._next.items()])

    def _read(self) -> None:
        while not self._stop.is_set():
            if self._listener.lost:
                self._connect()
            found = self._consumer.consume(500, 0.1)
            records = [consumed_record(message) for message in found if message.error() is None]
            self._next.update({record.topic_partition: record.offset + 1 for record in records})
            self._records += records
