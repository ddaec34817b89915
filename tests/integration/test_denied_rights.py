"""A Kafka with access lists: who lacks a right ends with one line that names it, and loses nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import KafkaWriter
from shared.errors import Fatal
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.worker import Worker, WorkerSettings
from tests.integration.conftest import read_committed
from tests.support.fixtures import needed
from tests.support.processors import Functions
from tests.unit.test_worker import Notes
from tools.stack import KafkaServer, issue

_READ, _WRITE, _DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
_SOURCE, _TARGET, _OTHER = "guarded-in", "guarded-out", "guarded-other"


@dataclass(frozen=True)
class Right:
    """One line of an access list; `name` may be a prefix of names."""

    kind: ResourceType
    name: str
    operation: AclOperation
    pattern: ResourcePatternType = ResourcePatternType.LITERAL

    def of(self, user: str) -> AclBinding:
        return AclBinding(
            self.kind, self.name, self.pattern, f"User:{user}", "*", self.operation, AclPermissionType.ALLOW
        )


def topic(name: str, operation: AclOperation) -> Right:
    return Right(ResourceType.TOPIC, name, operation)


_MEMBER = Right(ResourceType.GROUP, "facestream.copier", _READ)
_TRANSACTIONS = Right(ResourceType.TRANSACTIONAL_ID, "facestream.", _WRITE, ResourcePatternType.PREFIXED)
_ALL = (_MEMBER, _TRANSACTIONS, topic(_SOURCE, _READ), topic(_TARGET, _WRITE))


class GuardedKafka(KafkaServer):
    """A broker that lets a user do what an access list gives it, and nothing else. `puts`: records put so far."""

    puts = 0

    def settings(self) -> dict[str, object]:
        return super().settings() | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # Brokers among themselves, and whoever makes users and topics here.
            "super.users": f"User:ANONYMOUS;User:{self.user}",
        }

    def as_user(self, *rights: Right) -> KafkaSettings:
        """Make a user who has these rights; return how it reaches this broker."""
        assert self.certificates
        name, password = f"user-{uuid4().hex[:8]}", uuid4().hex
        login = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        users: list[UserScramCredentialAlteration] = [UserScramCredentialUpsertion(name, login, password.encode())]
        admin = self.admin()
        for done in admin.alter_user_scram_credentials(users).values():
            done.result(30)
        self.give(name, rights)
        return KafkaSettings(
            bootstrap_servers=self.bootstrap_servers,
            security="SASL_SSL",
            ca_file=self.certificates.ca_file,
            username=name,
            password=SecretStr(password),
        )

    def give(self, user: str, rights: Sequence[Right]) -> None:
        admin = self.admin()
        for done in admin.create_acls([right.of(user) for right in rights]).values() if rights else ():
            done.result(30)

    def take(self, user: str, right: Right) -> None:
        every = AclBindingFilter(
            right.kind, right.name, right.pattern, f"User:{user}", "*", right.operation, AclPermissionType.ALLOW
        )
        admin = self.admin()
        (done,) = admin.delete_acls([every]).values()
        assert len(done.result(30)) == 1

    def put(self, count: int) -> None:
        producer = Producer(self.client_settings)
        for _ in range(count):
            self.puts += 1
            producer.produce(_SOURCE, b"%d" % self.puts, b"key")
        assert producer.flush(30) == 0


@pytest.fixture(scope="module")
def guarded(servers: Path) -> Iterator[GuardedKafka]:
    certificates = issue(servers / "guarded-kafka" / "certificates")
    with needed():
        server = GuardedKafka(servers / "guarded-kafka", certificates=certificates)
        server.start()
    for name in (_SOURCE, _TARGET, _OTHER):
        server.create_topic(name)
    server.put(3)
    yield server
    server.stop()


def copy(stream: KafkaStream, server: GuardedKafka | None = None) -> None:
    """Copy what comes once, or for as long as the server gets more."""
    for _ in range(60):
        if server:
            server.put(1)
        if consumed := stream.consume(1, 1.0):
            stream.commit(consumed, [ProducedRecord(_TARGET, it.key or b"", it.value, {}) for it in consumed])
            if not server:
                return
    pytest.fail("expected records, or a refusal")


def join(settings: KafkaSettings) -> KafkaStream:
    return KafkaStream(settings, "copier", settings.username or "", [_SOURCE])


def _without(right: Right, *instead: Right) -> tuple[Right, ...]:
    return (*(it for it in _ALL if it != right), *instead)


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        pytest.param(
            _without(_TRANSACTIONS),
            r"write in transactions as facestream\.copier\.{user} "
            r"\(TRANSACTIONAL_ID_AUTHORIZATION_FAILED\): give it Write and Describe of this transactional id",
            id="no transactions",
        ),
        pytest.param(
            _without(_MEMBER),
            r"use the group facestream\.copier \(GROUP_AUTHORIZATION_FAILED\): give it Read and Describe of this group",
            id="no group",
        ),
        pytest.param(
            _without(_MEMBER, Right(ResourceType.GROUP, "facestream.copier", _DESCRIBE)),
            r"use the group facestream\.copier \(GROUP_AUTHORIZATION_FAILED\)",
            id="a group that it may only see",
        ),
        pytest.param(
            _without(topic(_SOURCE, _READ)),
            r"read guarded-in \(TOPIC_AUTHORIZATION_FAILED\): give it Read and Describe of this topic",
            id="a source that is hidden",
        ),
        pytest.param(
            _without(topic(_SOURCE, _READ), topic(_SOURCE, _DESCRIBE)),
            r"read guarded-in \(TOPIC_AUTHORIZATION_FAILED\)",
            id="a source that it may only see",
        ),
        pytest.param(
            _without(topic(_TARGET, _WRITE)),
            r"write to guarded-out \(TOPIC_AUTHORIZATION_FAILED\): give it Write and Describe of this topic",
            id="a target that is hidden",
        ),
        pytest.param(
            _without(topic(_TARGET, _WRITE), topic(_TARGET, _DESCRIBE)),
            r"write to guarded-out \(TOPIC_AUTHORIZATION_FAILED\): give it Write and Describe of this topic",
            id="a target that it may only see",
        ),
    ],
)
def test_a_service_that_lacks_a_right_ends_with_its_name(
    guarded: GuardedKafka, rights: tuple[Right, ...], expected: str
) -> None:
    settings = guarded.as_user(*rights)
    user = settings.username or ""
    refusal = rf"^Kafka refuses to let user {user} {expected.replace('{user}', user)}"
    with closing(join(settings)) as stream, pytest.raises(Fatal, match=refusal):
        copy(stream)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        (topic(_TARGET, _WRITE), "write to guarded-out"),
        (topic(_SOURCE, _READ), "read guarded-in"),
        (_MEMBER, "use the group facestream.copier"),
        (_TRANSACTIONS, "write in transactions"),
    ],
    ids=["target", "source", "group", "transactions"],
)
def test_a_right_that_is_taken_away_ends_a_service_at_work_and_nothing_is_lost(
    guarded: GuardedKafka, right: Right, expected: str
) -> None:
    settings = guarded.as_user(*_ALL)
    user = settings.username or ""
    with closing(join(settings)) as stream:
        guarded.put(1)
        copy(stream)
        guarded.take(user, right)
        with pytest.raises(Fatal, match=rf"^Kafka refuses to let user {user} {expected}.*AUTHORIZATION_FAILED"):
            copy(stream, guarded)
    guarded.give(user, [right])
    with closing(join(settings)) as successor:  # its orchestrator starts it again
        guarded.put(1)
        copy(successor)
        while successor.lag().get((_SOURCE, 0)):
            copy(successor)
    put, written = (
        [message.value() for message in read_committed(guarded.client_settings, name, guarded.puts)]
        for name in (_SOURCE, _TARGET)
    )
    assert len(put) == guarded.puts
    assert written == put


def test_a_writer_that_lacks_a_right_ends_with_its_name(guarded: GuardedKafka) -> None:
    record = ProducedRecord(_TARGET, b"key", b"value", {})
    with pytest.raises(Fatal, match=r"write in transactions as facestream\.test \(TRANSACTIONAL_ID"):
        KafkaWriter(guarded.as_user(), "test")
    for rights in ((_TRANSACTIONS,), (_TRANSACTIONS, topic(_TARGET, _DESCRIBE))):
        writer = KafkaWriter(guarded.as_user(*rights), "test")
        with pytest.raises(Fatal, match=r"write to guarded-out \(TOPIC_AUTHORIZATION_FAILED\): give it Write"):
            writer.write([record])
    # Also where the records are to be aborted, as those of idle partitions are.
    writer = KafkaWriter(guarded.as_user(_TRANSACTIONS, topic(_TARGET, _DESCRIBE), topic(_OTHER, _WRITE)), "test")
    # Which of them is refused is told where the broker says so before the transaction has failed, else those in it.
    with pytest.raises(Fatal, match=r"write to (guarded-other, )?guarded-out \(TOPIC_AUTHORIZATION_FAILED\)"):
        writer.write_if([ProducedRecord(_OTHER, b"key", b"value", {}), record], lambda: False)


def _stored(settings: KafkaSettings) -> None:
    with KafkaReader(settings, _SOURCE) as reader:
        list(reader.stored())


def _unread(settings: KafkaSettings) -> None:
    KafkaAdmin(settings).unread("facestream.copier", _SOURCE)


@pytest.mark.parametrize(
    ("use", "rights", "expected"),
    [
        (_stored, (), r"read guarded-in \(TOPIC.*: give it Read and Describe of this topic"),
        (_stored, (topic(_SOURCE, _DESCRIBE),), r"use the group facestream\.reader \(GROUP"),
        # That a topic is hidden does not mean that nothing waits in it.
        (_unread, (), r"look at guarded-in \(TOPIC.*: give it Describe of this topic"),
        (_unread, (topic(_SOURCE, _DESCRIBE),), r"use the group facestream\.copier \(GROUP"),
        (lambda settings: KafkaAdmin(settings).extents(_SOURCE), (), r"look at guarded-in \(TOPIC"),
        (lambda settings: KafkaAdmin(settings).topic(_SOURCE), (), r"look at guarded-in \(TOPIC"),
        (
            lambda settings: KafkaAdmin(settings).topic(_SOURCE),
            (topic(_SOURCE, _DESCRIBE),),
            r"see the configuration of guarded-in \(TOPIC.*: give it DescribeConfigs of this topic",
        ),
        (lambda settings: KafkaAdmin(settings).create("guarded-new", 1, {}), (), r"make guarded-new \(TOPIC"),
        (lambda settings: KafkaAdmin(settings).add_partitions(_SOURCE, 2), (), r"add partitions to guarded-in \(TOPIC"),
        (
            lambda settings: KafkaAdmin(settings).configure(_SOURCE, {"retention.ms": "604800000"}),
            (),
            r"change the configuration of guarded-in \(TOPIC.*: give it AlterConfigs of this topic",
        ),
        (
            lambda settings: KafkaAdmin(settings).remove_records(_SOURCE, {0: 0}),
            (topic(_SOURCE, _DESCRIBE),),
            r"remove records of guarded-in \(TOPIC.*: give it Delete",
        ),
    ],
)
def test_a_command_that_lacks_a_right_ends_with_its_name(
    guarded: GuardedKafka, use: Callable[[KafkaSettings], object], rights: tuple[Right, ...], expected: str
) -> None:
    settings = guarded.as_user(*rights)
    with pytest.raises(Fatal, match=rf"^Kafka refuses to let user {settings.username} {expected}"):
        use(settings)


def test_a_topic_that_is_not_there_is_not_taken_for_a_hidden_one(guarded: GuardedKafka) -> None:
    admin = KafkaAdmin(guarded.as_user(Right(ResourceType.TOPIC, "*", _DESCRIBE)))
    assert admin.topic("guarded-nowhere") is None
    assert admin.unread("facestream.copier", "guarded-nowhere") == {}


def _noted(settings: KafkaSettings) -> str:
    """Return the text that stands with the group's offset of the source."""
    with closing(Consumer({**settings.client(), "group.id": "facestream.copier"})) as consumer:
        (at,) = consumer.committed([TopicPartition(_SOURCE, 0)], 30)
    return at.metadata or ""


@pytest.mark.parametrize("right", [None, topic(_TARGET, _DESCRIBE)], ids=["hidden", "only to be seen"])
def test_a_target_that_may_not_be_written_is_no_try_of_the_record_that_was_begun(
    guarded: GuardedKafka, right: Right | None
) -> None:
    settings = guarded.as_user(*_without(topic(_TARGET, _WRITE), *([right] if right else [])))
    guarded.put(1)

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        assert _noted(settings), "work begins with a note"
        return [ProducedRecord(_TARGET, it.key or b"", it.value, {}) for it in records]

    worker = Worker(
        service="copier",
        stream=join(settings),
        processor=Functions(process=step),
        settings=WorkerSettings(batch=1),
        observer=Notes(),
        stop=Event(),
    )
    with pytest.raises(Fatal, match="write to guarded-out"):
        worker.run()
    assert not _noted(settings)
