"""The witness: reads every committed record of every topic from its beginning, in no group, and keeps them all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from shared.adapters.kafka import consumed_record
from shared.adapters.kafka_errors import Listener
from shared.bucket_notification import bucket_events
from shared.errors import Poison
from shared.events import BucketEvent, FaceAssigned, FacesDetected, ImageProcessed, PhotoEvent
from shared.ports import ConsumedRecord
from shared.streaming import decoded, moment
from shared.topics import (
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
from tests.stack import KafkaServer

_Event = TypeVar("_Event", bound=PhotoEvent)


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
        """Return the outcome that stands of each object, by its key in the bucket."""
        said = (ImageProcessed.model_validate_json(record.value or b"") for record in self._of(IMAGES_PROCESSED.name))
        return {outcome.photo.key: outcome for outcome in said}

    def assignments(self) -> dict[str, FaceAssigned]:
        """Return the assignments that stand, by face."""
        last = {(record.key or b"").decode(): record.value for record in self._of(FACES_ASSIGNED.name)}
        return {face: FaceAssigned.model_validate_json(value) for face, value in last.items() if value is not None}

    def crops(self, topic: Topic, key: str) -> list[str]:
        """Return the keys of the crops that a topic names for a photograph."""
        events = self._events(topic, FacesDetected)
        return [face.crop_key for event in events if event.photo.key == key for face in event.faces]

    def read(self) -> int:
        """Return the number of records that were read."""
        return len(self._records)

    def letters(self) -> list[ConsumedRecord]:
        """Return the dead letters."""
        return list(self._of(DEAD_LETTERS.name))

    def repeated(self) -> Counter[str]:
        """Count what was said more than once, and how often too often.

        Between the services, a moment of an object must come as often as the object store, or the reconciler, told of
        it. At the end it comes once: neither an event's name nor what it says of a photograph or face may repeat.
        """
        told = Counter(f"{event.key} {event.sequencer or event.occurred_at.isoformat()}" for event in self._told())
        names: Counter[str] = Counter()
        for topic in (FACES_DETECTED, FACES_SCREENED, FACES_EMBEDDED):
            passed = Counter(f"{event.photo.key} {moment(event)}" for event in self._events(topic, PhotoEvent))
            names += Counter({f"{topic.name} {name}": times - told[name] + 1 for name, times in passed.items()})
        for record in self.records(FACES_ASSIGNED.name, IMAGES_PROCESSED.name):
            names[f"{record.topic} {record.headers['ce_id'].decode()}"] += 1
        for record in self._of(IMAGES_PROCESSED.name):
            outcome = ImageProcessed.model_validate_json(record.value or b"")
            names[f"{record.topic} {outcome.photo.key} {outcome.photo.image_id} {outcome.outcome}"] += 1
        for record in self._of(FACES_ASSIGNED.name):
            event = FaceAssigned.model_validate_json(record.value) if record.value else None
            names[f"{record.topic} {(record.key or b'').decode()} {event.generation if event else 'erased'}"] += 1
        return Counter({name: times - 1 for name, times in names.items() if times > 1})

    def _events(self, topic: Topic, model: type[_Event]) -> Iterator[_Event]:
        """Yield the events of a topic; poison has no name."""
        return (decoded(record, model) for record in self._of(topic.name) if "ce_id" in record.headers)

    def _told(self) -> Iterator[BucketEvent]:
        """Yield what the services were told of the bucket, but for poison."""
        for record in self._of(IMAGES_UPLOADED.name):
            with suppress(Poison):
                yield from bucket_events(record)

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
            self._next.update({(record.topic, record.partition): record.offset + 1 for record in records})
            self._records += records
