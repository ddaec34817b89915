"""Members of a group that lose partitions and get them back."""

from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Event, Thread
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from shared.errors import Transient
from shared.ports.streams import ConsumedRecord, RecordStream
from tests.support.brokers import PARTITIONS, InKafka, consume, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(kafka: str) -> Iterator[InKafka]:
    with closing(InKafka(kafka)) as broker:
        yield broker


def has_read_all(stream: RecordStream, partitions: set[int]) -> bool:
    """Read on, note the partitions from which records come, and say whether those are all."""
    with suppress(Transient):
        partitions |= {record.partition for record in stream.consume(100, 0.1)}
    return len(partitions) == PARTITIONS


def test_partitions_that_go_while_a_member_waits_are_read_when_they_come_back(broker: InKafka) -> None:
    """A member pauses its partitions while it waits; the pause must not outlive its holding them."""
    stay, seen = broker.join("stays"), set[int]()
    for partition in range(PARTITIONS):
        broker.put(partition, b"1")
    eventually(lambda: has_read_all(stay, seen))

    go, other, told = broker.join("goes"), set[int](), Event()

    def take() -> None:
        while not told.is_set():
            has_read_all(go, other)
        go.close()

    thread = Thread(target=take)
    thread.start()
    while not go.is_assigned():
        stay.idle(0.5)
    told.set()
    thread.join()

    seen.clear()
    for partition in range(PARTITIONS):
        broker.put(partition, b"2")
    eventually(lambda: has_read_all(stay, seen))


def with_offsets_in_doubt(kafka: str, broker: InKafka, offset: int) -> Producer:
    """Open a transaction that sets the group's offsets: what a process leaves behind that is killed in its commit."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": uuid4().hex})
    producer.init_transactions(30)
    producer.begin_transaction()
    offsets = [TopicPartition(broker.source, partition, offset) for partition in range(PARTITIONS)]
    outsider = Consumer({"bootstrap.servers": kafka, "group.id": broker.group})
    producer.send_offsets_to_transaction(offsets, outsider.consumer_group_metadata(), 30)
    outsider.close()
    return producer


@pytest.mark.parametrize(("end", "left"), [("commit_transaction", [b"3"]), ("abort_transaction", [b"2", b"3"])])
def test_a_partition_begins_where_a_transaction_leaves_it_though_others_come_and_go_meanwhile(
    kafka: str, broker: InKafka, end: str, left: list[bytes]
) -> None:
    for value in (b"1", b"2"):
        for partition in range(PARTITIONS):
            broker.put(partition, value)
    before = broker.join("before")
    before.commit([record for record in consume(before, 2 * PARTITIONS) if record.value == b"1"], [])
    before.close()
    transaction = with_offsets_in_doubt(kafka, broker, 2)

    found: list[ConsumedRecord] = []

    def read_until_assigned(one: RecordStream, *others: RecordStream) -> bool:
        for member in (one, *others):
            with suppress(Transient):
                found.extend(member.consume(100, 0.1))
        return one.is_assigned()

    stay = broker.join("stays")
    eventually(lambda: read_until_assigned(stay))
    go = broker.join("goes")
    eventually(lambda: read_until_assigned(go, stay))  # `stay` has less partitions, and those still wait
    go.close()
    for _ in range(5):
        read_until_assigned(stay)
    assert found == []
    getattr(transaction, end)(30)
    for partition in range(PARTITIONS):
        broker.put(partition, b"3")
    assert sorted(record.value or b"" for record in consume(stay, PARTITIONS * len(left))) == sorted(PARTITIONS * left)
