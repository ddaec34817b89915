"""Topics, groups and transactions in lists: for tests, and for programs that embed a service.

All members of a broker are in one thread. It behaves like Kafka in everything that `RecordStream` promises: the members
of a group share the partitions, and a later member with the same name fences off the earlier one.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.errors import Fatal, Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord, split_record_id

_Partition = tuple[str, int]
_Offset = tuple[str, int, int]


@dataclass
class _Group:
    committed: dict[_Partition, int] = field(default_factory=dict)
    notes: dict[_Partition, str] = field(default_factory=dict)
    members: "list[MemoryStream]" = field(default_factory=list)


class MemoryBroker:
    """Topics, which are created with their first record; each has `partitions` partitions."""

    def __init__(self, partitions: int = 1) -> None:
        self._partitions = partitions
        self._topics: defaultdict[str, list[list[ConsumedRecord]]] = defaultdict(
            lambda: [[] for _ in range(self._partitions)]
        )
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._aborted: set[_Offset] = set()
        self.writers: dict[str, MemoryWriter] = {}

    def append(self, record: ProducedRecord, partition: int | None = None) -> _Offset:
        """Write a record, by default to the partition of its key; return its topic, partition and offset."""
        number = sum(record.key) % self._partitions if partition is None else partition
        log = self._topics[record.topic][number]
        now = datetime.now(UTC)
        log.append(ConsumedRecord(record.topic, number, len(log), record.key, record.value, dict(record.headers), now))
        return record.topic, number, len(log) - 1

    def abort(self, written: Iterable[_Offset]) -> None:
        """Hide records from all readers."""
        self._aborted.update(written)

    def is_aborted(self, record: ConsumedRecord) -> bool:
        """Return whether a record is hidden."""
        return (record.topic, record.partition, record.offset) in self._aborted

    def records(self, topic: str) -> Sequence[ConsumedRecord]:
        """Return the records of a topic that are not hidden, partition by partition."""
        return [record for log in self._topics[topic] for record in log if not self.is_aborted(record)]

    def log(self, partition: _Partition) -> Sequence[ConsumedRecord]:
        """Return all records of a partition, hidden ones too."""
        topic, number = partition
        return self._topics[topic][number]

    def group(self, name: str) -> _Group:
        """Return a group."""
        return self._groups[name]

    def partitions(self, topics: Iterable[str]) -> list[_Partition]:
        """Return the partitions of topics."""
        return [(topic, number) for topic in topics for number in range(self._partitions)]


class MemoryStream:
    """A `RecordStream` on a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, service: str, instance: str, topics: Sequence[str]) -> None:
        """Join the group of the service, and fence off an earlier member with this name."""
        self._broker = broker
        self._instance = instance
        self._topics = tuple(topics)
        self._group = broker.group(service)
        self._positions: dict[_Partition, int] = {}
        self._noted: dict[_Partition, str | None] = {}  # what `noted` returns, for partitions that were read from
        self._revoked: set[_Partition] = set()  # during the last `consume`
        self._fenced = False
        for earlier in [member for member in self._group.members if member._instance == instance]:  # noqa: SLF001  of the same class
            earlier._fenced = True  # noqa: SLF001
            self._group.members.remove(earlier)
        self._group.members.append(self)

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return the next records at once: all members are in one thread, so no record can arrive while one waits."""
        self._check()
        found: list[ConsumedRecord] = []
        share = self._share()
        self._revoked = self._positions.keys() - share
        for partition in self._revoked:
            del self._positions[partition]
            self._noted.pop(partition, None)
        for partition in share:
            start = self._positions.setdefault(partition, self._group.committed.get(partition, 0))
            taken = self._broker.log(partition)[start : start + limit - len(found)]
            self._positions[partition] += len(taken)
            if taken and partition not in self._noted:
                self._noted[partition] = self._group.notes.get(partition, "")
            found += [record for record in taken if not self._broker.is_aborted(record)]
        if not found:
            time.sleep(min(wait, 0.01))
        return found

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets."""
        self._check()
        share = self._share()
        if any(record.topic_partition not in share for record in consumed):
            msg = "a partition was assigned to another member; nothing was written"
            raise Transient(msg)
        for record in produced:
            self._broker.append(record)
        for done in consumed:
            partition = (done.topic, done.partition)
            self._group.committed[partition] = max(self._group.committed.get(partition, 0), done.offset + 1)
            self._group.notes.pop(partition, None)
            self._noted[partition] = None

    def note(self, texts: Mapping[_Partition, str]) -> None:
        """Keep the texts for the next member with the partition."""
        self._check()
        ours = {
            partition: text
            for partition, text in texts.items()
            if partition in self._noted and partition in self._share()
        }
        self._group.notes.update(ours)
        self._noted.update(ours)

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the metadata of the group's offset in a partition."""
        return self._noted.get((topic, partition))

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Set the position to the first of these records in each partition."""
        self._check()
        share = self._share()
        for record in consumed:
            partition = record.topic_partition
            if partition in share:
                self._positions[partition] = min(self._positions.get(partition, record.offset), record.offset)

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records whose partitions were not revoked during the last `consume`."""
        return [record for record in consumed if record.topic_partition not in self._revoked]

    def idle(self, seconds: float) -> None:
        """Wait."""
        self._check()
        time.sleep(seconds)

    def is_assigned(self) -> bool:
        """Return whether this member has partitions."""
        return bool(self._share())

    def is_committed(self, record_id: str) -> bool:
        """Return whether the group has committed this record."""
        topic, partition, offset = split_record_id(record_id)
        return self._group.committed.get((topic, partition), 0) > offset

    def lag(self) -> Mapping[_Partition, int]:
        """Return the number of records left in each partition that was read from."""
        share = self._share()
        return {
            partition: len(self._broker.log(partition)) - position
            for partition, position in self._positions.items()
            if partition in share
        }

    def close(self) -> None:
        """Leave the group."""
        if self in self._group.members:
            self._group.members.remove(self)

    def _check(self) -> None:
        if self._fenced:
            msg = f"{self._instance}: another process of this name is at work"
            raise Fatal(msg)

    def _share(self) -> set[_Partition]:
        """Return this member's partitions."""
        members = self._group.members
        number = members.index(self) if self in members else -1
        partitions = self._broker.partitions(self._topics)
        return {partition for at, partition in enumerate(partitions) if at % max(1, len(members)) == number}


class MemoryWriter:
    """A `RecordWriter` on a `MemoryBroker`; it fences off an earlier one with this name."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self._broker = broker
        self._name = name
        broker.writers[name] = self

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        """Write records, and hide them again unless `holds` returns True; return whether they were written."""
        self._check()
        written = [self._broker.append(record) for record in records]
        try:
            committed = holds()
            self._check()
        except BaseException:
            self._broker.abort(written)
            raise
        if not committed:
            self._broker.abort(written)
        return committed

    def knows(self, topic: str) -> bool:  # noqa: ARG002  as in the port
        """Return True: a topic is created when it is written to."""
        return True

    def _check(self) -> None:
        if self._broker.writers[self._name] is not self:
            msg = f"{self._name}: another process of this name is at work"
            raise Fatal(msg)
