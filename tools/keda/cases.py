"""A topic with a backlog in a real Kafka, and one member of a group that reads it."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.errors import Transient
from tools.keda.formula import Offsets

PARTITIONS = 12
_TIMEOUT = 120.0  # seconds that a member may take between two commits
_BATCH = 400  # records of one transaction
_VALUE = b"-" * 900  # as long as a bucket notification


@dataclass
class Backlog:
    """A new topic of twelve partitions, and the group of a service that reads it.

    `transactional`: whether records are written in transactions, as services do, or without, as the object store does.
    """

    bootstrap_servers: str
    topic: str
    service: str
    transactional: bool

    def __post_init__(self) -> None:
        self._settings = KafkaSettings(bootstrap_servers=self.bootstrap_servers)
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(30)
        self._extents = KafkaAdmin(self._settings)
        # It joins no group. `KafkaAdmin.unread` explains why an admin client is not used.
        self._asks = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": self.group, "log_level": 0})

    def join(self, instance: str = "one") -> KafkaStream:
        """Return a new member of the group."""
        return KafkaStream(self._settings, self.service, instance, [self.topic])

    @property
    def group(self) -> str:
        """The group's name."""
        return f"facestream.{self.service}"

    def put(self, count: int, partitions: Collection[int] = range(PARTITIONS), *, abort: bool = False) -> None:
        """Write `count` records to each of these partitions, in one transaction if any, which may be aborted."""
        identity = {"transactional.id": f"{self.topic}-{time.monotonic_ns()}"} if self.transactional else {}
        producer = Producer(
            {"bootstrap.servers": self.bootstrap_servers, "queue.buffering.max.kbytes": 2**20} | identity
        )
        if self.transactional:
            producer.init_transactions(30)
            producer.begin_transaction()
        for partition in partitions:
            for _ in range(count):
                producer.produce(self.topic, _VALUE, b"key", partition)
        assert producer.flush(60) == 0
        if abort:
            producer.abort_transaction(30)
        elif self.transactional:
            producer.commit_transaction(30)

    def work(self, stuck: Collection[int] = ()) -> Iterator[None]:
        """Let a member read and commit everything except in stuck partitions; yields after each batch."""
        stream = self.join()
        last_commit = time.monotonic()
        try:
            while True:
                assert time.monotonic() < last_commit + _TIMEOUT, f"the member has committed nothing for {_TIMEOUT:g} s"
                with suppress(Transient):  # a broker that has just started
                    consumed = [it for it in stream.consume(_BATCH, 0.5) if it.partition not in stuck]
                    if consumed:
                        stream.commit(consumed, [])
                        last_commit = time.monotonic()
                        yield
                    elif not self._left(stuck):
                        return
        finally:
            stream.close()

    def done(self, stuck: Collection[int] = ()) -> None:
        """Let a member read and commit everything except in stuck partitions."""
        for _ in self.work(stuck):
            pass

    def offsets(self) -> Mapping[int, Offsets]:
        """Return the present offsets of each partition."""
        partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        found = Listener().insisting(self._asks, lambda seconds: self._asks.committed(partitions, seconds), 60)
        extents = self._extents.extents(self.topic)
        return {it.partition: Offsets(*extents[it.partition], it.offset if it.offset >= 0 else None) for it in found}

    def _left(self, stuck: Collection[int]) -> bool:
        """Return whether a partition that is not stuck has unread records, apart from the marker of a transaction."""
        return any(
            (offsets.first if offsets.committed is None else offsets.committed) < offsets.end - self.transactional
            for number, offsets in self.offsets().items()
            if number not in stuck
        )
