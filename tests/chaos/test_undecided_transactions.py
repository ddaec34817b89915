"""Transactions of which a member does not learn how they ended: it goes on, and nothing is lost or written twice."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from shared.adapters.kafka import stream, transactions
from shared.errors import Undecided
from shared.ports.streams import ProducedRecord
from tests.support.brokers import InKafka, consume, copies, values
from tests.support.fixtures import needed
from tests.support.proxied_broker import ADD_OFFSETS_TO_TRANSACTION, END_TRANSACTION, ProxiedBroker

pytestmark = pytest.mark.slow

_TRANSACTION_TIMEOUT = 2.0  # seconds


class Slowly(list[ProducedRecord]):
    """Records, of which the last one comes when the transaction's time is over."""

    def __iter__(self) -> Iterator[ProducedRecord]:
        *first, last = super().__iter__()
        yield from first
        time.sleep(2 * _TRANSACTION_TIMEOUT)
        yield last


def test_a_transaction_that_took_too_long_is_done_again(kafka: str) -> None:
    with closing(InKafka(kafka, _TRANSACTION_TIMEOUT)) as broker:
        broker.put(0, b"1", b"2")
        member = broker.join("slow")
        records = consume(member, 2)
        with pytest.raises(Undecided):
            member.commit(records, Slowly(copies(broker, records)))
        member.rewind(records)
        again = consume(member, 2)
        assert [record.record_id for record in again] == [record.record_id for record in records]
        member.commit(again, copies(broker, again))
        assert values(broker.written()) == [b"1", b"2"]


@pytest.fixture(scope="module")
def proxied(servers: Path) -> Iterator[ProxiedBroker]:
    with needed():
        broker = ProxiedBroker(servers / uuid4().hex[:8])
        broker.listen()
        broker.start()
    yield broker
    broker.stop()


@pytest.mark.parametrize(
    ("unanswered", "left"), [(ADD_OFFSETS_TO_TRANSACTION, [b"1", b"2", b"3"]), (END_TRANSACTION, [b"3"])]
)
def test_where_the_brokers_answer_is_missing_the_groups_offset_says_whether_a_transaction_was_committed(
    proxied: ProxiedBroker, monkeypatch: pytest.MonkeyPatch, unanswered: int, left: list[bytes]
) -> None:
    for module in (stream, transactions):
        monkeypatch.setattr(module, "CALL_TIMEOUT", 1.0)
    with closing(InKafka(proxied.proxied, _TRANSACTION_TIMEOUT)) as broker:
        broker.put(0, b"1", b"2")
        member = broker.join("unheard")
        records = consume(member, 2)
        proxied.unanswered = unanswered
        with pytest.raises(Undecided):
            member.commit(records, copies(broker, records))
        proxied.unanswered = None
        member.rewind(records)
        broker.put(0, b"3")
        rest = consume(member, len(left))
        assert [record.value for record in rest] == left
        member.commit(rest, copies(broker, rest))
        assert values(broker.written()) == [b"1", b"2", b"3"]
        assert member.is_committed(rest[-1].record_id)


@pytest.mark.parametrize(("unanswered", "noted"), [(ADD_OFFSETS_TO_TRANSACTION, "before"), (END_TRANSACTION, "begun")])
def test_a_note_of_which_nobody_knows_whether_it_stands_moves_nothing_and_is_read_anew(
    proxied: ProxiedBroker, monkeypatch: pytest.MonkeyPatch, unanswered: int, noted: str
) -> None:
    for module in (stream, transactions):
        monkeypatch.setattr(module, "CALL_TIMEOUT", 1.0)
    with closing(InKafka(proxied.proxied, _TRANSACTION_TIMEOUT)) as broker:
        broker.put(0, b"1", b"2")
        member = broker.join("unheard")
        records = consume(member, 2)
        member.note({(broker.source, 0): "before"})
        proxied.unanswered = unanswered
        with pytest.raises(Undecided):
            member.note({(broker.source, 0): "begun"})
        assert member.noted(broker.source, 0) is None, "nothing is written where it is not known what stands"
        proxied.unanswered = None
        member.rewind(records)
        again = consume(member, 2)
        assert [record.record_id for record in again] == [record.record_id for record in records]
        assert member.noted(broker.source, 0) == noted
        member.commit(again, copies(broker, again))
        assert values(broker.written()) == [b"1", b"2"]
