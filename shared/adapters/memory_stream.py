"""Topics, groups and transactions in plain lists: for tests, and for whoever embeds a service in a program.

One thread for all members of a broker. It behaves as Kafka does where `RecordStream` promises something: partitions
are shared among the members of a group, and a later member of the same name shuts the earlier one out.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.errors import Fatal, Transient
from shared.ports import ConsumedRecord, ProducedRecord, split_place

_Place = tuple[str, int]


@dataclass
class _Group:
    committed: dict[_Place, int] = field(default_factory=dict)
    members: "list[MemoryStream]" = field(default_factory=list)


class MemoryBroker:
    """Topics that come into being with their first record; every one has `partitions` partitions."""

    def __init__(self, partitions: int = 1) -> None:
        self._partitions = partitions
        self._topics: defaultdict[str, list[list[ConsumedRecord]]] = defaultdict(
            lambda: [[] for _ in range(self._partitions)]
        )
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)

    def append(self, record: ProducedRecord, partition: int | None = None) -> None:
        """Write a record, to the partition of its key or to another one."""
        number = sum(record.key) % self._partitions if partition is None else partition
        log = self._topics[record.topic][number]
        now = datetime.now(UTC)
        log.append(ConsumedRecord(record.topic, number, len(log), record.key, record.value, dict(record.headers), now))

    def records(self, topic: str) -> Sequence[ConsumedRecord]:
        """Return what a topic holds, partition by partition."""
        return [record for log in self._topics[topic] for record in log]

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
        self._fenced = False
        for earlier in [member for member in self._group.members if member._instance == instance]:  # noqa: SLF001  its own kind
            earlier._fenced = True  # noqa: SLF001
            self._group.members.remove(earlier)
        self._group.members.append(self)

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return what is there, at once: within one thread nothing would come while this one waits."""
        self._check()
        found: list[ConsumedRecord] = []
        for place in self._share():
            start = self._positions.setdefault(place, self._group.committed.get(place, 0))
            taken = self._broker.partition(place)[start : start + limit - len(found)]
            self._positions[place] += len(taken)
            found += taken
        if not found:
            time.sleep(min(wait, 0.01))
        return found

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets."""
        self._check()
        share = self._share()
        if any((record.topic, record.partition) not in share for record in consumed):
            msg = "a partition went to another member; nothing was written"
            raise Transient(msg)
        for record in produced:
            self._broker.append(record)
        for done in consumed:
            place = (done.topic, done.partition)
            self._group.committed[place] = max(self._group.committed.get(place, 0), done.offset + 1)

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Go back to the first of these records."""
        self._check()
        share = self._share()
        for record in consumed:
            place = (record.topic, record.partition)
            if place in share:
                self._positions[place] = min(self._positions.get(place, record.offset), record.offset)

    def idle(self, seconds: float) -> None:
        """Wait; members of one thread cannot be lost meanwhile."""
        self._check()
        time.sleep(seconds)

    def is_assigned(self) -> bool:
        """Say whether this member has partitions."""
        return bool(self._share())

    def is_committed(self, place: str) -> bool:
        """Say whether the group is done with the record at a place."""
        topic, partition, offset = split_place(place)
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
        """Return this member's partitions; what it has read of others is forgotten."""
        members = self._group.members
        number = members.index(self) if self in members else -1
        places = self._broker.places(self._topics)
        share = {place for at, place in enumerate(places) if at % max(1, len(members)) == number}
        for place in self._positions.keys() - share:
            del self._positions[place]
        return share
