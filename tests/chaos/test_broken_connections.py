"""Members whose connections to the broker break: they stay members, and write nothing twice."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from shared.errors import Transient
from shared.ports.streams import ProducedRecord, RecordStream
from tests.support.brokers import InKafka, consume, copies, eventually, values
from tests.support.fixtures import needed
from tests.support.proxied_broker import ProxiedBroker

pytestmark = pytest.mark.slow

_AWAY = 12.0  # seconds
_SESSION = 300.0  # seconds; far longer than a test waits for anything


@pytest.fixture(scope="module")
def broker(servers: Path) -> Iterator[ProxiedBroker]:
    with needed():
        broker = ProxiedBroker(servers / uuid4().hex[:8], session_timeout=_SESSION)
        broker.listen()
        broker.start()
    yield broker
    broker.stop()


class Breaking(list[ProducedRecord]):
    """Records, before the last one of which all connections break."""

    def __init__(self, records: list[ProducedRecord], broker: ProxiedBroker) -> None:
        super().__init__(records)
        self._broker = broker

    def __iter__(self) -> Iterator[ProducedRecord]:
        *first, last = super().__iter__()
        yield from first
        self._broker.disconnect()
        time.sleep(0.5)  # until the client has heard of it
        yield last


def copy_next(topics: InKafka, member: RecordStream) -> None:
    """Copy a record that comes, as often as it fails for a passing reason."""

    def copied() -> bool:
        records = consume(member, 1)
        try:
            member.commit(records, copies(topics, records))
        except Transient:
            member.rewind(records)
            return False
        return True

    eventually(copied)


def test_a_member_reads_on_at_once_when_its_broker_is_back(broker: ProxiedBroker) -> None:
    """It did not join anew, for then its partitions would wait for the end of the old one's session."""
    with closing(InKafka(broker.proxied)) as topics:
        topics.put(0, b"1")
        member = topics.join("stays")
        copy_next(topics, member)
        broker.stop()
        until = time.monotonic() + _AWAY
        while time.monotonic() < until:
            with suppress(Transient):
                member.consume(1, 0.2)
        broker.start()
        topics.put(0, b"2")
        copy_next(topics, member)
        assert values(topics.written()) == [b"1", b"2"]


def test_a_transaction_whose_connection_broke_before_its_offsets_were_sent_is_done_again(broker: ProxiedBroker) -> None:
    with closing(InKafka(broker.proxied)) as topics:
        topics.put(0, b"1", b"2")
        member = topics.join("broken")
        records = consume(member, 2)
        with pytest.raises(Transient) as raised:
            member.commit(records, Breaking(copies(topics, records), broker))
        assert raised.type is Transient  # and not `Undecided`: nothing is asked of the broker
        member.rewind(records)
        again = consume(member, 2)
        assert [record.record_id for record in again] == [record.record_id for record in records]
        member.commit(again, copies(topics, again))
        assert values(topics.written()) == [b"1", b"2"]
