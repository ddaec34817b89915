"""What the tests with real servers share; the servers themselves are fixtures of `tests/support/fixtures.py`."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

Read = Callable[[str, int], list[Message]]


@pytest.fixture
def topic(kafka: str) -> str:
    """Make a topic of one partition for one test."""
    name = f"test-{uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(timeout=30)
    return name


@pytest.fixture
def read(kafka: str) -> Read:
    """Give a function that waits for so many committed records of a topic, from its beginning."""

    def wait_for(topic: str, count: int) -> list[Message]:
        return read_committed({"bootstrap.servers": kafka}, topic, count)

    return wait_for


def read_committed(connection: dict[str, str], topic: str, count: int, patience: float = 60) -> list[Message]:
    """Return the committed records of a topic from its beginning; waits until there are `count`, or for a minute."""
    group = {"group.id": uuid4().hex, "auto.offset.reset": "earliest", "enable.auto.commit": "false"}
    consumer = Consumer({**connection, **group, "isolation.level": "read_committed"})
    consumer.subscribe([topic])
    found: list[Message] = []
    deadline = time.monotonic() + patience
    try:
        while len(found) < count and time.monotonic() < deadline:
            found += [message for message in consumer.consume(100, timeout=0.5) if not message.error()]
    finally:
        consumer.close()
    return found
