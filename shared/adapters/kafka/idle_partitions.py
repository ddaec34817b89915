"""Idle partitions of compacted topics, and the records that make Kafka delete what was erased there.

Kafka compacts only the segments before the last one of a partition. It begins a new segment only when a record is
written and the first record of the last segment is older than `max.compaction.lag.ms` (or `segment.ms`). So if no
record is written after an erasure, the key and the value stay on the disk for ever. One more record has the value
deleted. The tombstone is kept for `delete.retention.ms` from then on, so it takes a further record to have it deleted.

So a partition whose last record is older than both times gets a record, and a second one after the same time. Then
everything erased is deleted, and the partition is left alone until another record is written: each of the two records
has its number in a header. The transaction of these records is aborted: they count for compaction, and no consumer that
reads only committed records sees them.
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

# For consumers that read aborted records as well: a tombstone with a key that does not exist, in the usual form.
_KEY = b"0" * 32
_ROUND = "facestream_round"  # the header with the number of the record
_ROUNDS = 2  # the first one has values deleted, the second one tombstones
# The time of a tombstone begins with the compaction, which takes a minute or, with many records, longer. So the second
# record is written a 24th of the time later: an hour after a day.
_MARGIN = 1 / 24
_LAG, _SEGMENT, _TOMBSTONES = "max.compaction.lag.ms", "segment.ms", "delete.retention.ms"
_FOR_EVER = 100 * 365 * 24 * 3600 * 1000  # milliseconds; Kafka has larger numbers than a timedelta


@dataclass(frozen=True, slots=True)
class Idle:
    """A partition to which no records are written; `rounds`: the records that were written for this reason, 0 or 1."""

    topic: str
    partition: int
    rounds: int


def idle_partitions(settings: KafkaSettings) -> Sequence[Idle]:
    """Return the idle partitions that may still contain something erased; raises `Fatal` and `Transient`."""
    admin, now = KafkaAdmin(settings), datetime.now(UTC)
    topics = (topic for topic in TOPICS if topic.cleanup == "compact")
    return [idle for topic in topics for idle in _idle(admin, settings, topic, now)]


def roll(writer: KafkaWriter, idle: Sequence[Idle]) -> None:
    """Write a record to each of these partitions, in a transaction that is aborted; raises `Fatal` and `Transient`."""
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
    """Return the time after the last record of a segment, after which a new record has everything erased deleted."""
    milliseconds = {name: int(configuration[name]) for name in (_LAG, _SEGMENT, _TOMBSTONES)}
    longest = max(min(milliseconds[_LAG], milliseconds[_SEGMENT]), milliseconds[_TOMBSTONES])
    return timedelta(milliseconds=min(longest, _FOR_EVER))


def _rounds(record: ConsumedRecord) -> int:
    return int(record.headers.get(_ROUND, b"0")) if record.key == _KEY else 0
