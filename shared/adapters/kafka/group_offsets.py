"""The group's committed offsets in the partitions of one member, with their metadata.

A partition is uncertain after it was assigned, and after a transaction with an unknown result. None of its records is
returned until the consumer is at the group's offset (docs/decisions/015 and 016).

The metadata is a text that Kafka keeps with each offset. It is committed in transactions, like the offsets themselves:
an offset that is committed outside of a transaction counts as newer than that of a transaction which began before it
and ends after it, and would set the group back.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import TopicPartition

from shared.adapters.kafka.records import first_offsets
from shared.errors import Transient
from shared.ports.streams import ConsumedRecord

_Partition = tuple[str, int]  # with the topic
_Committed = Callable[[list[TopicPartition]], list[TopicPartition]]
"""Asks the brokers for the group's offsets; raises `Transient` while they are still uncertain."""
_Seek = Callable[[str, int, int], None]


class GroupOffsets:
    """What one member knows of its group's offsets."""

    def __init__(self) -> None:
        self._uncertain: set[_Partition] = set()
        # The offset and its metadata, which is None if this member has committed since the partition was assigned.
        self._known: dict[_Partition, tuple[int, str | None]] = {}

    def doubt(self, partitions: Iterable[_Partition]) -> None:
        """Note that the consumer may not be at the group's offset in these partitions."""
        for partition in partitions:
            self._uncertain.add(partition)
            self._known.pop(partition, None)

    def forget(self, partitions: Iterable[_Partition]) -> None:
        """Note that these partitions were revoked."""
        for partition in partitions:
            self._uncertain.discard(partition)
            self._known.pop(partition, None)

    def certain(
        self, records: Sequence[ConsumedRecord], committed: _Committed, seek: _Seek
    ) -> Sequence[ConsumedRecord]:
        """Return the records of partitions in which the consumer is at the group's offset; seek to it in the others.

        A transaction of this process with an unknown result may have set the offset. And the offset of a partition that
        was just assigned may be part of another member's open transaction: the consumer should wait for its end, but
        librdkafka up to 2.16 does not if there is another rebalance meanwhile, and begins with the first record.
        """
        begun = first_offsets([record for record in records if record.topic_partition in self._uncertain])
        if not begun:
            return records
        try:
            found = committed([TopicPartition(*partition) for partition in begun])
        except Transient:  # still uncertain: read these records again, and ask again then
            found = []
        answers = {(at.topic, at.partition): (at.offset, at.metadata) for at in found if not at.error}
        for partition, offset in begun.items():
            # A negative offset means that nothing was committed yet.
            wanted, text = answers.get(partition, (None, None))
            if wanted is None:
                seek(*partition, offset)
            elif wanted <= offset:
                self._uncertain.discard(partition)
                self._known[partition] = wanted if wanted >= 0 else offset, text or ""
            else:
                words = "%s/%d is at %d; going to the group's offset %d"
                logging.getLogger("kafka").warning(words, *partition, offset, wanted)
                seek(*partition, wanted)
        return [record for record in records if record.topic_partition not in self._uncertain]

    def text(self, partition: _Partition) -> str | None:
        """Return the metadata of a partition's offset, "" if there is none.

        None if this member has committed since the partition was assigned, or if nothing is known.
        """
        _, text = self._known.get(partition, (0, None))
        return text

    def with_texts(self, texts: Mapping[_Partition, str]) -> list[TopicPartition]:
        """Return the group's offsets with these texts as metadata, for those partitions whose offsets are known."""
        known = self._known
        return [
            TopicPartition(*partition, known[partition][0], text)
            for partition, text in texts.items()
            if partition in known
        ]

    def committed(self, offsets: Iterable[TopicPartition], *, are_noted: bool) -> None:
        """Note that a transaction has committed these offsets.

        `are_noted`: the offsets are the old ones with new metadata; else they are new ones without metadata.
        """
        for to in offsets:
            self._known[to.topic, to.partition] = to.offset, (to.metadata or "") if are_noted else None
