"""Members of a group that lose partitions and get them back."""

from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Event, Thread

import pytest

from shared.errors import Transient
from shared.ports import RecordStream
from tests.contract.streams import PARTITIONS, InKafka, eventually

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
