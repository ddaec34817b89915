"""The brokers on which the contract tests of `RecordStream` run."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic, TopicPartition

from shared.adapters.kafka.records import consumed_record
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.errors import Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream

PARTITIONS = 4


class Broker(Protocol):
    """A broker with two topics of four partitions and one service that reads from the first."""

    source: str
    target: str

    def put(self, partition: int, *values: bytes) -> None:
        """Write records with the key `k` and one header to the source."""
        ...

    def written(self) -> Sequence[ConsumedRecord]:
        """Return the committed records of the target, all partitions."""
        ...

    def join(self, instance: str) -> RecordStream:
        """Return a member of the service's group, closed at the end of the test."""
        ...


@dataclass
class InMemory:
    """`MemoryBroker`."""

    source: str = "in"
    target: str = "out"
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker(PARTITIONS))

    def put(self, partition: int, *values: bytes) -> None:
        for value in values:
            self.broker.append(ProducedRecord(self.source, b"k", value, {"h": b"1"}), partition)

    def written(self) -> Sequence[ConsumedRecord]:
        return self.broker.records(self.target)

    def join(self, instance: str) -> RecordStream:
        return MemoryStream(self.broker, "copier", instance, [self.source])

    def close(self) -> None:
        pass


class InKafka:
    """Two new topics and a new group in a real Kafka. `transaction_timeout`: seconds."""

    def __init__(self, bootstrap_servers: str, transaction_timeout: float = 15.0) -> None:
        unique = uuid4().hex[:12]
        self.source, self.target, self._service = f"in-{unique}", f"out-{unique}", f"copier-{unique}"
        self.group = f"facestream.{self._service}"
        self._connection: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap_servers}
        self._settings = KafkaSettings(bootstrap_servers=bootstrap_servers, transaction_timeout=transaction_timeout)
        self._members: list[KafkaStream] = []
        topics = [NewTopic(name, PARTITIONS, 1) for name in (self.source, self.target)]
        admin = AdminClient(self._connection)
        for made in admin.create_topics(topics).values():
            made.result(30)

    def put(self, partition: int, *values: bytes) -> None:
        producer = Producer(self._connection)
        for value in values:
            producer.produce(self.source, value, b"k", partition, headers={"h": b"1"})
        assert producer.flush(30) == 0

    def written(self) -> Sequence[ConsumedRecord]:
        consumer = Consumer({**self._connection, "group.id": uuid4().hex, "enable.partition.eof": True})
        consumer.assign([TopicPartition(self.target, number, 0) for number in range(PARTITIONS)])
        found, ended = [], 0
        while ended < PARTITIONS:
            for message in consumer.consume(100, 1):
                if message.error():
                    ended += 1
                else:
                    found.append(consumed_record(message))
        consumer.close()
        return found

    def join(self, instance: str) -> RecordStream:
        self._members.append(KafkaStream(self._settings, self._service, instance, [self.source]))
        return self._members[-1]

    def close(self) -> None:
        for member in self._members:
            member.close()


def eventually(is_true: Callable[[], bool], timeout: float = 60) -> None:
    """Wait until `is_true` returns True; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_true():
        assert time.monotonic() < deadline, f"not true within {timeout:g} s"


def consume(stream: RecordStream, count: int, limit: int = 100) -> list[ConsumedRecord]:
    """Consume until at least `count` records have come."""
    found: list[ConsumedRecord] = []

    def enough() -> bool:
        with suppress(Transient):  # a broker that has just started
            found.extend(stream.consume(limit, 0.2))
        return len(found) >= count

    eventually(enough)
    return found


def copies(broker: Broker, records: Sequence[ConsumedRecord]) -> list[ProducedRecord]:
    """Return the same records for the target."""
    return [ProducedRecord(broker.target, record.key or b"", record.value, record.headers) for record in records]


def values(records: Sequence[ConsumedRecord]) -> list[bytes]:
    """Return the values of records, sorted."""
    return sorted(record.value or b"" for record in records)
