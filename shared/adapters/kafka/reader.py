"""Reads topics without joining a consumer group, so that no partition is taken from a service."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, TopicPartition

from shared.adapters.kafka.denials import READ, Identity
from shared.adapters.kafka.errors import Listener, line
from shared.adapters.kafka.records import consumed_record
from shared.adapters.kafka.settings import KafkaSettings
from shared.errors import Fatal
from shared.ports.streams import ConsumedRecord

_GROUP = "facestream.reader"  # the client requires one; no offset is ever committed in it
_TIMEOUT = 15.0  # seconds until the topic's partitions must be known
_BACK = 16  # offsets before the end at which the search for the last record begins
_WAIT = 0.2  # seconds of one call; Ctrl-C interrupts only between two calls


class KafkaReader:
    """Reads the records of one topic; a context manager. Raises `Fatal` and `Transient`.

    `committed`: leave out the records of open and aborted transactions.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, committed: bool = True) -> None:
        self._settings = settings
        self._isolation = "read_committed" if committed else "read_uncommitted"
        self._topic = topic
        self._next: dict[int, int] = {}  # the next offset to read, by partition
        self._connect()

    def _connect(self) -> None:
        self._listener = Listener(Identity(self._settings.username, _GROUP), READ.of(self._topic))
        self._consumer = Consumer(
            {
                **self._settings.client(),
                **self._listener.callbacks(),
                "log_level": 0,
                "group.id": _GROUP,
                "enable.auto.commit": False,
                "isolation.level": self._isolation,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 32 * 1024,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._consumer.close()

    def stored(self) -> Iterator[ConsumedRecord]:
        """Yield the records that are in the topic now, and end."""
        left = set(self._start(OFFSET_BEGINNING))
        while left:
            for record in self._records():
                if isinstance(record, int):
                    left.discard(record)
                else:
                    yield record

    def follow(self, *, from_beginning: bool) -> Iterator[ConsumedRecord]:
        """Yield records as they arrive, with `from_beginning` after all that are in the topic now. Never ends."""
        return (record for record in self.follow_in_turns(from_beginning=from_beginning) if record)

    def follow_in_turns(self, *, from_beginning: bool) -> Iterator[ConsumedRecord | None]:
        """Do as `follow`, and yield None from time to time, so that a caller can follow several topics in turn."""
        self._start(OFFSET_BEGINNING if from_beginning else OFFSET_END)
        while True:
            if self._listener.lost:
                self._connect()
                self._assign()
            for record in self._records():
                if not isinstance(record, int):
                    yield record
            yield None

    def first(self, offsets: Mapping[int, int]) -> Mapping[int, ConsumedRecord]:
        """Return the first record of each partition at its offset or a later one, without partitions that have none.

        All partitions are read at once: where only markers of transactions are left, the end comes after seconds.
        """
        left = offsets.keys() & set(self._partitions())
        self._next = {partition: offsets[partition] for partition in left}
        self._assign()
        found: dict[int, ConsumedRecord] = {}
        while left:
            for record in self._records():
                if isinstance(record, int):
                    left.discard(record)
                elif record.partition in left:
                    left.discard(record.partition)
                    found[record.partition] = record
        return found

    def last(self, extents: Mapping[int, tuple[int, int]]) -> Mapping[int, ConsumedRecord]:
        """Return the last record of each partition that has one. `extents`: as `KafkaAdmin.extents` returns them."""
        found: dict[int, ConsumedRecord] = {}
        back = _BACK
        left = {partition: extent for partition, extent in extents.items() if extent[0] < extent[1]}
        while left:
            self._next = {partition: max(first, after - back) for partition, (first, after) in left.items()}
            starts = dict(self._next)
            self._assign()
            unread = set(left)
            while unread:
                for record in self._records():
                    if isinstance(record, int):
                        unread.discard(record)
                    else:
                        found[record.partition] = record
            # There may be only markers of transactions so far; a partition that was read from its beginning is done.
            left = {
                partition: extent
                for partition, extent in left.items()
                if partition not in found and starts[partition] > extent[0]
            }
            back *= _BACK
        return found

    def _start(self, offset: int) -> Sequence[int]:
        partitions = self._partitions()
        self._next = dict.fromkeys(partitions, offset)
        self._assign()
        return partitions

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, *at) for at in self._next.items()])

    def _partitions(self) -> Sequence[int]:
        found = self._listener.insisting(
            self._consumer, lambda seconds: self._consumer.list_topics(self._topic, seconds), _TIMEOUT
        ).topics[self._topic]
        if found.error is not None:
            self._listener.check_rights(found.error)
            msg = f"{line(found.error)}: {self._topic}; create the topics with `facestream init`"
            raise Fatal(msg)
        return sorted(found.partitions)

    def _records(self) -> Iterator[ConsumedRecord | int]:
        """Yield records, and the number of a partition when its end is reached."""
        with self._listener.translated():
            messages = self._consumer.consume(500, _WAIT)
        for message in messages:
            error = message.error()
            partition, offset = message.partition() or 0, message.offset() or 0
            if error is None:
                self._next[partition] = offset + 1
                yield consumed_record(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  not an error, but an event of librdkafka
                self._next[partition] = offset
                yield partition
            elif not error.retriable():
                self._listener.check_rights(error)
                raise Fatal(line(error))
