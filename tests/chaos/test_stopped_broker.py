"""A broker that is stopped while transactions are committed: none stays open, which would hold up readers for good.

Guards the version of Kafka that is recommended: 4.3.0 and 4.3.1 forget to end some of them (docs/decisions/014).
"""

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.support.brokers import eventually
from tests.support.fixtures import needed
from tools.stack import KafkaServer

pytestmark = pytest.mark.slow

_TOPIC = "numbers"
_PARTITIONS = 24
_PRODUCERS = 8
_TRANSACTION_TIMEOUT = 3000  # milliseconds, after which the broker ends what was begun and never committed


@pytest.fixture
def kafka(servers: Path) -> Iterator[KafkaServer]:
    with needed():
        broker = KafkaServer(servers / uuid4().hex[:8]).start()
    broker.create_topic(_TOPIC, _PARTITIONS)
    yield broker
    broker.stop()


def initialised(kafka: KafkaServer, name: int) -> Producer:
    producer = Producer(
        {
            **kafka.client_settings,
            "transactional.id": f"producer-{name}",
            "transaction.timeout.ms": _TRANSACTION_TIMEOUT,
            "message.timeout.ms": _TRANSACTION_TIMEOUT,
            "retry.backoff.ms": 5,
            "log_level": 0,
        }
    )
    producer.init_transactions(30)
    return producer


def commit_one_after_the_other(
    kafka: KafkaServer, name: int, stopping: Event, stopped: Event, committed: list[int]
) -> None:
    """Each transaction in another partition: a later one in the same would end one that was left open there."""
    producer = None
    for number in count():
        if stopped.is_set():
            return
        try:
            producer = producer or initialised(kafka, name)
            producer.begin_transaction()
            producer.produce(_TOPIC, str(number), partition=number % _PARTITIONS)
            producer.commit_transaction(10)
        except KafkaException:
            if stopping.is_set():
                return  # one that is initialised anew would end what the broker leaves open
            producer = None  # on a busy machine a transaction may take too long
        else:
            committed.append(number)


def ends(kafka: KafkaServer, level: str) -> list[int]:
    """Return the offset to which a reader of this isolation level can read each partition."""
    consumer = Consumer({**kafka.client_settings, "group.id": uuid4().hex, "isolation.level": level, "log_level": 0})
    with closing(consumer):
        places = [TopicPartition(_TOPIC, partition) for partition in range(_PARTITIONS)]
        return [consumer.get_watermark_offsets(place, timeout=30)[1] for place in places]


def can_be_read_to_its_end(kafka: KafkaServer) -> bool:
    try:
        return ends(kafka, "read_committed") == ends(kafka, "read_uncommitted")
    except KafkaException:
        return False  # a broker that has just started


def test_a_broker_that_is_stopped_ends_the_transactions_that_it_was_told_to_commit(kafka: KafkaServer) -> None:
    stopping, stopped, committed = Event(), Event(), list[int]()
    threads = [
        Thread(target=commit_one_after_the_other, args=(kafka, name, stopping, stopped, committed), daemon=True)
        for name in range(_PRODUCERS)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(committed) > _PRODUCERS * _PARTITIONS)
    stopping.set()
    kafka.stop()
    stopped.set()
    kafka.start()
    eventually(lambda: can_be_read_to_its_end(kafka))
