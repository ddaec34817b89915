"""Services in the midst of commits when their broker is restarted: they go on, and each record is copied once.

The client may still not return from a call, seldom; such a process ends, and is started again here.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.support.brokers import eventually
from tests.support.copy_services import CopyServices, create_topics, written
from tests.support.fixtures import needed
from tools.stack import KafkaServer

pytestmark = pytest.mark.slow

_COPIERS = 6  # see docs/decisions/017-a-producer-that-lost-a-broker.md
_PACE = 0.1  # seconds between two records of a topic
_BEFORE = 2.0  # seconds of commits before the restart
_PATIENCE = 120.0  # seconds


class Feed:
    """Writes numbers to all topics, each once."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.values: list[bytes] = []
        self._producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "log_level": 0})

    def put(self) -> None:
        """Write the next one, without waiting for the broker."""
        self.values.append(str(len(self.values)).encode())
        for number in range(_COPIERS):
            self._producer.produce(f"in-{number}", self.values[-1])
        self._producer.poll(0)

    def put_until(self, end: Event) -> None:
        """Write one after the other."""
        while not end.wait(_PACE):
            self.put()

    def flush(self) -> None:
        assert self._producer.flush(60) == 0


@pytest.fixture
def broker(servers: Path) -> Iterator[KafkaServer]:
    with needed():
        broker = KafkaServer(servers / uuid4().hex[:8], session_timeout=2).start()
    create_topics(broker, _COPIERS)
    yield broker
    broker.stop()


@pytest.fixture
def copiers(broker: KafkaServer, tmp_path: Path) -> Iterator[CopyServices]:
    copiers = CopyServices(broker.bootstrap_servers, tmp_path, _COPIERS)
    copiers.start_missing()
    yield copiers
    copiers.stop()


def test_of_services_that_commit_while_the_broker_is_restarted_most_go_on_and_all_copy_each_record_once(
    broker: KafkaServer, copiers: CopyServices
) -> None:
    feed, end = Feed(broker.bootstrap_servers), Event()

    def all_copied() -> bool:
        return all(written(broker.bootstrap_servers, number) == feed.values for number in range(_COPIERS))

    feed.put()
    eventually(all_copied)
    thread = Thread(target=feed.put_until, args=(end,), daemon=True)
    thread.start()
    time.sleep(_BEFORE)
    broker.restart()
    end.set()
    thread.join()
    feed.flush()
    ended: list[str] = []

    def all_copied_in_the_end() -> bool:
        ended.extend(copiers.ended())
        copiers.start_missing()
        return all_copied()

    eventually(all_copied_in_the_end, _PATIENCE)
    assert len(ended) < _COPIERS / 2, ended
