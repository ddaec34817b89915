"""`facestream init`, `ingest`, `watch` and `reconcile` against real servers, beginning with empty ones."""

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import KafkaWriter
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.events import Outcome, Photo
from shared.domain.ids import image_id, object_id
from shared.domain.records import ImageRecord
from shared.domain.topics import (
    FACES_ASSIGNED,
    FACES_DETECTED,
    GENERATIONS_PUBLISHED,
    IMAGES_UPLOADED,
    MAX_RECORD_BYTES,
    TOPICS,
)
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream import notification_records as notices
from tests.support.command_line import Command, facestream_in_process
from tests.support.fixtures import needed
from tests.support.limits import LIMIT
from tools.golden_events import event_bytes
from tools.notifications import events_of
from tools.samples import FACESTREAM, ROOT
from tools.stack.stack import Stack, new_stack


@dataclass(frozen=True)
class Operated:
    """Servers that nobody but `facestream init` has prepared, and what it printed, the first and the second time."""

    stack: Stack
    first: list[str]
    second: list[str]


@pytest.fixture(scope="module")
def operated(servers: Path) -> Iterator[Operated]:
    stack = new_stack(servers / "operated")
    with needed():
        for server in stack.servers.values():
            server.start()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in stack.environment().items():
            environment.setenv(name, value)
        KafkaAdmin(KafkaSettings()).create(IMAGES_UPLOADED.name, 2, {})
        first, second = facestream_in_process("init"), facestream_in_process("init")
        assert (first.error, second.error) == ("", "")
        yield Operated(stack, first.lines, second.lines)
    stack.stop()


@pytest.fixture
def store(operated: Operated) -> MinioStore:  # noqa: ARG001  it sets the environment
    return MinioStore(MinioSettings())


@pytest.fixture
def repository(operated: Operated) -> Iterator[MongoRepository]:  # noqa: ARG001  it sets the environment
    with MongoRepository(MongoSettings()) as found:
        yield found


def announced(key: str) -> list[ConsumedRecord]:
    """Return what `images.uploaded` says of a key, in order."""
    with KafkaReader(KafkaSettings(), IMAGES_UPLOADED.name) as reader:
        return [record for record in reader.stored() if record.key == f"photos/{key}".encode()]


def image(key: str, etag: str, size: int = 5) -> ImageRecord:
    its_object = object_id("photos", key)
    return ImageRecord(
        image_id=image_id(its_object, None, etag),
        object_id=its_object,
        bucket="photos",
        key=key,
        etag=etag,
        size=size,
        uploaded_at=datetime.now(UTC) - timedelta(days=1),
        outcome=Outcome.DETECTED,
        sequencer="18EAF5534A997323",
    )


def photo(key: str, etag: str) -> Photo:
    found = image(key, etag)
    return Photo(
        bucket=found.bucket,
        key=found.key,
        object_id=found.object_id,
        image_id=found.image_id,
        etag=found.etag,
        sequencer=found.sequencer,
        size=found.size,
        uploaded_at=found.uploaded_at,
    )


def test_init_makes_all_that_is_missing_and_says_so(operated: Operated) -> None:
    assert operated.first[:2] == [
        "topic images.uploaded: 12 partitions, before 2",
        f"topic images.uploaded: max.message.bytes {MAX_RECORD_BYTES}, before 1048588",
    ]
    assert "topic faces.embedded: made, 12 partitions, records kept for 1 d" in operated.first
    assert "bucket faces: made" in operated.first
    assert "index images.object_id_1: made" in operated.first


def test_of_two_who_make_a_topic_at_once_one_is_told_that_it_was_there(operated: Operated) -> None:
    kafka = KafkaAdmin(KafkaSettings(bootstrap_servers=operated.stack.kafka.bootstrap_servers))
    assert kafka.create("made-twice", 1, {})
    assert not kafka.create("made-twice", 1, {})
    assert kafka.topic("made-twice")


def test_init_has_nothing_to_change_the_second_time(operated: Operated) -> None:
    assert operated.second == ["nothing to change"]


def test_topics_are_what_the_table_says(operated: Operated) -> None:  # noqa: ARG001  it sets the environment
    admin = KafkaAdmin(KafkaSettings())
    for topic in TOPICS:
        state = admin.topic(topic.name)
        assert state is not None
        assert state.partitions == topic.partitions
        assert state.configuration.items() >= topic.configuration().items()


def test_init_leaves_a_longer_retention_and_more_partitions(operated: Operated) -> None:  # noqa: ARG001  environment
    admin, longer = KafkaAdmin(KafkaSettings()), {"retention.ms": str(30 * 24 * 3600 * 1000)}
    admin.configure(FACES_DETECTED.name, longer)
    try:
        lines = facestream_in_process("init", "--partitions", "4").lines
        state = admin.topic(FACES_DETECTED.name)
    finally:
        admin.configure(FACES_DETECTED.name, FACES_DETECTED.configuration())
    assert any("faces.detected: left" in line and "keeps records for 30 d, wanted 7 d" in line for line in lines)
    assert any("faces.detected: left" in line and "12 partitions, wanted 4" in line for line in lines)
    assert lines[-1] == "nothing to change"
    assert state is not None
    assert state.configuration.items() >= longer.items()


def test_init_keeps_what_others_have_set_in_the_bucket(operated: Operated) -> None:
    client, target = operated.stack.minio.client(), "arn:minio:sqs::PRIMARY:kafka"
    theirs = QueueConfig(
        ["s3:ObjectAccessed:Get"], config_id="audit", prefix_filter_rule=PrefixFilterRule("audited/"), queue=target
    )
    client.set_bucket_notification("photos", NotificationConfig(queue_config_list=[theirs]))
    assert any(line.startswith("bucket photos: changes are sent to ") for line in facestream_in_process("init").lines)
    configured = client.get_bucket_notification("photos").queue_config_list
    assert {(queue.config_id, tuple(queue.events)) for queue in configured if queue.prefix_filter_rule} == {
        ("audit", ("s3:ObjectAccessed:Get",))
    }
    assert len(configured) == 2
    assert facestream_in_process("init").lines == ["nothing to change"]


def test_init_says_which_setting_names_a_target_that_minio_does_not_know(
    operated: Operated,  # noqa: ARG001  it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACESTREAM_BUCKET_NOTIFICATION", "arn:minio:sqs::OTHER:kafka")
    assert "FACESTREAM_BUCKET_NOTIFICATION" in facestream_in_process("init").error


def test_a_variable_that_nobody_reads_is_told_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_KAFKA_BOOTSTRAP_SERVER", "127.0.0.1:1")
    for command in (("init",), ("ingest", "."), ("watch",), ("reconcile",), ("dead-letters", "list")):
        assert "FACESTREAM_KAFKA_BOOTSTRAP_SERVER: no such setting" in facestream_in_process(*command).error


def test_ingest_uploads_photographs_goes_on_where_it_was_and_tells_what_it_could_not(
    store: MinioStore, tmp_path: Path
) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "größe 1.jpg").write_bytes(b"one")
    (tmp_path / "two.CR2").write_bytes(b"two")
    (tmp_path / "film.mp4").write_bytes(b"no photograph")
    assert facestream_in_process("ingest", tmp_path) == Command(
        0, ["photographs: 2 uploaded, 0 already in the bucket", "1 file was passed over: 1 video"], ""
    )
    assert store.get("photos", "trip/größe 1.jpg", LIMIT).etag == hashlib.md5(b"one").hexdigest()  # noqa: S324
    assert [len(announced(key)) for key in ("trip/größe 1.jpg", "two.CR2", "film.mp4")] == [1, 1, 0]
    (tmp_path / "two.CR2").write_bytes(b"2nd")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere")
    again = facestream_in_process("ingest", tmp_path)
    assert (again.status, again.lines[0]) == (
        1,
        "photographs: 1 uploaded, 1 already in the bucket, 1 failed (see above)",
    )
    assert again.error.startswith("lost.jpg: ")


def test_a_notice_of_ours_reads_as_that_of_minio_and_lies_in_the_same_partition(store: MinioStore) -> None:
    for key in ("notice 1.jpg", "größe/2 ü+&.jpg", "3"):
        store.put("photos", key, b"12345", "image/jpeg")
        KafkaWriter(KafkaSettings(), "test").write([notices.uploaded("photos", next(store.list("photos", key)))])
        theirs, ours = announced(key)
        (said,), (repeated,) = events_of(theirs), events_of(ours)
        assert ours.partition == theirs.partition
        assert repeated == said.model_copy(update={"sequencer": None, "occurred_at": repeated.occurred_at})
        assert repeated.occurred_at <= said.occurred_at


def test_a_notice_that_the_assigner_writes_lies_in_the_partition_of_minio_s(store: MinioStore) -> None:
    keys = [f"again {number}.jpg" for number in range(5)]
    KafkaAdmin(KafkaSettings()).create("of-another-partitioner", 12, {})
    for key in keys:
        store.put("photos", key, b"12345", "image/jpeg")
    with closing(KafkaStream(KafkaSettings(), "partitions", "one", [IMAGES_UPLOADED.name])) as stream:
        consumed = next(found for _ in range(60) if (found := stream.consume(1, 1.0)))
        facts = {key: next(store.list("photos", key)) for key in keys}
        stream.commit(
            consumed,
            # Beside a record of a topic with another partitioner, and one without a key.
            [
                *(notices.detect_again(photo(key, info.etag or "")) for key, info in facts.items()),
                ProducedRecord("of-another-partitioner", b"photos/again 1.jpg", None, {}),
                ProducedRecord("of-another-partitioner", b"", b"{}", {}),
            ],
        )
    for key in keys:
        theirs, ours = announced(key)
        assert ours.partition == theirs.partition
    with KafkaReader(KafkaSettings(), "of-another-partitioner") as reader:
        others = {record.key: record.partition for record in reader.stored()}
    assert others.keys() == {b"photos/again 1.jpg", b""}
    assert others[b"photos/again 1.jpg"] == zlib.crc32(b"photos/again 1.jpg") % 12


def test_reconcile_holds_back_what_looks_like_a_lost_bucket_until_somebody_allows_it(
    repository: MongoRepository, store: MinioStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("photos", "loss/still-there.jpg", b"12345", "image/jpeg")
    gone = [image(f"loss/{number:02}.jpg", "0" * 32) for number in range(25)]
    repository.save_images(gone)
    awaiting = facestream_in_process("reconcile")  # the notice of the photograph waits, since no service runs
    assert awaiting.status == 0
    assert any("known photographs are not in the bucket, and the stream" in line for line in awaiting.lines)
    monkeypatch.setattr("cli.jobs.reconcile.longest_wait", lambda _: None)
    held = facestream_in_process("reconcile")
    assert held.status == 1
    assert "known photographs are not in the bucket; their keys begin with loss/." in held.error
    assert "--largest-loss 1" in held.error
    assert not announced(gone[0].key)
    planned = facestream_in_process("reconcile", "--dry-run")
    assert (planned.status, planned.lines[-1]) == (0, held.error)
    monkeypatch.setenv("FACESTREAM_RECONCILER_LARGEST_LOSS", "1")
    done = facestream_in_process("reconcile")
    assert "25 known and gone from the bucket: announced as removed" in done.lines
    assert all(announced(found.key) for found in gone[::8])
    repository.remove_images([found.image_id for found in gone])


def test_reconcile_announces_what_has_no_outcome_and_what_is_gone_and_nothing_else(
    operated: Operated, store: MinioStore, repository: MongoRepository
) -> None:
    bare = operated.stack.minio.client()
    bare.set_bucket_notification("photos", NotificationConfig())  # what happens now, nobody is told
    for key in ("reconcile/lost.jpg", "reconcile/known.jpg", "reconcile/replaced.jpg"):
        store.put("photos", key, b"12345", "image/jpeg")
    facestream_in_process("init")
    etag = hashlib.md5(b"12345").hexdigest()  # noqa: S324
    gone = image("reconcile/gone.jpg", etag)
    repository.save_images([image("reconcile/known.jpg", etag), image("reconcile/replaced.jpg", "0" * 32), gone])

    planned = facestream_in_process("reconcile", "--dry-run", "--grace", "0")
    assert not announced("reconcile/lost.jpg")
    done = facestream_in_process("reconcile", "--grace", "0")

    assert "1 known and gone from the bucket: announced as removed" in done.lines
    assert [line.replace("would be announced", "announced") for line in planned.lines] == done.lines
    for key in ("reconcile/lost.jpg", "reconcile/replaced.jpg"):
        (event,) = events_of(announced(key)[0])
        assert (event.key, event.etag, event.size, event.removed) == (key, etag, 5, False)
    assert not announced("reconcile/known.jpg")
    (event,) = events_of(announced(gone.key)[0])
    assert (event.removed, event.sequencer) == (True, "18EAF5534A997324")
    repository.remove_images([gone.image_id])


def test_reconcile_leaves_young_objects_alone(store: MinioStore) -> None:
    store.put("photos", "young.jpg", b"12345", "image/jpeg")
    assert "0 without an outcome: announced as uploaded" in facestream_in_process("reconcile").lines


def test_reconcile_announces_nothing_while_the_stream_is_behind(
    store: MinioStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("photos", "waiting.jpg", b"12345", "image/jpeg")
    monkeypatch.setattr("cli.jobs.reconcile._BEHIND", timedelta(0))
    (line,) = facestream_in_process("reconcile", "--grace", "0").lines
    assert line.startswith("the stream is behind: images.uploaded/")


def test_watch_prints_what_was_said_and_what_is_said_and_ends_at_an_interrupt(
    operated: Operated,  # noqa: ARG001  it sets the environment
) -> None:
    event = event_bytes("FaceAssigned.arrived")
    face_id = json.loads(event)["face_id"]
    writer = KafkaWriter(KafkaSettings(), "test")
    writer.write([ProducedRecord(FACES_ASSIGNED.name, face_id.encode(), event, {})])
    command = [str(FACESTREAM), "watch", "--from-beginning", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout
            assert watching.stderr
            assert json.loads(watching.stdout.readline()) == json.loads(event)
            writer.write([ProducedRecord(FACES_ASSIGNED.name, face_id.encode(), None, {})])
            assert json.loads(watching.stdout.readline()) == {"face_id": face_id, "cause": "erased"}
            publication = event_bytes("GenerationPublished.reclustered")
            writer.write([ProducedRecord(GENERATIONS_PUBLISHED.name, b"active", publication, {})])
            assert json.loads(watching.stdout.readline()) == json.loads(publication)
            watching.send_signal(signal.SIGINT)
            assert (watching.wait(20), watching.stderr.read()) == (0, "")
        finally:
            watching.kill()  # leaving the context would wait for it


@dataclass(frozen=True)
class Example:
    """The downstream example and its table; people whose names begin with `prefix` are its own."""

    servers: str
    path: Path
    prefix: str

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "docs/downstream_example.py", self.servers, str(self.path)], cwd=ROOT)

    def say(self, face: str, person: str | None) -> None:
        body = {"bucket": "photos", "key": f"{face[-2]}.jpg", "cluster_id": f"{self.prefix}-{person}"}
        value = None if person is None else json.dumps(body).encode()
        record = ProducedRecord(FACES_ASSIGNED.name, f"{self.prefix} {face}".encode(), value, {})
        KafkaWriter(KafkaSettings(), "test").write([record])

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as table, table:
            for statement in statements:
                table.execute(statement)

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(self.path)) as table, suppress(sqlite3.OperationalError):  # no table yet
            return table.execute(question).fetchall()
        return []

    def found(self) -> list[tuple[Any, ...]]:
        return self.asked(f"SELECT * FROM people WHERE person LIKE '{self.prefix}-%' ORDER BY photo")  # noqa: S608  a constant

    def wait_for(self, **people: str) -> None:
        wanted = [(f"photos/{photo}.jpg", f"{self.prefix}-{person}") for photo, person in people.items()]
        deadline = time.monotonic() + 60
        while self.found() != wanted:
            assert time.monotonic() < deadline, f"expected {wanted}, found {self.found()}"
            time.sleep(0.1)


def test_the_downstream_example_keeps_its_table_right_over_its_death_and_tombstones(
    operated: Operated, tmp_path: Path
) -> None:
    example = Example(operated.stack.kafka.bootstrap_servers, tmp_path / "people.db", "death")
    example.say("a1", "ann")
    example.say("b1", "ben")
    with example.start() as running:
        example.wait_for(a="ann", b="ben")
        running.kill()
    example.say("a1", None)
    example.say("b1", "ann")
    with example.start() as running:
        example.wait_for(b="ann")
        example.say("c1", "ben")
        example.wait_for(b="ann", c="ben")
        running.kill()


def test_the_downstream_example_shows_a_whole_table_after_quiet_days_long_absence_and_the_loss_of_kafka(
    operated: Operated, tmp_path: Path
) -> None:
    example = Example(operated.stack.kafka.bootstrap_servers, tmp_path / "people.db", "quiet")
    example.say("a1", "ann")
    with example.start() as running:
        example.wait_for(a="ann")
        running.kill()
    people = example.found()
    is_current = """
        SELECT min(seen) > datetime('now', '-1 hours') AND max(next) < 1000
            AND (SELECT topic_id NOT LIKE '%lost' FROM source) FROM places
    """
    for history in (
        # A day on which nothing is said: a program that runs looks, and knows that it has missed nothing.
        ["UPDATE places SET seen = datetime('now', '-19 hours')"],
        ["UPDATE places SET seen = datetime('now', '-30 hours')"],
        # Another Kafka, in which the offsets mean something else.
        ["UPDATE source SET topic_id = 'one of a Kafka that was lost'", "UPDATE places SET next = next + 1000"],
    ):
        example.change(*history)
        with example.start() as running:
            deadline = time.monotonic() + 60
            while example.asked(is_current) != [(1,)]:
                assert example.found() == people, "readers see a table that is whole, at every moment"
                assert time.monotonic() < deadline, history
            assert example.found() == people
            running.kill()
