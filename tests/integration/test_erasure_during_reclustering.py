"""On real servers: photographs are removed while the reclusterer makes a generation, publishes it and tells of it."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest

from services.assigner.processor import AssignerProcessor
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import RECLUSTERER, KafkaWriter
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.events import FaceAssigned, FacesEmbedded, Outcome, Photo
from shared.domain.matching import AssignerSettings
from shared.domain.topics import CLUSTERS_CHANGED, DEAD_LETTERS, FACES_ASSIGNED, FACES_EMBEDDED, IMAGES_PROCESSED
from shared.ports.repository import FaceRepository
from shared.ports.streams import ProducedRecord, RecordWriter
from shared.settings import BucketSettings
from shared.stream.cloudevents import EventEncoder
from shared.stream.worker import Worker, WorkerSettings
from tests.support.brokers import eventually
from tests.support.reclustering import Watched, World, add_photos, image_record, people
from tests.support.synthetic_faces import embeddings

pytestmark = pytest.mark.slow

_SIZES = [14, 13, 12, 11, 1, 1, 1]
_STEPS = {"save_clusters", "save_memberships", "activate", "remove_memberships"}
"""Calls of the job between which it writes, swaps and catches up."""
_ABORTED = 4  # times that the announcement is spoilt


class Silent:
    """An observer that says nothing."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


@dataclass
class Remover:
    """Tells the assigner that photographs are gone."""

    repository: FaceRepository
    writer: RecordWriter
    topic: str
    names: list[str]
    removed: list[str] = field(default_factory=list)

    def begin(self) -> str:
        """Tell of one and go on at once."""
        name = self.names.pop()
        image, moment = image_record(f"image of {name}"), datetime(2026, 11, 25, tzinfo=UTC)
        photo = Photo(
            bucket=image.bucket,
            key=image.key,
            object_id=image.object_id,
            image_id=image.image_id,
            etag="",
            size=0,
            uploaded_at=moment,
        )
        event = FacesEmbedded(photo=photo, outcome=Outcome.REMOVED)
        record = EventEncoder("test", moment).record(
            FACES_EMBEDDED, image.object_id, event, subject=image.object_id, cause="removed"
        )
        self.writer.write_if([replace(record, topic=self.topic)], lambda: True)
        self.removed.append(name)
        return name

    def erase(self) -> str:
        """Tell of one and wait until its tombstone is committed and nothing is kept of it."""
        name = self.begin()
        eventually(lambda: not self.repository.faces_named([name]))
        return name

    def at_steps(self) -> Callable[[int, str], None]:
        """Return what is called at every call of the job, and removes photographs at each step's first."""
        left = set(_STEPS)

        def step(_number: int, name: str) -> None:
            if name in left:
                left.remove(name)
                self.erase()
                self.begin()

        return step


@dataclass
class SpoiltWriter:
    """The job's way to Kafka: photographs are removed before and after it looks who is still there."""

    inner: RecordWriter
    remover: Remover
    aborted: int = 0
    before_commit: list[str] = field(default_factory=list)

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        if all(record.topic != FACES_ASSIGNED.name for record in records):
            return self.inner.write_if(records, holds)
        if self.aborted < _ABORTED:
            # The job has read who is there; the tombstone is committed before the job's record is appended.
            self.remover.erase()
            self.remover.begin()

        def looked() -> bool:
            there = holds()
            if there:
                # The job has looked; the tombstone is committed while its transaction is still open.
                self.before_commit.append(self.remover.erase())
            self.aborted += not there
            return there

        return self.inner.write_if(records, looked)

    def knows(self, topic: str) -> bool:
        return self.inner.knows(topic)


@contextmanager
def assigning(settings: KafkaSettings, topic: str, repository: FaceRepository) -> Iterator[None]:
    """Run the assigner on a topic for a while."""
    stop = Event()
    stream = KafkaStream(settings, f"{topic}-assigner", "one", [topic])
    assigner = AssignerProcessor(
        repository=repository,
        objects=MemoryObjectStore(),
        settings=AssignerSettings(),
        crops=BucketSettings().faces,
        is_committed=stream.is_committed,
    )
    observer: Any = Silent()
    worker = Worker(
        service="assigner",
        stream=stream,
        processor=assigner,
        settings=WorkerSettings(),
        observer=observer,
        stop=stop,
    )
    thread = Thread(target=worker.run, name="assigner")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def said(settings: KafkaSettings, names: Sequence[str]) -> dict[str, list[bytes | None]]:
    """Return what was committed of each face, in order."""
    found: defaultdict[str, list[bytes | None]] = defaultdict(list)
    with KafkaReader(settings, FACES_ASSIGNED.name) as reader:
        for record in reader.stored():
            found[(record.key or b"").decode()].append(record.value)
    return {name: found[name] for name in names}


def test_a_face_that_is_erased_while_a_generation_is_made_and_told_does_not_come_back(
    kafka: str, mongo: MongoSettings, topic: str
) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka)
    admin = KafkaAdmin(settings)
    for wanted in (FACES_ASSIGNED, CLUSTERS_CHANGED, IMAGES_PROCESSED, DEAD_LETTERS):
        if admin.topic(wanted.name) is None:
            admin.create(wanted.name, 3, {})
    database = mongo.model_copy(update={"database": topic})
    vectors = embeddings(_SIZES)
    names = [f"{topic}-{number:04}" for number in range(len(vectors))]
    with MongoRepository(database) as repository, MongoRepository(database) as assigners:
        repository.create_indexes()
        add_photos(repository, vectors, names)
        known = random.Random(7).sample(names[:-3], len(names) - 3)  # noqa: S311  an order, no secret
        remover = Remover(repository, KafkaWriter(settings, f"test-{uuid4().hex[:8]}"), topic, known)
        writer = SpoiltWriter(KafkaWriter(settings, RECLUSTERER), remover)
        world = World(Watched(repository, remover.at_steps()))
        with assigning(settings, topic, assigners):
            world.recluster(writer=writer, wait=lambda _: remover.erase())
            removed = set(remover.removed)
            eventually(lambda: not repository.faces_named(sorted(removed)))
        members = world.members()
    told = said(settings, names)
    assert {name for name in removed if told[name][-1:] != [None]} == set(), "the tombstone is the last word"
    assert writer.aborted >= _ABORTED, "the job has noticed"
    assert [len(told[name]) for name in writer.before_commit] == [2], "said by the job, then erased"
    assert set(members) == set(names) - removed
    last = {name: FaceAssigned.model_validate_json(told[name][-1] or b"") for name in members if told[name]}
    assert {name: last[name].cluster_id if name in last else None for name in members} == members
    assert len(people(members)) == 4
