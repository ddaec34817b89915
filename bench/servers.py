"""Servers of a benchmark's own, and the loop of a service on them, in this process."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

import structlog
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from bench.tables import Table
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.domain.topics import TOPICS
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.health import Health
from shared.stream.service import Service
from shared.stream.worker import Ahead, Step, WorkerSettings, nothing
from tools.stack import KafkaServer, Missing

_PARTITIONS = 4
_SILENCE = 300.0  # seconds that a batch may take


class Ran(NamedTuple):
    """A service's loop: seconds from when it had the first records to its last commit, and records it committed."""

    seconds: float
    records: int


def not_there(title: str, missing: Missing) -> Table:
    """Return the table of a benchmark whose servers cannot be had on this machine."""
    return Table(title, ("result",), [("not measured",)], [str(missing)])


@contextmanager
def kafka_with_topics(folder: Path) -> Iterator[KafkaServer]:
    """Give a broker that has all topics; raises `Missing`."""
    server = KafkaServer(folder / "kafka").start()
    try:
        admin = server.admin()
        wanted = [
            NewTopic(topic.name, min(_PARTITIONS, topic.partitions), 1, config=topic.configuration())
            for topic in TOPICS
        ]
        for made in admin.create_topics(wanted).values():
            made.result(30)
        yield server
    finally:
        server.stop()


def fill(server: KafkaServer, records: Iterable[ProducedRecord]) -> None:
    """Write records as fast as the broker takes them, without transactions."""
    producer = Producer({**server.client_settings, "compression.type": "lz4", "linger.ms": 20})
    for record in records:
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, headers=list(record.headers.items()))
            except BufferError:
                producer.poll(0.1)
            else:
                break
    if producer.flush(60):
        msg = "expected the broker to take all records within a minute; it did not"
        raise RuntimeError(msg)


@contextmanager
def quiet() -> Iterator[None]:
    """Log warnings only, as a service does whose log level is WARNING."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.reset_defaults()


def run_until(
    records: int,
    server: KafkaServer,
    name: str,
    topic: str,
    step: Step,
    *,
    settings: WorkerSettings,
    prepare: Callable[[], None] = nothing,
    committed: Callable[[Sequence[ConsumedRecord]], None] = nothing,
    ahead: Ahead | None = None,
) -> Ran:
    """Run the loop of a service of this name, which reads the topic from its start, until so many are committed."""
    stop, begun, done = Event(), [0.0], [0, 0.0]

    def timed(taken: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        begun[0] = begun[0] or time.perf_counter()
        return step(taken)

    def counted(taken: Sequence[ConsumedRecord]) -> None:
        committed(taken)
        done[:] = done[0] + len(taken), time.perf_counter()
        if done[0] >= records:
            stop.set()

    stream = KafkaStream(KafkaSettings(bootstrap_servers=server.bootstrap_servers), name, "0", [topic])
    service = Service(name, "0", Health(_SILENCE), stop)
    service.run(stream, timed, settings, stall_timeout=_SILENCE, prepare=prepare, committed=counted, ahead=ahead)
    return Ran(done[1] - begun[0], int(done[0]))
