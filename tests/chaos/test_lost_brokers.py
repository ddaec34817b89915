"""Services to which a broker has said that there are no brokers: some of their clients never find any again.

Each copies a topic of its own. One whose client is lost looks for the brokers with a new client, or ends where a call
of that never returns, and is started again.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.support.copy_services import CopyServices, create_topics, written
from tests.support.fixtures import needed
from tests.support.proxied_broker import ProxiedBroker
from tools.samples import ROOT
from tools.stack.process import start

pytestmark = pytest.mark.slow

_COPIERS = 6  # of which about two lose all brokers
_FORGETFUL = 15.0  # seconds; until the clients have asked again and again
_PATIENCE = 180.0  # seconds


class Followers:
    """A process for each topic of copies that reads what comes; nobody starts it again."""

    def __init__(self, broker: ProxiedBroker, folder: Path) -> None:
        where = {**os.environ, "FACESTREAM_KAFKA_BOOTSTRAP_SERVERS": broker.proxied, "PYTHONPATH": str(ROOT)}
        self._processes = []
        for number in range(_COPIERS):
            (own := folder / f"follower-{number}").mkdir()
            self._processes.append(
                start([sys.executable, "-m", "tests.support.read_topic", f"out-{number}"], where, own)
            )

    def wait_for(self, *values: str) -> None:
        """Wait until all have read these values, each once and in their order."""
        until = time.monotonic() + _PATIENCE
        for process in self._processes:
            while (found := [line for line in process.log().splitlines() if line.startswith("read ")]) != [
                f"read {value}" for value in values
            ]:
                assert time.monotonic() < until, f"a reader has {found}, expected {values}"
                time.sleep(0.2)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()


@pytest.fixture
def broker(servers: Path) -> Iterator[ProxiedBroker]:
    with needed():
        broker = ProxiedBroker(servers / uuid4().hex[:8])
        broker.listen()
        broker.start()
    create_topics(broker, _COPIERS)
    yield broker
    broker.stop()


@pytest.fixture
def copiers(broker: ProxiedBroker, tmp_path: Path) -> Iterator[CopyServices]:
    copiers = CopyServices(broker.proxied, tmp_path, _COPIERS)
    yield copiers
    copiers.stop()


@pytest.fixture
def followers(broker: ProxiedBroker, tmp_path: Path) -> Iterator[Followers]:
    followers = Followers(broker, tmp_path)
    yield followers
    followers.stop()


def put(broker: ProxiedBroker, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.proxied})
    for number in range(_COPIERS):
        producer.produce(f"in-{number}", value)
    assert producer.flush(60) == 0


def wait_for(copiers: CopyServices, broker: ProxiedBroker, *values: bytes) -> None:
    """Wait until all have copied these values, each once and in their order."""
    until = time.monotonic() + _PATIENCE
    for number in range(_COPIERS):
        while (found := written(broker.proxied, number)) != list(values):
            assert len(found) <= len(values)
            assert time.monotonic() < until, f"copier {number} has written {found}, expected {values}"
            copiers.start_missing()
            time.sleep(0.5)


def test_services_and_readers_that_were_told_of_no_brokers_go_on_when_there_are_some_again(
    broker: ProxiedBroker, copiers: CopyServices, followers: Followers
) -> None:
    put(broker, b"1")
    wait_for(copiers, broker, b"1")
    followers.wait_for("1")
    broker.forgetful = True
    broker.kill()
    broker.start()
    time.sleep(_FORGETFUL)
    broker.forgetful = False
    put(broker, b"2")
    wait_for(copiers, broker, b"1", b"2")
    followers.wait_for("1", "2")
