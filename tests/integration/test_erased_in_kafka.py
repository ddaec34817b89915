"""What was erased is in no file of Kafka's after a while, also where nobody writes to its partition any more."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from services.assigner.output_records import AcceptedEvent, output_records
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.domain.events import FacesEmbedded
from shared.domain.ids import object_id
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, IMAGES_PROCESSED, Topic
from shared.ports.streams import ConsumedRecord
from tests.support.command_line import Command, facestream_in_process
from tests.support.fixtures import needed
from tools.golden_events import event_bytes
from tools.stack import KafkaServer
from tools.stack.stack import Stack, new_stack

pytestmark = pytest.mark.slow

_COMPACTED = (FACES_ASSIGNED, IMAGES_PROCESSED, CLUSTERS_CHANGED)
# A day each in a deployment, and a minute for the files.
_QUICK = {"max.compaction.lag.ms": "1000", "delete.retention.ms": "0", "file.delete.delay.ms": "100"}
_PATIENCE = 45.0  # seconds
_OF_ONE = 2  # offsets of what is written to an idle partition: a record, and the mark that it was taken back
_KEPT, _GONE = uuid4().hex, uuid4().hex  # face ids


class _Quick(KafkaServer):
    """A broker whose cleaner comes by five times a second."""

    def settings(self) -> dict[str, object]:
        return super().settings() | {"log.cleaner.backoff.ms": 200}


@pytest.fixture(scope="module")
def stack(servers: Path) -> Iterator[Stack]:
    made = new_stack(servers / "erased")
    quick = _Quick(made.kafka.folder, made.kafka.port)
    made = Stack(quick, made.minio, made.mongo)
    with needed():
        for server in made.servers.values():
            server.start()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in made.environment().items():
            environment.setenv(name, value)
        assert facestream_in_process("init", "--partitions", "2").status == 0
        kafka = KafkaAdmin(KafkaSettings())
        for topic in _COMPACTED:
            kafka.configure(topic.name, _QUICK)
        yield made
    made.stop()


def write(stack: Stack, topic: Topic, partition: int, key: str, value: bytes | None) -> None:
    """Append one record as it is: compressed, it could not be found in a file."""
    producer = Producer({**stack.kafka.client_settings, "compression.type": "none"})
    producer.produce(topic.name, value, key, partition)
    assert producer.flush(30) == 0


def files_with(stack: Stack, text: bytes) -> list[str]:
    """Return the files of the broker's folder in which a text stands."""
    folder = stack.kafka.folder / "data"
    found = []
    for file in folder.rglob("*"):
        try:
            if file.is_file() and text in file.read_bytes():
                found.append(str(file.relative_to(folder)))
        except FileNotFoundError:  # the cleaner has just removed it
            continue
    return found


def ends() -> Mapping[str, int]:
    """Return the offsets that the partitions of each topic have used."""
    kafka = KafkaAdmin(KafkaSettings())
    found = {}
    for topic in _COMPACTED:
        found[topic.name] = sum(after for _, after in kafka.extents(topic.name).values())
    return found


def reconcile() -> Command:
    return facestream_in_process("reconcile", "--grace", "0")


def reconcile_until(is_true: Callable[[Command], bool], what: str) -> None:
    """Run the command until something is true after it; a broker that has just started may refuse the first one."""
    deadline = time.monotonic() + _PATIENCE
    while not is_true(done := reconcile()):
        assert time.monotonic() < deadline, (what, done)


def test_key_and_box_of_an_erased_face_are_in_no_file_and_those_of_others_stay(stack: Stack) -> None:
    event = event_bytes("FaceAssigned.arrived").replace(b"\n", b"")
    box_of_gone, box_of_kept = b'"left": 741852', b'"left": 963852'
    write(stack, FACES_ASSIGNED, 0, _KEPT, event.replace(b'"left": 1012', box_of_kept))
    write(stack, FACES_ASSIGNED, 0, _GONE, event.replace(b'"left": 1012', box_of_gone))
    write(stack, FACES_ASSIGNED, 0, _GONE, None)
    assert files_with(stack, box_of_gone)
    reconcile_until(
        lambda _: not files_with(stack, box_of_gone) and not files_with(stack, _GONE.encode()),
        "what was erased is still in a file",
    )
    assert files_with(stack, box_of_kept)


def test_the_name_of_a_removed_photograph_is_in_no_file_and_that_of_another_one_stays(stack: Stack) -> None:
    kept, gone = "kept by name.jpg", "removed by name.jpg"
    said = json.loads(event_bytes("ImageProcessed.detected"))
    for key in (kept, gone):
        value = said | {"photo": said["photo"] | {"key": key, "object_id": object_id("photos", key)}}
        write(stack, IMAGES_PROCESSED, 0, object_id("photos", key), json.dumps(value).encode())
    removal = FacesEmbedded.model_validate(value | {"outcome": "removed"})
    for record in output_records(
        AcceptedEvent(ConsumedRecord("", 0, 0, None, None, {}, datetime.now(UTC)), removal, ()), None, {}
    ):
        write(stack, IMAGES_PROCESSED, 0, record.key.decode(), record.value)
    assert files_with(stack, gone.encode())
    reconcile_until(lambda _: not files_with(stack, gone.encode()), "the name is still in a file")
    assert files_with(stack, kept.encode())


def test_idle_partitions_are_left_alone_in_the_end_and_no_reader_has_seen_anything(stack: Stack) -> None:
    write(stack, CLUSTERS_CHANGED, 1, "a" * 32, event_bytes("ClusterChanged.grown"))
    before = ends()

    def is_settled(done: Command) -> bool:
        time.sleep(1.3)  # longer than the time after which a partition counts as idle
        return done.status == 0 and ends() != before and not any("idle" in line for line in done.lines)

    reconcile_until(is_settled, "written to again and again")
    settled = ends()
    for _ in range(2):
        assert reconcile().status == 0
        time.sleep(1.3)
    assert ends() == settled
    assert settled[CLUSTERS_CHANGED.name] == before[CLUSTERS_CHANGED.name] + 2 * _OF_ONE
    with KafkaReader(KafkaSettings(), CLUSTERS_CHANGED.name) as reader:
        assert [record.key for record in reader.stored()] == [b"a" * 32]
    for topic in (FACES_ASSIGNED, IMAGES_PROCESSED):
        with KafkaReader(KafkaSettings(), topic.name) as reader:
            assert b"0" * 32 not in {record.key for record in reader.stored()}
