"""Servers for a benchmark, and the loop of a service in this process."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
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
from shared.stream.processor import BaseProcessor, Processor
from shared.stream.service import Service
from shared.stream.worker import WorkerSettings
from tools.stack import KafkaServer, Missing

_PARTITIONS = 4
_STALL_TIMEOUT = 300.0  # seconds that a batch may take


class Ran(NamedTuple):
    """The run of a service: seconds from its first records to its last commit, and the number of committed records."""

    seconds: float
    records: int


def not_there(title: str, missing: Missing) -> Table:
    """Return the table of a benchmark whose servers cannot be installed on this machine."""
    return Table(title, ("result",), [("not measured",)], [str(missing)])


@contextmanager
def kafka_with_topics(folder: Path) -> Iterator[KafkaServer]:
    """Run a broker with all topics within the block; raises `Missing`."""
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
    """Write records as fast as possible, without transactions."""
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
        msg = "expected the broker to acknowledge all records within a minute"
        raise RuntimeError(msg)


@contextmanager
def quiet() -> Iterator[None]:
    """Log only warnings within the block."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.reset_defaults()


def run_until(
    records: int, server: KafkaServer, name: str, topic: str, processor: Processor, *, settings: WorkerSettings
) -> Ran:
    """Run the loop of a service of this name, which reads the topic from its start, until so many are committed."""
    stop = Event()
    stream = KafkaStream(KafkaSettings(bootstrap_servers=server.bootstrap_servers), name, "0", [topic])
    service = Service(name=name, instance="0", health=Health(_STALL_TIMEOUT), stop=stop)
    timed = _Timed(processor, records, stop)
    service.run(stream, timed, settings, stall_timeout=_STALL_TIMEOUT)
    return Ran(timed.done_at - timed.begun_at, timed.done)


class _Timed(BaseProcessor):
    """Another processor, until a number of records is committed; with the times of the first and the last ones."""

    def __init__(self, inner: Processor, records: int, stop: Event) -> None:
        self._inner = inner
        self._records = records
        self._stop = stop
        self.begun_at = self.done_at = 0.0
        self.done = 0
        self.prefetches = inner.prefetches  # type: ignore[misc]  # of this one, and not of the class
        self.start = inner.start  # type: ignore[method-assign]
        self.prefetch = inner.prefetch  # type: ignore[method-assign]

    def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        self.begun_at = self.begun_at or time.perf_counter()
        return self._inner.process(records)

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        self._inner.committed(records)
        self.done += len(records)
        self.done_at = time.perf_counter()
        if self.done >= self._records:
            self._stop.set()
