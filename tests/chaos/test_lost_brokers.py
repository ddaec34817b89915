"""A client to which a broker has said that there are no brokers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from shared.adapters.kafka import KafkaSettings, KafkaStream
from shared.errors import Transient
from shared.ports import ProducedRecord
from tests.chaos.forgetful_broker import ForgetfulBroker
from tests.contract.streams import eventually
from tests.stack.fixtures import needed

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

_MEMBERS = 6  # of which about two lose all brokers
_FORGETFUL = 15.0  # seconds; until the clients have asked again and again


@pytest.fixture
def broker(servers: Path) -> Iterator[ForgetfulBroker]:
    with needed():
        broker = ForgetfulBroker(servers / uuid4().hex[:8]).start()
    broker.listen()
    yield broker
    broker.stop()


def test_a_member_that_was_told_of_no_brokers_reads_on_when_there_are_some_again(broker: ForgetfulBroker) -> None:
    for member in range(_MEMBERS):
        broker.create_topic(f"in-{member}")
        broker.create_topic(f"out-{member}")
    settings = KafkaSettings(bootstrap_servers=broker.proxied)
    with ExitStack() as closing:
        members = [KafkaStream(settings, f"service-{at}", "0", [f"in-{at}"]) for at in range(_MEMBERS)]
        for stream in members:
            closing.callback(stream.close)
        done = [0] * _MEMBERS

        def work() -> None:
            for at, stream in enumerate(members):
                with suppress(Transient):
                    records = stream.consume(10, 0.05)
                    if records:
                        stream.commit(records, [ProducedRecord(f"out-{at}", b"k", b"v", {})])
                        done[at] += len(records)

        def put() -> None:
            producer = Producer(broker.client_settings)
            for member in range(_MEMBERS):
                producer.produce(f"in-{member}", b"v")
            assert producer.flush(30) == 0

        def all_done(count: int) -> bool:
            work()
            return min(done) >= count

        put()
        eventually(lambda: all_done(1))
        broker.forgetful = True
        broker.restart()
        until = time.monotonic() + _FORGETFUL
        while time.monotonic() < until:
            work()
        broker.forgetful = False
        put()
        eventually(lambda: all_done(2), 120)
        assert done == [2] * _MEMBERS
