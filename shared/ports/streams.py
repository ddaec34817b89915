"""The ports of records: a consumer together with a transactional producer, and a transactional producer alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """A record that was consumed. `timestamp` is aware, in UTC. `headers` has the last of several with one name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp: datetime

    @property
    def record_id(self) -> str:
        """The record's id: `topic/partition@offset`."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def topic_partition(self) -> tuple[str, int]:
        """The topic and the number of the record's partition."""
        return self.topic, self.partition


def split_record_id(record_id: str) -> tuple[str, int, int]:
    """Return the topic, the partition and the offset in a record id; raises ValueError if it is not a record id."""
    topic, _, numbers = record_id.rpartition("/")
    partition, _, offset = numbers.partition("@")
    return topic, int(partition), int(offset)


@dataclass(frozen=True, slots=True)
class ProducedRecord:
    """A record to write. Without a value (None), it is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Mapping[str, bytes]


class RecordWriter(Protocol):
    """A transactional producer without a consumer. There is one at a time: opening another one fences the earlier one.

    Not for several threads. Every call blocks until the broker answers.
    """

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        """Write `records` in one transaction, which is committed if `holds` returns True; return whether it was.

        The records are flushed before `holds` is called, so anything that others write after that call has a higher
        offset. Raises what `holds` raises, and writes nothing then. Raises `Transient` if nothing was written, and
        `Fatal` if the writer cannot be used any more.
        """
        ...

    def knows(self, topic: str) -> bool:
        """Return whether a topic exists, as far as this writer may see it. Raises `Transient` and `Fatal`."""
        ...


class RecordStream(Protocol):
    """A member of a consumer group together with a transactional producer: exactly once from topic to topic.

    Not for several threads. Every call may raise `Fatal`: the stream cannot be used any more, and the process must end.
    """

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return up to `limit` records, none if no record arrives within `wait` seconds.

        Blocks for `wait` seconds at most. Partitions are assigned and revoked only during this call and `idle`. Raises
        `Transient` if the brokers do not answer.
        """
        ...

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write all of `produced` and commit the offsets of `consumed` in one transaction: both or neither.

        Blocks until the brokers have decided. Raises `Transient` if neither happened; then `rewind` has the records
        consumed again. Raises `Undecided` if the result is not known; then, after `rewind`, the records are consumed
        again if the transaction was aborted, and are not if it was committed.
        """
        ...

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Have these records consumed again, except those of partitions that are not assigned to this member any more.

        Does not block.
        """
        ...

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records, consumed before the last `consume`, that this member may still commit.

        Drops the records of partitions that were revoked during the last `consume`, even if they were assigned again
        since: another member may have processed them. Does not block.
        """
        ...

    def idle(self, seconds: float) -> None:
        """Wait, without consuming records, and stay a member of the group. Blocks for `seconds`."""
        ...

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        """Write a text as metadata of the group's committed offset in each of these partitions; "" removes it.

        The texts are for the next process with the partition, however this one ends. The offsets stay as they are, and
        the next commit removes the texts. Partitions that are not assigned any more are left out, and so are those from
        which no record was consumed. Blocks until the brokers have all of the texts or none. Raises `Transient` and
        `Undecided` as `commit` does.
        """
        ...

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the metadata of the group's committed offset in a partition from which a record was consumed.

        "" if there is none; None once this member has committed there since the partition was assigned to it. Does not
        block.
        """
        ...

    def is_assigned(self) -> bool:
        """Return whether this member has partitions. Does not block."""
        ...

    def is_committed(self, record_id: str) -> bool:
        """Return whether the group has committed this record, in any process. Blocks; raises `Transient`."""
        ...

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return the number of records still to consume, for each partition that this member has read from.

        Raises nothing, and does not ask the brokers.
        """
        ...

    def close(self) -> None:
        """Leave the group; blocks for a few seconds at most. An open transaction is aborted."""
        ...
