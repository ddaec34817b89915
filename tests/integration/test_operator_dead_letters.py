"""`facestream dead-letters` against a real Kafka."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.domain.topics import DEAD_LETTERS, FACES_EMBEDDED, IMAGES_UPLOADED
from shared.errors import Poison
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.dead_letters import dead_letter
from tests.support.command_line import facestream_in_process
from tests.support.fixtures import needed
from tools.golden_events import event_bytes
from tools.stack import KafkaServer

_TRACE = {"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture(scope="module")
def broker(servers: Path, request: pytest.FixtureRequest) -> str:
    """Give the bootstrap servers of the shared Kafka.

    The names of the topics are fixed and their records are removed, so that a Kafka which the environment names is not
    used: it may hold dead letters of somebody.
    """
    if "FACESTREAM_TEST_KAFKA" not in os.environ:
        bootstrap_servers: str = request.getfixturevalue("kafka")
        return bootstrap_servers
    with needed():
        return KafkaServer(servers / "dead-letters").start().bootstrap_servers


@pytest.fixture(scope="module")
def admin(broker: str) -> Iterator[KafkaAdmin]:
    """Give an administrator of a Kafka with the three topics, which are deleted at the end."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FACESTREAM_KAFKA_BOOTSTRAP_SERVERS", broker)
        found = KafkaAdmin(KafkaSettings())
        for topic in (DEAD_LETTERS, IMAGES_UPLOADED, FACES_EMBEDDED):
            found.create(topic.name, min(topic.partitions, 3), topic.configuration())
        yield found
    names = [topic.name for topic in (DEAD_LETTERS, IMAGES_UPLOADED, FACES_EMBEDDED)]
    client = AdminClient({"bootstrap.servers": broker})  # a variable, because the pending answers end with the client
    for deleted in client.delete_topics(names).values():
        deleted.result(30)


@pytest.fixture
def letters(admin: KafkaAdmin) -> list[str]:
    """Make the topics hold nothing but three letters, one of `images.uploaded` first and last; give their names."""
    for topic in (DEAD_LETTERS, IMAGES_UPLOADED, FACES_EMBEDDED):
        admin.remove_records(topic.name, dict.fromkeys(range(min(topic.partitions, 3)), -1))
    _write(
        _letter(IMAGES_UPLOADED.name, 1, b"photos/a.jpg", b"not json \x1b[31m", _TRACE),
        _letter(FACES_EMBEDDED.name, 0, b"b", event_bytes("FacesEmbedded.one-blurry"), {}),
        _letter(IMAGES_UPLOADED.name, 2, b"photos/c.jpg", None, {}),
    )
    return [f"0@{record.offset}" for record in _records(DEAD_LETTERS.name)]


def _write(*records: ProducedRecord) -> None:
    KafkaWriter(KafkaSettings(), "test").write(records)


def _letter(
    topic: str, partition: int, key: bytes, value: bytes | None, headers: Mapping[str, bytes]
) -> ProducedRecord:
    record = ConsumedRecord(topic, partition, 17, key, value, headers, datetime.now(UTC))
    return dead_letter("a-service", record, Poison("what was wrong"))


def _records(topic: str) -> list[ConsumedRecord]:
    with KafkaReader(KafkaSettings(), topic) as reader:
        return list(reader.stored())


def _listed() -> list[str]:
    return [line.split()[0] for line in facestream_in_process("dead-letters", "list").lines[1:-1]]


def test_list_shows_where_each_letter_came_from_and_why_it_is_here(letters: list[str]) -> None:
    listed = facestream_in_process("dead-letters", "list").lines
    assert _listed() == letters
    assert listed[-1] == "dead letters: 3"
    for part in ("a-service", "images.uploaded/1@17", "Poison: what was wrong"):
        assert part in listed[1]


def test_show_prints_headers_key_and_value_without_vectors_and_escapes(letters: list[str]) -> None:
    shown = "\n".join(facestream_in_process("dead-letters", "show", letters[1]).lines)
    assert "dead_letter_topic: faces.embedded" in shown
    assert '"vector": "<left out>"' in shown
    assert '"sharpness"' in shown
    assert r"not json \x1b[31m" in "\n".join(facestream_in_process("dead-letters", "show", letters[0]).lines)


def test_replay_writes_a_letter_back_as_it_was_and_only_once(letters: list[str]) -> None:
    assert facestream_in_process("dead-letters", "replay", "--id", letters[0]).lines == ["1 replayed"]
    (record,) = _records(IMAGES_UPLOADED.name)
    assert (record.partition, record.key, record.value) == (1, b"photos/a.jpg", b"not json \x1b[31m")
    assert record.headers == _TRACE
    assert "expected an open letter" in facestream_in_process("dead-letters", "replay", "--id", letters[0]).error
    assert _listed() == letters[1:]
    assert facestream_in_process("dead-letters", "replay", "--all").lines == ["2 replayed"]
    assert facestream_in_process("dead-letters", "replay", "--all").lines == ["0 replayed"]
    assert [record.key for record in _records(FACES_EMBEDDED.name)] == [b"b"]
    assert {(record.key, record.value) for record in _records(IMAGES_UPLOADED.name)} == {
        (b"photos/a.jpg", b"not json \x1b[31m"),
        (b"photos/c.jpg", None),
    }


def test_a_letter_dropped_in_the_middle_is_off_the_list_and_deleted_when_those_before_it_are(
    letters: list[str],
) -> None:
    def kept() -> list[str]:
        return [f"0@{record.offset}" for record in _records(DEAD_LETTERS.name)]

    assert facestream_in_process("dead-letters", "drop", "--id", letters[1]).lines == ["1 dropped"]
    assert _listed() == [letters[0], letters[2]]
    assert kept()[:3] == letters
    facestream_in_process("dead-letters", "drop", "--id", letters[0])
    assert kept()[0] == letters[2]
    _write(_letter(IMAGES_UPLOADED.name, 0, b"photos/d.jpg", b"new", {}))
    assert facestream_in_process("dead-letters", "drop", "--all").lines == ["2 dropped"]
    assert not kept()
    assert facestream_in_process("dead-letters", "list").lines == ["no dead letters"]


@pytest.mark.usefixtures("letters")
def test_a_letter_that_is_not_there_is_said_to_be_none() -> None:
    for letter_id in ("0@99999", "7@0", "one"):
        assert letter_id in facestream_in_process("dead-letters", "show", letter_id).error
    both = facestream_in_process("dead-letters", "drop", "--id", "0@1", "--all")
    assert both.status == 2
    assert facestream_in_process("dead-letters", "drop").status == 2
