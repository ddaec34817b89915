"""Partitions of compacted topics that nobody writes to any more, and what has Kafka forget what was erased there.

Kafka compacts what stands before the last segment of a partition, and begins a new segment only when something is
appended and the first record of the last one is older than `max.compaction.lag.ms` (or `segment.ms`). So where nothing
comes after an erasure, key and value stay on the disk for ever, whatever the lag. One more record, and the value goes;
the tombstone, which is kept for `delete.retention.ms` from then on, goes by the compaction after the next one.

So a partition whose last record is older than both gets a record, and once more after the same time. Then it holds
nothing that these two had to clear away, and is left alone until somebody else writes to it: the record says which of
the two it is. The transaction of these records is aborted: to the log they are records like any other, and whoever
reads what is committed never sees them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.domain.topics import TOPICS, Topic
from shared.ports.streams import ConsumedRecord, ProducedRecord

# For whoever reads aborted records as well: a tombstone of a key that nobody has, in the form of those that they know.
_KEY = b"0" * 32
_ROUND = "facestream_round"  # the header that says which of the two it is
_ROUNDS = 2  # the first clears values away, the second tombstones
# Tombstones are kept from the compaction on, which comes within a minute or, where much is to be done, later. So the
# second round comes a 24th later than they demand: an hour of a day.
_MARGIN = 1 / 24
_LAG, _SEGMENT, _TOMBSTONES = "max.compaction.lag.ms", "segment.ms", "delete.retention.ms"
_FOR_EVER = 100 * 365 * 24 * 3600 * 1000  # milliseconds; Kafka has larger numbers than a timedelta


@dataclass(frozen=True, slots=True)
class Idle:
    """A partition that nobody writes to; `rounds` is how often it was written to for that reason."""

    topic: str
    partition: int
    rounds: int


def idle_partitions(settings: KafkaSettings) -> Sequence[Idle]:
    """Return the partitions in which something erased may still stand; raises `Fatal`, `Transient`."""
    admin, now = KafkaAdmin(settings), datetime.now(UTC)
    topics = (topic for topic in TOPICS if topic.cleanup == "compact")
    return [idle for topic in topics for idle in _idle(admin, settings, topic, now)]


def roll(writer: KafkaWriter, idle: Sequence[Idle]) -> None:
    """Append to these partitions what no reader sees; raises `Fatal`, `Transient`."""
    records = [ProducedRecord(it.topic, _KEY, None, {_ROUND: str(it.rounds + 1).encode()}) for it in idle]
    writer.write_if(records, lambda: False, [it.partition for it in idle])


def _idle(admin: KafkaAdmin, settings: KafkaSettings, topic: Topic, now: datetime) -> Iterator[Idle]:
    state = admin.topic(topic.name)
    if state is None:
        return
    quiet = _time_between(state.configuration) * (1 + _MARGIN)
    with KafkaReader(settings, topic.name, committed=False) as reader:
        last = reader.last(admin.extents(topic.name))
    for partition, record in sorted(last.items()):
        rounds = _rounds(record)
        if rounds < _ROUNDS and now - record.timestamp > quiet:
            yield Idle(topic.name, partition, rounds)


def _time_between(configuration: Mapping[str, str]) -> timedelta:
    """Return the time from the last record of a segment to that which begins a new one, and has all before it go."""
    milliseconds = {name: int(configuration[name]) for name in (_LAG, _SEGMENT, _TOMBSTONES)}
    longest = max(min(milliseconds[_LAG], milliseconds[_SEGMENT]), milliseconds[_TOMBSTONES])
    return timedelta(milliseconds=min(longest, _FOR_EVER))


def _rounds(record: ConsumedRecord) -> int:
    return int(record.headers.get(_ROUND, b"0")) if record.key == _KEY else 0
