"""The job as a process on real servers: it publishes, is rolled back, finds servers away, and meets another job."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from services.reclusterer.generations.lease import acquire_lease, heartbeat
from services.reclusterer.generations.publish import NOT_ANNOUNCED
from services.reclusterer.settings import JobSettings
from shared.adapters.kafka.records import consumed_record
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import RECLUSTERER, KafkaWriter
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.events import Change, ClusterChanged, FaceAssigned, GenerationPublished, Publication
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, GENERATIONS_PUBLISHED, IMAGES_PROCESSED
from shared.ports.streams import ProducedRecord
from tests.integration.conftest import read_committed
from tests.support.command_line import facestream_in_process
from tests.support.reclustering import add_photos, people
from tests.support.synthetic_faces import embeddings
from tools.samples import ROOT
from tools.stack.kafka import KafkaServer
from tools.stack.mongo import MongoServer
from tools.stack.process import Process, start

pytestmark = pytest.mark.slow

_FACES = embeddings([6, 1, 5, 4])
_NAMES = [f"{number:04}" for number in range(len(_FACES))]


@dataclass
class Jobs:
    """Starts the job on servers of its own; reads what it wrote."""

    kafka: KafkaServer
    mongo: MongoServer
    folder: Path
    repository: MongoRepository

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "FACESTREAM_MONGO_URI": self.mongo.uri,
            "FACESTREAM_MONGO_TIMEOUT": "5",
            "FACESTREAM_RECLUSTERER_MIN_CLUSTER_SIZE": "3",
            "FACESTREAM_RECLUSTERER_DRAIN_PERIOD": "0",
            "FACESTREAM_RECLUSTERER_LEASE": "5",
        }

    def start(self, **more: str) -> Process:
        folder = self.folder / uuid4().hex
        folder.mkdir()
        environment = {**os.environ, **self.environment, **more, "PYTHONPATH": str(ROOT)}
        return start([sys.executable, "-m", "services.reclusterer", "--once"], environment, folder)

    def once(self) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.reclusterer", "--once"],
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def members(self) -> dict[str, str | None]:
        active = self.repository.active_generation()
        return {item.face_id: item.cluster_id for item in self.repository.memberships(active.number if active else 0)}

    def known_downstream(self) -> dict[str, str | None]:
        values = self.last(FACES_ASSIGNED.name).values()
        events = [FaceAssigned.model_validate_json(value) for value in values]
        return {**dict.fromkeys(self.members()), **{event.face_id: event.cluster_id for event in events}}

    def last(self, topic: str) -> dict[str, Any]:
        settings = {"group.id": uuid4().hex, "enable.partition.eof": True, "isolation.level": "read_committed"}
        consumer = Consumer({**self.kafka.client_settings, **settings})
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found, ended = {}, 0
        while ended < len(partitions):
            for message in consumer.consume(500, 1):
                if message.error():
                    ended += 1
                else:
                    record = consumed_record(message)
                    found[(record.key or b"").decode()] = record.value
        consumer.close()
        return found


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    kafka, mongo = KafkaServer(tmp_path / "kafka"), MongoServer(tmp_path / "mongo")
    kafka.start()
    mongo.start()
    admin = kafka.admin()
    topics = {FACES_ASSIGNED: 3, CLUSTERS_CHANGED: 2, IMAGES_PROCESSED: 2, GENERATIONS_PUBLISHED: 1}
    made = admin.create_topics([NewTopic(topic.name, partitions, 1) for topic, partitions in topics.items()])
    for topic in made.values():
        topic.result(30)
    try:
        with MongoRepository(MongoSettings(uri=SecretStr(mongo.uri))) as repository:
            repository.create_indexes()
            add_photos(repository, _FACES[:9], _NAMES[:9])
            yield Jobs(kafka, mongo, tmp_path, repository)
    finally:
        kafka.stop()
        mongo.stop()


def test_a_generation_is_published_skipped_rolled_back_and_pinned(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.once()
    assert len(people(jobs.members())) == 1
    assert jobs.known_downstream() == jobs.members()
    assert '"skipped"' in jobs.once()
    add_photos(jobs.repository, _FACES[9:], _NAMES[9:], 1)
    jobs.once()
    assert len(people(jobs.members())) == 3
    assert jobs.known_downstream() == jobs.members()
    for name, value in jobs.environment.items():
        monkeypatch.setenv(name, value)
    back = facestream_in_process("generations", "rollback", "1")
    assert back.lines == ["generation 1 is active instead of 2, and announced"]
    assert set(jobs.members()) == set(_NAMES)
    assert jobs.known_downstream() == jobs.members()
    changed = [ClusterChanged.model_validate_json(value) for value in jobs.last(CLUSTERS_CHANGED.name).values()]
    assert sorted(event.change for event in changed) == [Change.KEPT, Change.RETIRED, Change.RETIRED]
    assert in_force(jobs) == (1, 2, Publication.ROLLED_BACK)
    assert "no other generation is published" not in facestream_in_process("generations", "pin", "1").error
    assert "pinned" in jobs.once()
    assert "unpinned" in facestream_in_process("generations", "rollback", "2").error
    listed = facestream_in_process("generations", "list").lines
    assert [line.split()[:2] for line in listed[1:]] == [["1", "active,"], ["2", "retired"]]
    (cluster, *_), *_ = (line.split() for line in facestream_in_process("clusters", "list").lines[1:])
    assert "photos/" in facestream_in_process("clusters", "show", cluster[:8]).lines[-1]
    assert len(facestream_in_process("clusters", "history", cluster).lines) == 2
    assert facestream_in_process("generations", "diff", "1", "2").lines[0].startswith("faces: 0 have another")
    assert "model: model" in facestream_in_process("generations", "show", "1").lines
    again = facestream_in_process("announce")
    assert again.lines == [f"announced: {len(_NAMES)} faces, 1 people, {len(_NAMES)} photographs"]
    assert jobs.known_downstream() == jobs.members()
    assert in_force(jobs) == (1, 1, Publication.REPEATED)
    assert facestream_in_process("generations", "unpin", "1").status == 0
    assert "neither active nor pinned" in facestream_in_process("generations", "remove", "1").error
    with acquire_lease(jobs.repository, "the job", JobSettings()) as lease, heartbeat(lease, 0.2):
        assert "is at work and has the lease" in facestream_in_process("generations", "remove", "2").error
    removed = facestream_in_process("generations", "remove", "2")
    assert removed.lines == ["generation 2 is removed; it cannot be activated again"]
    assert not jobs.repository.clusters(2)
    jobs.once()
    assert len(people(jobs.members())) == 3
    assert jobs.known_downstream() == jobs.members()


def in_force(jobs: Jobs) -> tuple[int, int, str]:
    """Return what downstream knows of generations: that which is in force, the one before, and why."""
    (value,) = jobs.last(GENERATIONS_PUBLISHED.name).values()
    event = GenerationPublished.model_validate_json(value or b"")
    return event.generation, event.previous, event.cause


def test_before_the_topic_of_publications_is_made_all_else_is_told_and_a_line_says_so(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = jobs.kafka.admin()
    admin.delete_topics([GENERATIONS_PUBLISHED.name])[GENERATIONS_PUBLISHED.name].result(30)
    log = jobs.once()
    assert NOT_ANNOUNCED in log
    assert '"generation announced"' in log
    assert jobs.known_downstream() == jobs.members()
    for name, value in jobs.environment.items():
        monkeypatch.setenv(name, value)
    announced = facestream_in_process("announce")
    assert (announced.status, announced.error.strip()) == (0, NOT_ANNOUNCED)
    wanted = NewTopic(GENERATIONS_PUBLISHED.name, 1, 1)
    admin.create_topics([wanted])[GENERATIONS_PUBLISHED.name].result(30)
    assert facestream_in_process("announce").error == ""
    assert in_force(jobs) == (1, 1, Publication.REPEATED)


@pytest.mark.parametrize("away", ["kafka", "mongo"])
def test_a_server_that_is_away_is_waited_for(jobs: Jobs, away: str) -> None:
    server = getattr(jobs, away)
    job = jobs.start(FACESTREAM_RECLUSTERER_DRAIN_PERIOD="3")
    try:
        eventually(lambda: jobs.repository.active_generation() is not None)
        server.kill()
        eventually(lambda: '"trying again"' in job.log())
        server.start()
        ended(job)
        assert '"published"' in job.log() or '"skipped"' in job.log()
    finally:
        job.stop()
    assert jobs.known_downstream() == jobs.members()
    assert len(people(jobs.members())) == 1


def test_of_two_jobs_one_works_and_the_other_says_so(jobs: Jobs) -> None:
    first = jobs.start(FACESTREAM_RECLUSTERER_DRAIN_PERIOD="600")
    second = None
    try:
        eventually(lambda: jobs.repository.active_generation() is not None)
        second = jobs.start()
        ended(second)
        assert "is at work and has the lease" in second.log()
        assert first.running()
        first.kill()
        third = jobs.start()
        ended(third)
        assert '"generation announced"' in third.log(), "it goes on where the killed one was"
    finally:
        for job in (first, second):
            if job is not None:
                job.stop()
    assert jobs.known_downstream() == jobs.members()


def test_the_records_of_a_key_are_in_one_partition_whoever_of_the_services_writes_them(kafka: str) -> None:
    name = f"test-{uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 7, 1)])[name].result(30)
    settings = KafkaSettings(bootstrap_servers=kafka)
    writer = KafkaWriter(settings, RECLUSTERER)
    records = [ProducedRecord(name, face_id.encode(), b"job", {}) for face_id in _NAMES]
    assert not writer.write_if(records, lambda: False)
    assert writer.write_if(records, lambda: True)
    stream = KafkaStream(settings, f"test-{uuid4().hex[:8]}", "one", [name])
    with closing(stream):
        stream.consume(1, 0.1)
        stream.commit([], [ProducedRecord(name, face_id.encode(), b"service", {}) for face_id in _NAMES])
    found: dict[bytes, list[tuple[int, bytes]]] = {}
    for message in read_committed({"bootstrap.servers": kafka}, name, 2 * len(_NAMES)):
        found.setdefault(message.key() or b"", []).append((message.partition() or 0, message.value() or b""))
    assert len(found) == len(_NAMES)
    for places in found.values():
        assert len({partition for partition, _ in places}) == 1
        assert [value for _, value in places] == [b"job", b"service"]


def eventually(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def ended(job: Process) -> None:
    eventually(lambda: not job.running())
