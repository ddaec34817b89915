"""What every `RecordStream` promises: records in, records out, exactly once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.errors import Fatal
from shared.ports.streams import ConsumedRecord, ProducedRecord
from tests.support.brokers import PARTITIONS, Broker, InKafka, InMemory, consume, copies, eventually, values


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.slow)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    made = InMemory() if request.param == "memory" else InKafka(request.getfixturevalue("kafka"))
    with closing(made):
        yield made


def test_a_record_comes_with_its_place_key_value_headers_and_time(broker: Broker) -> None:
    broker.put(2, b"1", b"2")
    stream = broker.join("a")
    first, second = consume(stream, 2)
    assert (first.record_id, second.record_id) == (f"{broker.source}/2@0", f"{broker.source}/2@1")
    assert (first.key, first.value, first.headers) == (b"k", b"1", {"h": b"1"})
    assert first.timestamp.tzinfo
    assert first.timestamp <= second.timestamp


def test_no_more_records_come_at_once_than_were_asked_for(broker: Broker) -> None:
    for partition in range(PARTITIONS):
        broker.put(partition, b"1", b"2", b"3")
    stream = broker.join("a")
    found: list[ConsumedRecord] = []
    while len(found) < 3 * PARTITIONS:
        taken = stream.consume(5, 0.2)
        assert len(taken) <= 5
        found += taken
    assert len({record.record_id for record in found}) == 3 * PARTITIONS


def test_what_was_committed_is_written_and_does_not_come_again(broker: Broker) -> None:
    broker.put(0, b"1", b"2")
    broker.put(1, b"3")
    stream = broker.join("a")
    stream.commit(consumed := consume(stream, 3), copies(broker, consumed))
    stream.close()
    broker.put(0, b"4")
    again = broker.join("b")
    assert values(consume(again, 1)) == [b"4"]
    assert values(broker.written()) == [b"1", b"2", b"3"]


def test_tombstones_and_headers_are_written_as_they_are(broker: Broker) -> None:
    broker.put(0, b"1")
    stream = broker.join("a")
    stream.commit(consume(stream, 1), [ProducedRecord(broker.target, b"face", None, {"ce_id": b"7"})])
    (record,) = broker.written()
    assert (record.key, record.value, record.headers) == (b"face", None, {"ce_id": b"7"})


def test_what_was_consumed_and_not_committed_comes_to_the_next_member(broker: Broker) -> None:
    broker.put(0, b"1", b"2")
    stream = broker.join("a")
    consume(stream, 2)
    stream.close()
    assert values(consume(broker.join("b"), 2)) == [b"1", b"2"]


def test_rewound_records_come_again_and_nothing_else_does(broker: Broker) -> None:
    broker.put(0, b"1", b"2", b"3")
    broker.put(1, b"4", b"5")
    stream = broker.join("a")
    done = [record for record in consume(stream, 5) if record.value in (b"1", b"4")]
    stream.commit(done, [])
    broker.put(0, b"6")
    rest = [record for record in consume(stream, 1) if record.value == b"6"]
    stream.rewind(rest)
    assert values(consume(stream, 1)) == [b"6"]


def test_a_second_process_of_the_same_name_shuts_the_first_one_out(broker: Broker) -> None:
    broker.put(0, b"1")
    first = broker.join("a")
    consumed = consume(first, 1)
    second = broker.join("a")
    found = list(second.consume(1, 0.2))
    with pytest.raises(Fatal):
        first.commit(consumed, copies(broker, consumed))
    assert broker.written() == []
    first.close()
    found = found or consume(second, 1)
    second.commit(found, copies(broker, found))
    assert values(broker.written()) == [b"1"]


def test_while_it_idles_a_member_consumes_nothing_and_keeps_its_partitions(broker: Broker) -> None:
    broker.put(0, b"1")
    stream = broker.join("a")
    consumed = consume(stream, 1)
    broker.put(0, b"2")
    for _ in range(3):
        stream.idle(0.5)
        assert stream.is_assigned()
    stream.commit(consumed, [])
    assert values(consume(stream, 1)) == [b"2"]


def test_members_share_the_records_and_each_one_is_written_once(broker: Broker) -> None:
    members = [broker.join("a"), broker.join("b")]

    def both_have_partitions() -> bool:
        for member in members:
            member.consume(100, 0.1)
        return all(member.is_assigned() for member in members)

    eventually(both_have_partitions)
    for number in range(20):
        broker.put(number % PARTITIONS, b"%d" % number)
    takers: Counter[str] = Counter()

    def all_came() -> bool:
        for name, member in zip("ab", members, strict=True):
            records = member.consume(3, 0.1)
            takers[name] += len(records)
            if records:
                member.commit(records, copies(broker, records))
        return takers.total() >= 20

    eventually(all_came)
    assert values(broker.written()) == sorted(b"%d" % number for number in range(20))
    assert set(takers) == {"a", "b"}


def test_records_of_partitions_that_went_to_another_member_are_not_rewound(broker: Broker) -> None:
    for partition in range(PARTITIONS):
        broker.put(partition, b"%d" % partition)
    first = broker.join("a")
    consumed = consume(first, PARTITIONS)
    second = broker.join("b")
    found: list[ConsumedRecord] = []

    def shared() -> bool:
        first.idle(0.2)
        found.extend(second.consume(100, 0.2))
        return bool(found)

    eventually(shared)
    first.rewind(consumed)
    found += second.consume(100, 1)
    kept = consume(first, PARTITIONS - len(found))
    assert values([*found, *kept]) == sorted(b"%d" % partition for partition in range(PARTITIONS))


def test_the_group_knows_what_was_committed(broker: Broker) -> None:
    broker.put(3, b"1", b"2")
    stream = broker.join("a")
    consumed = consume(stream, 2)
    assert not stream.is_committed(consumed[0].record_id)
    stream.commit(consumed[:1], [])
    assert [stream.is_committed(record.record_id) for record in consumed] == [True, False]
    stream.close()
    other = broker.join("b")
    assert [other.is_committed(record.record_id) for record in consumed] == [True, False]


def test_the_lag_is_what_is_still_to_be_read(broker: Broker) -> None:
    broker.put(1, b"1", b"2", b"3")
    stream = broker.join("a")
    assert stream.lag() == {}
    consume(stream, 1, limit=1)
    assert stream.lag()[broker.source, 1] == 2
    consume(stream, 2)
    assert stream.lag()[broker.source, 1] == 0


def test_a_note_stands_for_whoever_comes_to_the_partition_next_and_moves_nothing(broker: Broker) -> None:
    broker.put(0, b"1", b"2")
    broker.put(1, b"3")
    stream = broker.join("a")
    consumed = consume(stream, 3)
    assert [stream.noted(broker.source, partition) for partition in (0, 1)] == ["", ""]
    stream.note({(broker.source, 0): "begun", (broker.source, 3): "of this partition no record has come"})
    assert [stream.noted(broker.source, partition) for partition in (0, 1)] == ["begun", ""]
    assert not stream.is_committed(consumed[0].record_id)
    stream.close()
    other = broker.join("b")
    assert values(consume(other, 3)) == [b"1", b"2", b"3"]
    assert [other.noted(broker.source, partition) for partition in (0, 1)] == ["begun", ""]
    assert broker.written() == []


def test_a_note_stands_where_the_process_that_made_it_is_gone_without_a_word(broker: Broker) -> None:
    broker.put(0, b"1")
    stream = broker.join("a")
    consume(stream, 1)
    stream.note({(broker.source, 0): "begun"})
    again = broker.join("a")
    found = list(again.consume(1, 0.2))
    stream.close()  # which a broker does by itself after a while
    assert values(found or consume(again, 1)) == [b"1"]
    assert again.noted(broker.source, 0) == "begun"


def test_a_commit_removes_a_note_and_a_later_one_is_of_what_follows(broker: Broker) -> None:
    broker.put(0, b"1", b"2", b"3")
    stream = broker.join("a")
    first, second, _ = consume(stream, 3)
    stream.note({(broker.source, 0): "begun"})
    stream.commit([first], [])
    assert stream.noted(broker.source, 0) is None
    stream.note({(broker.source, 0): "begun with the second"})
    stream.note({(broker.source, 0): "begun with it again"})
    stream.close()
    other = broker.join("b")
    again = consume(other, 2)
    assert values(again) == [b"2", b"3"]
    assert other.noted(broker.source, 0) == "begun with it again"
    other.commit(again[:1], copies(broker, again[:1]))
    other.close()
    third = broker.join("c")
    assert values(consume(third, 1)) == [b"3"]
    assert third.noted(broker.source, 0) == ""
    assert values(broker.written()) == [second.value]


def test_a_note_that_is_taken_back_is_none(broker: Broker) -> None:
    broker.put(0, b"1")
    stream = broker.join("a")
    consume(stream, 1)
    stream.note({(broker.source, 0): "begun"})
    stream.note({(broker.source, 0): ""})
    assert stream.noted(broker.source, 0) == ""
    stream.close()
    other = broker.join("b")
    consume(other, 1)
    assert other.noted(broker.source, 0) == ""


def test_what_was_noted_is_not_asked_of_partitions_that_went(broker: Broker) -> None:
    for partition in range(PARTITIONS):
        broker.put(partition, b"%d" % partition)
    first = broker.join("a")
    consume(first, PARTITIONS)
    first.note({(broker.source, partition): "by the first" for partition in range(PARTITIONS)})
    second = broker.join("b")
    found: list[ConsumedRecord] = []

    def shared() -> bool:
        first.consume(100, 0.1)
        found.extend(second.consume(100, 0.2))
        return bool(found)

    eventually(shared)
    went = {record.partition for record in found}
    assert {second.noted(broker.source, partition) for partition in went} == {"by the first"}
    assert {first.noted(broker.source, partition) for partition in went} == {None}
    second.commit(found, copies(broker, found))
    first.note({(broker.source, partition): "late" for partition in went})
    assert all(second.is_committed(record.record_id) for record in found)
