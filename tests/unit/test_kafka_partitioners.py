"""Which partition a record is given, by its topic's partitioner."""

import pytest

from shared.adapters.kafka.partitioners import CHOSEN_BY_PRODUCER, fnv1a, partitions_of
from shared.domain.topics import FACES_ASSIGNED, IMAGES_UPLOADED, TOPICS, partitioner_of
from shared.ports.streams import ProducedRecord


def record(topic: str, key: bytes) -> ProducedRecord:
    return ProducedRecord(topic, key, b"", {})


# From draft-eastlake-fnv, appendix C; those above 0x7fffffff without the sign of a number of 32 bits.
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"", 2**32 - 0x811C9DC5),
        (b"a", 2**32 - 0xE40C292C),
        (b"fo", 0x6222E842),
        (b"foobar", 2**32 - 0xBF9CF968),
    ],
)
def test_the_hash_is_that_of_the_draft_without_its_sign(key: bytes, expected: int) -> None:
    assert fnv1a(key) == expected


def test_a_notice_goes_to_the_object_store_s_partition_and_the_rest_where_the_producer_sends_it() -> None:
    records = [record(IMAGES_UPLOADED.name, b"photos/a"), record(FACES_ASSIGNED.name, b"photos/a"), record("x", b"a")]
    expected = [fnv1a(b"photos/a") % 12, CHOSEN_BY_PRODUCER, CHOSEN_BY_PRODUCER]
    assert partitions_of(records, {IMAGES_UPLOADED.name: 12}.__getitem__) == expected


def test_a_record_without_a_key_goes_anywhere_and_nobody_is_asked() -> None:
    assert partitions_of([record(IMAGES_UPLOADED.name, b"")], lambda _: pytest.fail("asked")) == [CHOSEN_BY_PRODUCER]


def test_a_topic_that_the_brokers_do_not_know_is_left_to_the_producer_to_fail_on() -> None:
    assert partitions_of([record(IMAGES_UPLOADED.name, b"a")], lambda _: 0) == [CHOSEN_BY_PRODUCER]


def test_the_partitions_of_a_topic_are_counted_once_for_a_transaction() -> None:
    asked: list[str] = []

    def count(topic: str) -> int:
        asked.append(topic)
        return 3

    partitions_of([record(IMAGES_UPLOADED.name, b"%d" % number) for number in range(10)], count)
    assert asked == [IMAGES_UPLOADED.name]


def test_all_topics_of_ours_but_the_object_store_s_have_the_producers_partitioner() -> None:
    others = {topic.name for topic in TOPICS if partitioner_of(topic.name) != "consistent_random"}
    assert others == {IMAGES_UPLOADED.name}
    assert partitioner_of("somebody-else-s") == "consistent_random"
