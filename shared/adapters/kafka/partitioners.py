"""The partition of a record whose topic needs another partitioner than that of the producer.

A producer of librdkafka has one partitioner, and a transaction may write to topics with different ones.
"""

from collections.abc import Callable, Sequence

from confluent_kafka import Producer

from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.watchdog import Watch
from shared.domain.topics import Partitioner, partitioner_of
from shared.ports.streams import ProducedRecord

OF_PRODUCERS: Partitioner = "consistent_random"
"""The partitioner of all producers here: `partitioner` in their configuration."""

CHOSEN_BY_PRODUCER = -1
"""The partition number with which the producer chooses the partition: librdkafka's `RD_KAFKA_PARTITION_UA`."""

_OFFSET_BASIS, _PRIME = 0x811C9DC5, 0x01000193
_SIGN, _MODULUS = 1 << 31, 1 << 32


def partitions_of(records: Sequence[ProducedRecord], count: Callable[[str], int]) -> list[int]:
    """Return the partition of each record, `CHOSEN_BY_PRODUCER` if the producer has the partitioner of the topic.

    `count` returns the number of partitions of a topic, 0 if it is not known, and is called once for each topic.
    """
    topics = {record.topic for record in records if record.key}
    counts = {topic: count(topic) for topic in sorted(topics) if partitioner_of(topic) != OF_PRODUCERS}
    return [
        fnv1a(record.key) % counts[record.topic] if record.key and counts.get(record.topic) else CHOSEN_BY_PRODUCER
        for record in records
    ]


def counting(producer: Producer, listener: Listener, watch: Watch, timeout: float) -> Callable[[str], int]:
    """Return a `count` for `partitions_of` that asks the brokers; it raises `Fatal`, and `Transient` after `timeout`.

    It is used for one transaction only: a topic may get more partitions, which the object store uses as well.
    """

    def count(topic: str) -> int:
        with watch.over():
            found = listener.insisting(producer, lambda seconds: producer.list_topics(topic, seconds), timeout)
        return len(found.topics[topic].partitions)

    return count


def fnv1a(key: bytes) -> int:
    """Return the FNV-1a hash of 32 bits, taken as a signed number without its sign, as Sarama and librdkafka do.

    https://datatracker.ietf.org/doc/html/draft-eastlake-fnv; `NewHashPartitioner` of github.com/IBM/sarama.
    """
    found = _OFFSET_BASIS
    for byte in key:
        found = (found ^ byte) * _PRIME % _MODULUS
    return found if found < _SIGN else _MODULUS - found
