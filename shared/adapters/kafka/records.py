"""Messages of Kafka's client as records, and their offsets by partition."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Message

from shared.ports.streams import ConsumedRecord


def consumed_record(message: Message) -> ConsumedRecord:
    """Return a message of the client as a record."""
    _, milliseconds = message.timestamp()
    pairs: Any = (
        message.headers() or ()
    )  # the client's type is too wide: consumed headers are always pairs of str and bytes
    return ConsumedRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers={name: value or b"" for name, value in pairs},
        timestamp=datetime.fromtimestamp(max(milliseconds, 0) / 1000, UTC),
    )


def first_offsets(records: Sequence[ConsumedRecord]) -> dict[tuple[str, int], int]:
    """Return the offset of the first of these records in each partition."""
    return {record.topic_partition: record.offset for record in sorted(records, key=_offset, reverse=True)}


def last_offsets(records: Sequence[ConsumedRecord]) -> dict[tuple[str, int], int]:
    """Return the offset of the last of these records in each partition."""
    return {record.topic_partition: record.offset for record in sorted(records, key=_offset)}


def _offset(record: ConsumedRecord) -> int:
    return record.offset
