"""The ports of records: a consumer with its transactional producer, and a producer alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """A record as it came. `timestamp` is aware, in UTC; of headers with one name the last counts."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp: datetime

    @property
    def record_id(self) -> str:
        """Where it stands: `topic/partition@offset`."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def topic_partition(self) -> tuple[str, int]:
        """The topic and the number of the partition in which it stands."""
        return self.topic, self.partition


def split_record_id(record_id: str) -> tuple[str, int, int]:
    """Return topic, partition and offset of a place; ValueError where it is none."""
    topic, _, numbers = record_id.rpartition("/")
    partition, _, offset = numbers.partition("@")
    return topic, int(partition), int(offset)


@dataclass(frozen=True, slots=True)
class ProducedRecord:
    """A record to be written; `value` None is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Mapping[str, bytes]


class RecordWriter(Protocol):
    """A transactional producer alone, of which there is one at a time: opening another one shuts the earlier out."""

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        """Append all records, then ask, then commit if the answer is yes; say whether they were written.

        What others append to the same partitions after the question was asked stands behind these records. Raises
        `Transient` when nothing was written, and `Fatal`: the writer is of no use any more.
        """
        ...

    def knows(self, topic: str) -> bool:
        """Say whether a topic is there, as far as this writer may see; raises `Fatal`, `Transient`."""
        ...


class RecordStream(Protocol):
    """A consumer in a group and a transactional producer, as one: records in, records out, exactly once.

    Not for several threads. Every call may raise `Fatal`: the stream is of no use any more and the process must end.
    """

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return up to `limit` records, after `wait` seconds at the latest; raises `Transient`."""
        ...

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write all of `produced` and mark `consumed` as done, both or neither.

        Raises `Transient` when neither happened; whether the records come again is then for `rewind` to say. Raises
        `Undecided` when nobody knows yet; after `rewind` they come again if they were not marked, and not if they were.
        """
        ...

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Have these records consumed again, those of partitions that went to another member excepted."""
        ...

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records, consumed before the last `consume`, that are still this member's to commit.

        The others are of partitions that were taken away in that call, if only to come back: another member may have
        done them.
        """
        ...

    def idle(self, seconds: float) -> None:
        """Wait, consuming nothing and staying a member of the group."""
        ...

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        """Have a text stand with the group's offset in each of these partitions, all or none; "" is none.

        For whoever comes to the partition after this process, however that ends. The offset stays as it is, and a
        commit removes the text. Blocks until the brokers have it. Partitions that went to another member are left
        out, and so are those of which no record has come. Raises `Transient` and `Undecided` as `commit` does.
        """
        ...

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the text that stands with the group's offset in a partition from which records have come, "" if none.

        None once this member has committed there since it was given the partition. Does not block.
        """
        ...

    def is_assigned(self) -> bool:
        """Say whether this member has partitions."""
        ...

    def is_committed(self, record_id: str) -> bool:
        """Say whether the group is done with the record at a place, whoever did it; raises `Transient`."""
        ...

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return, for each topic and partition that this member has read from, the records it has still to read."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...
