"""Where a group stands in the partitions of a member, and the texts that stand there.

A partition is in doubt when it comes, and when a transaction has ended in a way that nobody knows of: none of its
records is returned until they are at the group's offset (docs/decisions/015 and 016).

The texts are `metadata` in Kafka, which keeps one with each offset. They are committed in transactions, as the offsets
that go on are: an offset that is committed outside of one is taken for newer than that of a transaction which began
before it and ends after it, and would set the group back.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import TopicPartition

from shared.adapters.kafka.records import first_offsets
from shared.errors import Transient
from shared.ports.streams import ConsumedRecord

_Place = tuple[str, int]
_Ask = Callable[[list[TopicPartition]], list[TopicPartition]]
"""Asks the brokers for the group's offsets; raises `Transient` where they are in doubt still."""
_Seek = Callable[[str, int, int], None]


class Standing:
    """What one member knows of its group's offsets."""

    def __init__(self) -> None:
        self._doubtful: set[_Place] = set()
        self._stands: dict[_Place, tuple[int, str | None]] = {}  # with the text: None where this member has committed

    def doubt(self, places: Iterable[_Place]) -> None:
        """Take note that partitions may not be where the group's offset is."""
        for place in places:
            self._doubtful.add(place)
            self._stands.pop(place, None)

    def forget(self, places: Iterable[_Place]) -> None:
        """Take note that partitions went."""
        for place in places:
            self._doubtful.discard(place)
            self._stands.pop(place, None)

    def proven(self, records: Sequence[ConsumedRecord], ask: _Ask, seek: _Seek) -> Sequence[ConsumedRecord]:
        """Leave out the records of partitions that are not at the group's offset, and go there.

        A transaction of ours may have set it, of which we do not know how it ended. And a partition that comes while
        another one's transaction sets it waits for the end of that; librdkafka up to 2.16 forgets to, when partitions
        come or go meanwhile, and begins with the first record of all.
        """
        begun = first_offsets([record for record in records if record.topic_partition in self._doubtful])
        if not begun:
            return records
        try:
            found = ask([TopicPartition(*place) for place in begun])
        except Transient:  # still in doubt: read again what has come, and ask again
            found = []
        told = {(at.topic, at.partition): (at.offset, at.metadata) for at in found if not at.error}
        for place, offset in begun.items():
            # Below zero there is no offset: nothing was committed yet.
            wanted, text = told.get(place, (None, None))
            if wanted is None:
                seek(*place, offset)
            elif wanted <= offset:
                self._doubtful.discard(place)
                self._stands[place] = wanted if wanted >= 0 else offset, text or ""
            else:
                words = "%s/%d is at %d; going to the group's offset %d"
                logging.getLogger("kafka").warning(words, *place, offset, wanted)
                seek(*place, wanted)
        return [record for record in records if record.topic_partition not in self._doubtful]

    def text(self, place: _Place) -> str | None:
        """Return the text of a partition, "" if none; None where this member has committed, or nothing is known."""
        _, text = self._stands.get(place, (0, None))
        return text

    def with_texts(self, texts: Mapping[_Place, str]) -> list[TopicPartition]:
        """Return the group's offsets with these texts, for those partitions where they are known."""
        stands = self._stands
        return [TopicPartition(*place, stands[place][0], text) for place, text in texts.items() if place in stands]

    def committed(self, offsets: Iterable[TopicPartition], *, are_noted: bool) -> None:
        """Take note of what a transaction has set: offsets that go on, whose texts are gone, or the texts alone."""
        for to in offsets:
            self._stands[to.topic, to.partition] = to.offset, (to.metadata or "") if are_noted else None
