"""Topics, groups and transactions in plain lists: for tests, and for whoever embeds a service in a program.

One thread for all members of a broker. It behaves as Kafka does where `RecordStream` promises something: partitions
are shared among the members of a group, and a later member of the same name shuts the earlier one out.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.errors import Fatal, Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord, split_record_id

_Place = tuple[str, int]
_Offset = tuple[str, int, int]


@dataclass
class _Group:
    committed: dict[_Place, int] = field(default_factory=dict)
    notes: dict[_Place, str] = field(default_factory=dict)
    members: "list[MemoryStream]" = field(default_factory=list)


class MemoryBroker:
    """Topics that come into being with their first record; every one has `partitions` partitions."""

    def __init__(self, partitions: int = 1) -> None:
        self._partitions = partitions
        self._topics: defaultdict[str, list[list[ConsumedRecord]]] = defaultdict(
            lambda: [[] for _ in range(self._partitions)]
        )
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._aborted: set[_Offset] = set()
        self.writers: dict[str, MemoryWriter] = {}

    def append(self, record: ProducedRecord, partition: int | None = None) -> _Offset:
        """Write a record, to the partition of its key or to another one; return where it stands."""
        number = sum(record.key) % self._partitions if partition is None else partition
        log = self._topics[record.topic][number]
        now = datetime.now(UTC)
        log.append(ConsumedRecord(record.topic, number, len(log), record.key, record.value, dict(record.headers), now))
        return record.topic, number, len(log) - 1

    def abort(self, written: Iterable[_Offset]) -> None:
        """Hide records from all readers."""
        self._aborted.update(written)

    def is_aborted(self, record: ConsumedRecord) -> bool:
        """Say whether a record is hidden."""
        return (record.topic, record.partition, record.offset) in self._aborted

    def records(self, topic: str) -> Sequence[ConsumedRecord]:
        """Return what a topic holds, partition by partition."""
        return [record for log in self._topics[topic] for record in log if not self.is_aborted(record)]

    def partition(self, place: _Place) -> Sequence[ConsumedRecord]:
        """Return what a partition holds."""
        return self._topics[place[0]][place[1]]

    def group(self, name: str) -> _Group:
        """Return a group."""
        return self._groups[name]

    def places(self, topics: Iterable[str]) -> list[_Place]:
        """Return the partitions of topics."""
        return [(topic, number) for topic in topics for number in range(self._partitions)]


class MemoryStream:
    """A `RecordStream` on a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, service: str, instance: str, topics: Sequence[str]) -> None:
        """Join the group of the service; an earlier member of this name is shut out."""
        self._broker = broker
        self._instance = instance
        self._topics = tuple(topics)
        self._group = broker.group(service)
        self._positions: dict[_Place, int] = {}
        self._noted: dict[_Place, str | None] = {}  # of the partitions from which was read, as `noted` tells
        self._taken_away: set[_Place] = set()  # in the last `consume`
        self._fenced = False
        for earlier in [member for member in self._group.members if member._instance == instance]:  # noqa: SLF001  its own kind
            earlier._fenced = True  # noqa: SLF001
            self._group.members.remove(earlier)
        self._group.members.append(self)

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return what is there, at once: within one thread nothing would come while this one waits."""
        self._check()
        found: list[ConsumedRecord] = []
        share = self._share()
        self._taken_away = self._positions.keys() - share
        for place in self._taken_away:
            del self._positions[place]
            self._noted.pop(place, None)
        for place in share:
            start = self._positions.setdefault(place, self._group.committed.get(place, 0))
            taken = self._broker.partition(place)[start : start + limit - len(found)]
            self._positions[place] += len(taken)
            if taken and place not in self._noted:
                self._noted[place] = self._group.notes.get(place, "")
            found += [record for record in taken if not self._broker.is_aborted(record)]
        if not found:
            time.sleep(min(wait, 0.01))
        return found

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets."""
        self._check()
        share = self._share()
        if any(record.topic_partition not in share for record in consumed):
            msg = "a partition went to another member; nothing was written"
            raise Transient(msg)
        for record in produced:
            self._broker.append(record)
        for done in consumed:
            place = (done.topic, done.partition)
            self._group.committed[place] = max(self._group.committed.get(place, 0), done.offset + 1)
            self._group.notes.pop(place, None)
            self._noted[place] = None

    def note(self, texts: Mapping[_Place, str]) -> None:
        """Keep texts for whoever comes next."""
        self._check()
        ours = {place: text for place, text in texts.items() if place in self._noted and place in self._share()}
        self._group.notes.update(ours)
        self._noted.update(ours)

    def noted(self, topic: str, partition: int) -> str | None:
        """Return the text of a partition."""
        return self._noted.get((topic, partition))

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Go back to the first of these records."""
        self._check()
        share = self._share()
        for record in consumed:
            place = record.topic_partition
            if place in share:
                self._positions[place] = min(self._positions.get(place, record.offset), record.offset)

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records whose partitions were not taken away in the last `consume`."""
        return [record for record in consumed if record.topic_partition not in self._taken_away]

    def idle(self, seconds: float) -> None:
        """Wait; members of one thread cannot be lost meanwhile."""
        self._check()
        time.sleep(seconds)

    def is_assigned(self) -> bool:
        """Say whether this member has partitions."""
        return bool(self._share())

    def is_committed(self, record_id: str) -> bool:
        """Say whether the group is done with the record at a place."""
        topic, partition, offset = split_record_id(record_id)
        return self._group.committed.get((topic, partition), 0) > offset

    def lag(self) -> Mapping[_Place, int]:
        """Return what is left in the partitions that were read from."""
        share = self._share()
        return {
            place: len(self._broker.partition(place)) - position
            for place, position in self._positions.items()
            if place in share
        }

    def close(self) -> None:
        """Leave the group."""
        if self in self._group.members:
            self._group.members.remove(self)

    def _check(self) -> None:
        if self._fenced:
            msg = f"{self._instance}: another process of this name is at work"
            raise Fatal(msg)

    def _share(self) -> set[_Place]:
        """Return this member's partitions."""
        members = self._group.members
        number = members.index(self) if self in members else -1
        places = self._broker.places(self._topics)
        return {place for at, place in enumerate(places) if at % max(1, len(members)) == number}


class MemoryWriter:
    """A `RecordWriter` on a `MemoryBroker`; an earlier one of this name is shut out."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self._broker = broker
        self._name = name
        broker.writers[name] = self

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        """Append all records, then ask, then commit if the answer is yes; say whether they were written."""
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
        """Say that a topic is there, since it comes into being when it is written to."""
        return True

    def _check(self) -> None:
        if self._broker.writers[self._name] is not self:
            msg = f"{self._name}: another process of this name is at work"
            raise Fatal(msg)
